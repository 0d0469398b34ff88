#pragma once

#include <optional>

#include "readers/base/ids.h"
#include "readers/process/unique_descriptor.h"

namespace snag {

// A hold on a process, not on its number; not open where there is no such process, or a kernel before 5.3.
[[nodiscard]] UniqueDescriptor open_process(Pid pid);

// The wait status of a process that has ended and was collected by its parent, as wait(2) gave it to that one. Absent
// while it runs or waits to be collected, and on kernels before 6.15, which tell it to the parent alone.
[[nodiscard]] std::optional<int> wait_status_of(const UniqueDescriptor& process);

}  // namespace snag
