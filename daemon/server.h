#pragma once

#include <atomic>
#include <filesystem>
#include <string>

#include "readers/base/result.h"
#include "readers/process/unique_descriptor.h"

namespace snag::daemon {

// A Unix socket that others may connect to, at a path. A socket that an ended daemon left there is replaced; one that a
// daemon listens on is not.
[[nodiscard]] Result<UniqueDescriptor> listen_at(const std::filesystem::path& path);

// Serves every client in a thread of its own until `stop` (a descriptor) becomes readable; then the clients' requests
// end, each with its summary.
void serve_all(const UniqueDescriptor& listener, int stop);

// Serves the one client at the other end of the socket.
void serve_one(UniqueDescriptor socket);

}  // namespace snag::daemon
