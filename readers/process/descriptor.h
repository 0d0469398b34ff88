#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "readers/base/ids.h"
#include "readers/base/result.h"
#include "readers/process/proc_root.h"

namespace snag {

enum class DescriptorKind { kFile, kPipe, kSocket, kAnonymous };
enum class SocketProtocol { kTcp, kUdp, kUnix };

// A socket as /proc/PID/net tells it, in the target's network namespace.
struct SocketEnds {
  SocketProtocol protocol = SocketProtocol::kTcp;
  std::string local;  // "127.0.0.1:43210", "[::1]:8080"; of a Unix socket its path ("@name" abstract), or ""
  std::string
      remote;  // the same; "" when it is not connected, and for Unix sockets, whose peer the kernel does not tell here
  std::string state;  // "ESTABLISHED", "SYN_SENT", "LISTEN" …; "" for udp and unix
};

// What a descriptor of the target is.
struct Descriptor {
  DescriptorKind kind = DescriptorKind::kFile;
  std::string target;                  // the link's text: "/var/log/app.log", "pipe:[4711]", "anon_inode:[eventpoll]"
  std::optional<std::uint64_t> inode;  // of a socket or pipe
  std::optional<SocketEnds> ends;      // of a socket that was found in the tables
};

// kNoSuchProcess when the process or its descriptor is gone, kNotPermitted.
[[nodiscard]] Result<Descriptor> describe_descriptor(const ProcRoot& root, Pid pid, int number);
// Looks a socket up in /proc/PID/net/{tcp,tcp6,udp,udp6,unix}. Absent: of another kind (netlink, packet), or just
// closed.
[[nodiscard]] Result<std::optional<SocketEnds>> find_socket(const ProcRoot& root, Pid pid, std::uint64_t inode);

// What a person reads: "10.0.3.5:443", "/var/log/app.log", "pipe", "eventpoll".
[[nodiscard]] std::string short_text(const Descriptor& descriptor);

}  // namespace snag
