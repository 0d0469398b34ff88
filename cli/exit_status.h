#pragma once

#include <snag/v1/snag.pb.h>

namespace snag::cli {

// What users' scripts rely on (README).
enum class ExitStatus : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kNotPermitted = 3,
  kNoSuchProcess = 4,  // or not Python
  kInterrupted = 130,  // by SIGINT or SIGTERM; what was gathered is written out
};

[[nodiscard]] ExitStatus exit_status(v1::Failure::Status status);

}  // namespace snag::cli
