#pragma once

#include <optional>
#include <string>

#include "readers/process/proc_root.h"

namespace snag::daemon {

// The first Python among the processes that this one has started, and those that they have: what is meant when somebody
// gives the number of a wrapper script, of sudo, or of a frozen program's bootloader. "4243 is CPython 3.12.1 (python3
// app.py)"; absent where there is none, or where the kernel does not list children (CONFIG_PROC_CHILDREN).
[[nodiscard]] std::optional<std::string> find_python_below(const ProcRoot& proc, Pid pid);

}  // namespace snag::daemon
