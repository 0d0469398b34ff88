#include "cli/commands/selection.h"

namespace snag::cli {

void publish(const Selection& processes, v1::Selection& into) {
  into.mutable_match()->Assign(processes.match.begin(), processes.match.end());
  into.set_subprocesses(processes.subprocesses);
}

}  // namespace snag::cli
