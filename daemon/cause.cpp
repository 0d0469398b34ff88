#include "daemon/cause.h"

#include <algorithm>
#include <array>

#include <sys/syscall.h>

namespace snag::daemon {
namespace {

// What a system call is about.
enum class Kind : std::uint8_t { kSleeping, kSocket, kAnyDescriptor, kFileSystem, kWaitingFor, kChild, kFutex };

struct Known {
  long number;
  Kind kind;
  bool first_is_descriptor;
};

constexpr std::array<Known, 39> kKnown{{
    {SYS_nanosleep, Kind::kSleeping, false},    {SYS_clock_nanosleep, Kind::kSleeping, false},
    {SYS_pause, Kind::kSleeping, false},        {SYS_connect, Kind::kSocket, true},
    {SYS_accept, Kind::kSocket, true},          {SYS_accept4, Kind::kSocket, true},
    {SYS_recvfrom, Kind::kSocket, true},        {SYS_recvmsg, Kind::kSocket, true},
    {SYS_recvmmsg, Kind::kSocket, true},        {SYS_sendto, Kind::kSocket, true},
    {SYS_sendmsg, Kind::kSocket, true},         {SYS_sendmmsg, Kind::kSocket, true},
    {SYS_read, Kind::kAnyDescriptor, true},     {SYS_write, Kind::kAnyDescriptor, true},
    {SYS_readv, Kind::kAnyDescriptor, true},    {SYS_writev, Kind::kAnyDescriptor, true},
    {SYS_pread64, Kind::kAnyDescriptor, true},  {SYS_pwrite64, Kind::kAnyDescriptor, true},
    {SYS_poll, Kind::kWaitingFor, false},       {SYS_ppoll, Kind::kWaitingFor, false},
    {SYS_select, Kind::kWaitingFor, false},     {SYS_pselect6, Kind::kWaitingFor, false},
    {SYS_epoll_wait, Kind::kWaitingFor, false}, {SYS_epoll_pwait, Kind::kWaitingFor, false},
    {SYS_open, Kind::kFileSystem, false},       {SYS_openat, Kind::kFileSystem, false},
    {SYS_close, Kind::kFileSystem, true},       {SYS_fsync, Kind::kFileSystem, true},
    {SYS_fdatasync, Kind::kFileSystem, true},   {SYS_flock, Kind::kFileSystem, true},
    {SYS_stat, Kind::kFileSystem, false},       {SYS_fstat, Kind::kFileSystem, true},
    {SYS_newfstatat, Kind::kFileSystem, false}, {SYS_getdents64, Kind::kFileSystem, true},
    {SYS_rename, Kind::kFileSystem, false},     {SYS_unlink, Kind::kFileSystem, false},
    {SYS_wait4, Kind::kChild, false},           {SYS_waitid, Kind::kChild, false},
    {SYS_futex, Kind::kFutex, false},
}};

const Known* find_known(std::int64_t number) {
  const auto* const found =
      std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& known) { return known.number == number; });
  return found == kKnown.end() ? nullptr : found;
}

bool begins(std::string_view text, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](auto prefix) { return text.starts_with(prefix); });
}

bool any_file(std::span<const ShownFrame> frames, std::string_view ending) {
  return std::any_of(frames.begin(), frames.end(),
                     [&](const ShownFrame& frame) { return frame.file.ends_with(ending); });
}

bool resolves_names(std::string_view builtin) {
  return begins(builtin, {"socket.getaddrinfo", "socket.gethostby", "socket.getnameinfo", "socket.getfqdn"});
}

Cause on_descriptor(const Situation& situation) {
  if (!situation.descriptor) return Cause::kUnknown;
  if (situation.descriptor->kind == DescriptorKind::kSocket) return Cause::kNetwork;
  if (situation.descriptor->kind == DescriptorKind::kPipe && any_file(situation.called, "/subprocess.py")) {
    return Cause::kSubprocess;
  }
  return situation.descriptor->kind == DescriptorKind::kAnonymous ? Cause::kUnknown : Cause::kFile;
}

Cause on_wait(const Situation& situation) {
  if (begins(situation.builtin, {"socket.", "ssl.", "select."})) return Cause::kNetwork;
  return on_descriptor(situation);
}

Cause on_futex(const Situation& situation) {
  if (any_file(situation.called, "/concurrent/futures/_base.py")) return Cause::kFuture;
  const bool locks = begins(situation.builtin, {"threading.", "queue.", "multiprocessing."}) ||
                     situation.builtin.find("acquire") != std::string_view::npos;
  if (locks) return Cause::kLock;
  return situation.gil_elsewhere ? Cause::kGil : Cause::kUnknown;
}

Cause by_system_call(const Situation& situation, const Known& known) {
  switch (known.kind) {
    case Kind::kSleeping:
      return Cause::kSleep;
    case Kind::kSocket:
      return Cause::kNetwork;
    case Kind::kAnyDescriptor:
      return on_descriptor(situation);
    case Kind::kFileSystem:
      return Cause::kFile;
    case Kind::kWaitingFor:
      return on_wait(situation);
    case Kind::kChild:
      return Cause::kSubprocess;
    case Kind::kFutex:
      return on_futex(situation);
  }
  return Cause::kUnknown;
}

bool is_importing(std::span<const ShownFrame> called) {
  return std::any_of(called.begin(), called.end(),
                     [](const ShownFrame& frame) { return frame.file.starts_with("<frozen importlib._bootstrap"); });
}

}  // namespace

Cause classify(const Situation& situation) {
  if (situation.stopped) return Cause::kStopped;
  if (!situation.system_call) return Cause::kUnknown;
  const auto& call = *situation.system_call;
  if (is_importing(situation.called)) return Cause::kImport;
  if (situation.builtin == "time.sleep") return Cause::kSleep;  // also while it goes to sleep or wakes up
  if (call.running) return situation.builtin.empty() ? Cause::kCpuPython : Cause::kCpuNative;
  if (!call.number) return Cause::kUnknown;  // blocked in a page fault, say
  const auto* known = find_known(*call.number);
  if (known == nullptr) return Cause::kUnknown;
  if (resolves_names(situation.builtin) && known->kind != Kind::kFutex) return Cause::kDns;
  const Cause cause = by_system_call(situation, *known);
  const bool writes = cause == Cause::kFile || cause == Cause::kNetwork;
  if (writes && any_file(situation.called, "/logging/__init__.py")) return Cause::kLogging;
  return cause;
}

std::optional<Address> polled_by(const SystemCall& call) {
  const std::int64_t number = call.number.value_or(-1);
  const bool polls = number == SYS_poll || number == SYS_ppoll;
  if (!polls || call.arguments[1] == 0) return std::nullopt;
  return Address{call.arguments[0]};
}

std::optional<int> descriptor_of(const SystemCall& call) {
  if (!call.number) return std::nullopt;
  const auto* known = find_known(*call.number);
  if (known == nullptr || !known->first_is_descriptor) return std::nullopt;
  return static_cast<int>(call.arguments[0]);
}

}  // namespace snag::daemon
