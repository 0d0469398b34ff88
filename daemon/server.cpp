#include "daemon/server.h"

#include <cerrno>
#include <cstring>
#include <list>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/session.h"

namespace snag::daemon {
namespace {

// Clients at one time: each takes a thread and up to Connection::kHardLimitBytes.
constexpr std::size_t kMaxClients = 64;
constexpr mode_t kSocketMode = 0660;

Error system_error(const char* what, std::string detail) {
  return {.kind = ErrorKind::kSystem, .what = what, .system_error = errno, .detail = std::move(detail)};
}

bool somebody_listens(const sockaddr_un& address) {
  const UniqueDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

enum class Daemon { kShared, kPrivate };

Caller caller_of(int socket, Daemon kind) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  constexpr std::uint32_t kNobody = 65534;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return {.user = kNobody, .process = {}};
  // A program with capabilities or a user of its own (setcap, setuid) can do more than whoever starts it.
  const bool is_owner = kind == Daemon::kPrivate && ::getauxval(AT_SECURE) == 0;
  return {.user = credentials.uid, .is_owner = is_owner, .process = {credentials.pid}};
}

// A client and the thread that serves it.
struct Client {
  int socket = -1;  // the thread's own; to shut it down
  std::atomic<bool> done = false;
  std::thread thread;
};

void serve_client(UniqueDescriptor socket, Daemon kind) {
  // Sleeps end when they should, not up to 50 µs later.
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  // A sample takes microseconds, but at its time: it goes before what computes, the client among it. Of this thread
  // only; without CAP_SYS_NICE it stays as it was.
  constexpr int kBeforeOthers = -10;
  ::setpriority(PRIO_PROCESS, 0, kBeforeOthers);
  const Caller caller = caller_of(socket.get(), kind);
  Connection connection(std::move(socket));
  serve(connection, ProcRoot(), caller);
}

void reap(std::list<Client>& clients) {
  for (auto client = clients.begin(); client != clients.end();) {
    if (!client->done) {
      ++client;
      continue;
    }
    client->thread.join();
    client = clients.erase(client);
  }
}

void accept_one(const UniqueDescriptor& listener, std::list<Client>& clients) {
  UniqueDescriptor socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket.is_open()) return;
  reap(clients);
  if (clients.size() >= kMaxClients) {
    spdlog::warn("{} clients are connected, which is the most; another one was refused", clients.size());
    return;
  }
  auto& client = clients.emplace_back();
  client.socket = socket.get();
  client.thread = std::thread([&client, owned = std::move(socket)]() mutable {
    serve_client(std::move(owned), Daemon::kShared);
    client.done = true;
  });
}

}  // namespace

Result<UniqueDescriptor> listen_at(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = path.string();
  if (name.empty() || name.size() >= sizeof address.sun_path) {
    return fail({.kind = ErrorKind::kOutOfBounds,
                 .what = "--socket",
                 .detail = "the path of a socket has 1 to " + std::to_string(sizeof address.sun_path - 1) + " bytes"});
  }
  std::memcpy(address.sun_path, name.c_str(), name.size());
  struct stat there {};
  if (::lstat(name.c_str(), &there) == 0 && S_ISSOCK(there.st_mode)) {
    if (somebody_listens(address)) {
      return fail(
          {.kind = ErrorKind::kSystem, .what = "--socket", .detail = name + ": a daemon listens there already"});
    }
    ::unlink(name.c_str());
  }
  UniqueDescriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.is_open()) return fail(system_error("socket", name));
  const mode_t before = ::umask(static_cast<mode_t>(~kSocketMode & 0777));
  const bool bound = ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::umask(before);
  if (!bound) return fail(system_error("bind", name));
  if (::listen(listener.get(), SOMAXCONN) != 0) return fail(system_error("listen", name));
  return listener;
}

void serve_all(const UniqueDescriptor& listener, int stop) {
  std::list<Client> clients;
  while (true) {
    std::array<pollfd, 2> waiting{
        {{.fd = listener.get(), .events = POLLIN, .revents = 0}, {.fd = stop, .events = POLLIN, .revents = 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) break;
    if (waiting[1].revents != 0) break;
    if (waiting[0].revents != 0) accept_one(listener, clients);
  }
  for (auto& client : clients) {
    // The client's thread sees the end of its socket's input, ends its request and says what it has.
    if (!client.done) ::shutdown(client.socket, SHUT_RD);
  }
  for (auto& client : clients) client.thread.join();
}

void serve_one(UniqueDescriptor socket) { serve_client(std::move(socket), Daemon::kPrivate); }

}  // namespace snag::daemon
