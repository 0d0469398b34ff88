#pragma once

#include <span>

#include "readers/process/elf_image.h"
#include "readers/process/mappings.h"
#include "readers/process/remote_memory.h"

namespace snag::python {

// What a process is that has no runtime which find_runtime knows, as the refusal of it: kUnsupported for a Python that
// Snag does not read (a CPython before 3.7, PyPy, one stripped of all that leads to its runtime), else kNotPython.
[[nodiscard]] Error describe_other_program(const ElfOpener& open, const RemoteMemory& memory,
                                           std::span<const Mapping> mappings);

}  // namespace snag::python
