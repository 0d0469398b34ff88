#pragma once

#include <snag/v1/snag.pb.h>

#include "daemon/request.h"

namespace snag::daemon {

// Sends every thread's stack, once.
void dump(Request& request, const v1::Dump& asked);

}  // namespace snag::daemon
