#include "readers/process/descriptor.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <arpa/inet.h>

#include "readers/process/proc_number.h"

namespace snag {
namespace {

// A machine with very many connections has 150 bytes for each; this is some 200,000 of them. Beyond it the endpoint is
// not worth the milliseconds that the kernel takes to print the table.
constexpr std::size_t kMaxSocketTable = std::size_t{32} << 20U;
// The hexadecimal words of an IPv6 address.
constexpr std::size_t kAddressWords = 4;

struct Table {
  const char* file;
  SocketProtocol protocol;
};
constexpr std::array<Table, 4> kInternetTables = {{{.file = "net/tcp", .protocol = SocketProtocol::kTcp},
                                                   {.file = "net/tcp6", .protocol = SocketProtocol::kTcp},
                                                   {.file = "net/udp", .protocol = SocketProtocol::kUdp},
                                                   {.file = "net/udp6", .protocol = SocketProtocol::kUdp}}};

// include/net/tcp_states.h, from 1 on.
constexpr std::array<const char*, 13> kTcpStates = {
    "",      "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",   "TIME_WAIT",
    "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV"};

// The fields of a line; what goes beyond the last one stays in it.
template <std::size_t kCount>
bool split(std::string_view line, std::array<std::string_view, kCount>& fields) {
  for (std::string_view& field : fields) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    if (line.empty()) return false;
    field = line.substr(0, line.find(' '));
    line.remove_prefix(field.size());
  }
  return true;
}

// "0100007F:1F90" → "127.0.0.1:8080". The kernel prints the words as they lie in memory, in host order (net/ipv4/
// tcp_ipv4.c, net/ipv6/tcp_ipv6.c). Empty where there is no peer.
std::string endpoint(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || (colon != 8 && colon != 8 * kAddressWords)) return {};
  const auto port = whole_number<std::uint16_t>(text.substr(colon + 1), 16);
  if (!port) return {};
  std::array<std::uint32_t, kAddressWords> words = {};
  bool is_any = *port == 0;
  for (std::size_t i = 0; i < colon / 8; ++i) {
    const auto word = whole_number<std::uint32_t>(text.substr(8 * i, 8), 16);
    if (!word) return {};
    words[i] = *word;
    is_any = is_any && *word == 0;
  }
  if (is_any) return {};
  char address[INET6_ADDRSTRLEN] = "";
  if (colon == 8) {
    ::inet_ntop(AF_INET, words.data(), address, sizeof address);
    return std::string(address) + ":" + std::to_string(*port);
  }
  // ::ffff:a.b.c.d, an IPv4 peer of an IPv6 socket, is shown as the IPv4 address that it is.
  in6_addr six = {};
  std::memcpy(&six, words.data(), sizeof six);
  if (IN6_IS_ADDR_V4MAPPED(&six)) {
    ::inet_ntop(AF_INET, &words[3], address, sizeof address);
    return std::string(address) + ":" + std::to_string(*port);
  }
  ::inet_ntop(AF_INET6, &six, address, sizeof address);
  return "[" + std::string(address) + "]:" + std::to_string(*port);
}

// A line of tcp, tcp6, udp or udp6: "sl local remote st queues timer retransmits uid timeout inode …".
std::optional<SocketEnds> internet_line(std::string_view line, SocketProtocol protocol, std::uint64_t inode) {
  std::array<std::string_view, 10> fields;
  if (!split(line, fields) || whole_number<std::uint64_t>(fields[9]) != inode) return std::nullopt;
  SocketEnds ends = {.protocol = protocol, .local = endpoint(fields[1]), .remote = endpoint(fields[2]), .state = {}};
  const auto state = whole_number<std::size_t>(fields[3], 16);
  if (protocol == SocketProtocol::kTcp && state && *state < kTcpStates.size()) ends.state = kTcpStates[*state];
  return ends;
}

