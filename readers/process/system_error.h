#pragma once

#include "readers/base/result.h"

namespace snag {

// What a failed system call on a file of /proc, or on its process, means: a process ends at any moment, and then its
// files are gone (ENOENT) or go on existing empty (ESRCH). `system_error` is kept.
[[nodiscard]] Error proc_error(const char* what, int system_error);

}  // namespace snag
