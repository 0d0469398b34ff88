#include "readers/process/system_error.h"

#include <cerrno>

namespace snag {

Error proc_error(const char* what, int system_error) {
  ErrorKind kind = ErrorKind::kSystem;
  if (system_error == ENOENT || system_error == ESRCH) kind = ErrorKind::kNoSuchProcess;
  if (system_error == EACCES || system_error == EPERM) kind = ErrorKind::kNotPermitted;
  return {.kind = kind, .what = what, .system_error = system_error};
}

}  // namespace snag