// A line of unix: "num: refcount protocol flags type state inode [path]".
std::optional<SocketEnds> unix_line(std::string_view line, std::uint64_t inode) {
  std::array<std::string_view, 7> fields;
  if (!split(line, fields) || whole_number<std::uint64_t>(fields[6]) != inode) return std::nullopt;
  const auto end_of_inode = static_cast<std::size_t>(fields[6].data() + fields[6].size() - line.data());
  const std::string_view path = line.substr(std::min(end_of_inode + 1, line.size()));
  return SocketEnds{.protocol = SocketProtocol::kUnix, .local = std::string(path), .remote = {}, .state = {}};
}

template <class ParseLine>
Result<std::optional<SocketEnds>> search(const std::filesystem::path& table, ParseLine parse) {
  std::optional<SocketEnds> found;
  auto done = for_each_proc_line(table, kMaxSocketTable, "/proc/PID/net", [&](std::string_view line) {
    found = parse(line);
    return !found;
  });
  if (!done) return fail(done);
  return found;
}

// "socket:[4711]" → 4711.
std::optional<std::uint64_t> inode_in(std::string_view target, std::string_view kind) {
  if (!target.starts_with(kind) || !target.ends_with(']')) return std::nullopt;
  target.remove_prefix(kind.size());
  target.remove_suffix(1);
  return whole_number<std::uint64_t>(target);
}

}  // namespace

Result<std::optional<SocketEnds>> find_socket(const ProcRoot& root, Pid pid, std::uint64_t inode) {
  for (const Table& table : kInternetTables) {
    auto found = search(root.of(pid, table.file),
                        [&](std::string_view line) { return internet_line(line, table.protocol, inode); });
    // A kernel without IPv6 has no such table.
    if (!found && found.error().kind == ErrorKind::kNoSuchProcess && root.has(pid)) continue;
    if (!found || *found) return found;
  }
  auto found = search(root.of(pid, "net/unix"), [&](std::string_view line) { return unix_line(line, inode); });
  if (!found && found.error().kind == ErrorKind::kNoSuchProcess && root.has(pid)) return std::optional<SocketEnds>();
  return found;
}

Result<Descriptor> describe_descriptor(const ProcRoot& root, Pid pid, int number) {
  auto target = read_proc_link(root.of(pid, "fd/" + std::to_string(number)), "/proc/PID/fd");
  if (!target) return fail(target);
  Descriptor descriptor;
  descriptor.target = *std::move(target);
  if (const auto inode = inode_in(descriptor.target, "socket:[")) {
    descriptor.kind = DescriptorKind::kSocket;
    descriptor.inode = inode;
    // Without its ends a socket is still a socket: their lack is no failure.
    if (auto ends = find_socket(root, pid, *inode)) descriptor.ends = *std::move(ends);
  } else if (const auto pipe = inode_in(descriptor.target, "pipe:[")) {
    descriptor.kind = DescriptorKind::kPipe;
    descriptor.inode = pipe;
  } else if (!descriptor.target.starts_with('/')) {
    descriptor.kind = DescriptorKind::kAnonymous;
  }
  return descriptor;
}

std::string short_text(const Descriptor& descriptor) {
  switch (descriptor.kind) {
    case DescriptorKind::kFile:
      return descriptor.target;
    case DescriptorKind::kPipe:
      return "pipe";
    case DescriptorKind::kSocket:
      if (!descriptor.ends) return "socket";
      if (!descriptor.ends->remote.empty()) return descriptor.ends->remote;
      if (!descriptor.ends->local.empty()) return descriptor.ends->local;
      return descriptor.ends->protocol == SocketProtocol::kUnix ? "Unix socket" : "socket";
    case DescriptorKind::kAnonymous:
      break;
  }
  // "anon_inode:[eventpoll]" → "eventpoll"
  const std::size_t open = descriptor.target.find('[');
  if (open == std::string::npos || !descriptor.target.ends_with(']')) return descriptor.target;
  return descriptor.target.substr(open + 1, descriptor.target.size() - open - 2);
}

}  // namespace snag
