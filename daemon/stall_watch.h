#pragma once

#include <snag/v1/snag.pb.h>

#include "daemon/request.h"

namespace snag::daemon {

// Watches the event loops of the targets until the time is over, the client wants no more, or all targets have ended.
void watch_stalls(Request& request, const v1::WatchStalls& asked);

}  // namespace snag::daemon
