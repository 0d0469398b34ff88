#pragma once

#include <snag/v1/snag.pb.h>

#include "daemon/request.h"

namespace snag::daemon {

// Samples the stacks of all threads of the targets at a steady rate until the time is over, the client wants no more,
// or all targets have ended.
void record(Request& request, const v1::Record& asked);

}  // namespace snag::daemon
