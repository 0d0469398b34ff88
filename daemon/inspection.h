#pragma once

#include <snag/v1/snag.pb.h>

#include "daemon/request.h"

namespace snag::daemon {

// Sends every process that runs Python, with what stands in the way of attaching.
void list_python_processes(Request& request);

// Sends what was found out about attaching to one process, or on this machine.
void diagnose(Request& request, const v1::Diagnose& asked);

}  // namespace snag::daemon
