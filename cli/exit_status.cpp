#include "cli/exit_status.h"

#include <array>

namespace snag::cli {
namespace {

struct Row {
  v1::Failure::Status status;
  ExitStatus exit;
};
constexpr std::array kRows = {
    Row{v1::Failure::USAGE, ExitStatus::kUsage},
    Row{v1::Failure::NOT_PERMITTED, ExitStatus::kNotPermitted},
    Row{v1::Failure::NO_SUCH_PROCESS, ExitStatus::kNoSuchProcess},
};

}  // namespace

ExitStatus exit_status(v1::Failure::Status status) {
  for (const Row& row : kRows) {
    if (row.status == status) return row.exit;
  }
  return ExitStatus::kFailed;  // also what a newer daemon may send
}

}  // namespace snag::cli
