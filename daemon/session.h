#pragma once

#include "daemon/connection.h"
#include "daemon/request.h"

namespace snag::daemon {

// Serves one client until it goes: hello, then one request after another. Returns when the connection ends.
void serve(Connection& connection, const ProcRoot& proc, Caller caller);

}  // namespace snag::daemon
