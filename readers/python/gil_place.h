#pragma once

#include "readers/process/remote_memory.h"
#include "readers/python/layout.h"

namespace snag::python {

// To 3.11 the GIL's state lies in _PyRuntimeState, and patch releases of 3.7, 3.8 and 3.9 moved it. Looks whether it is
// where the layout says, else close by, and corrects the layout; where it is not found once and only once, the layout
// has no place for it afterwards: no holder is told, rather than a wrong one. From 3.12 on nothing is done.
void settle_gil_place(const RemoteMemory& memory, Address runtime, Layout& layout);

}  // namespace snag::python
