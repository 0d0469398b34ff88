#include "cli/connect/connection.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <sstream>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/view/printable.h"

namespace snag::cli {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

// What a private daemon gets to let go of its targets once its socket has closed, before it is ended by signal.
constexpr milliseconds kDaemonPatience{3000};
// What a daemon that has closed its socket gets to become a zombie, so that we can say how it ended.
constexpr milliseconds kLossPatience{500};

std::string error_text(int system_error) { return std::generic_category().message(system_error); }

// posix_spawn's two tables, freed on every way out.
class SpawnPlan {
 public:
  explicit SpawnPlan(int socket) {
    ::posix_spawn_file_actions_init(&actions_);
    // A duplicate onto itself takes close-on-exec off (POSIX 2018, glibc 2.29).
    ::posix_spawn_file_actions_adddup2(&actions_, socket, socket);
    // In the background it must not read the terminal, nor keep a pipe of ours open.
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    sigset_t signals;
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&attributes_, &signals);
    ::sigaddset(&signals, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes_, &signals);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  // 0, or an errno; where execve fails, glibc reports that too.
  [[nodiscard]] int spawn(const fs::path& program, std::string socket_number, pid_t& pid) const {
    std::string name = "snagd";
    std::string flag = "--private";
    std::string option = "--socket-fd";
    std::array<char*, 5> arguments = {name.data(), flag.data(), option.data(), socket_number.data(), nullptr};
    return ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_, arguments.data(), environ);
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

bool is_program(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

Connection::Connection(Descriptor socket, Child daemon) : socket_(std::move(socket)), daemon_(std::move(daemon)) {}

Connection::~Connection() {
  socket_.reset();
  if (!daemon_.is_running() || daemon_.wait(kDaemonPatience)) return;
  // It should have ended by itself. The kernel lets go of whatever it traces when it goes.
  daemon_.send(SIGTERM);
  if (daemon_.wait(kDaemonPatience)) return;
  daemon_.send(SIGKILL);
  (void)daemon_.wait(kDaemonPatience);
}

std::optional<pid_t> Connection::private_daemon() const {
  if (!daemon_.is_running()) return std::nullopt;
  return daemon_.pid();
}

std::string Connection::describe_loss() {
  if (!daemon_.is_running()) return "the daemon closed the connection";
  const std::string name = "snagd (pid " + std::to_string(daemon_.pid()) + ") ";
  const std::optional<int> status = daemon_.wait(kLossPatience);
  return name + (status ? describe_end(*status) : "closed the connection");
}

ConnectResult connect_to_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return ConnectError{"the daemon's socket " + printable(path) + ": its name has " + std::to_string(path.size()) +
                            " bytes, a socket's has 1 to " + std::to_string(sizeof address.sun_path - 1),
                        "choose a shorter path"};
  }
  path.copy(static_cast<char*>(address.sun_path), path.size());
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (!socket.is_open() || ::connect(socket.get(), generic, sizeof address) != 0) {
    return ConnectError{"the daemon's socket " + printable(path) + ": " + error_text(errno),
                        "start snagd --socket PATH, or leave --socket and $SNAG_SOCKET out for a private one"};
  }
  return Connection(std::move(socket));
}

ConnectResult start_private_daemon(const fs::path& program) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return ConnectError{"a socket pair for snagd: " + error_text(errno), "raise the limit of open files (ulimit -n)"};
  }
  Descriptor ours(ends[0]);
  const Descriptor theirs(ends[1]);
  pid_t pid = 0;
  const int error = SpawnPlan(theirs.get()).spawn(program, std::to_string(theirs.get()), pid);
  if (error != 0) {
    return ConnectError{"starting " + printable(program.string()) + ": " + error_text(error), "install Snag again"};
  }
  return Connection(std::move(ours), Child(pid));
}

std::optional<fs::path> find_daemon() {
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& candidate : {here / "snagd", here / "../libexec/snag/snagd"}) {
    if (!error && is_program(candidate)) return candidate;
  }
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "" : path);
  for (std::string directory; std::getline(directories, directory, ':');) {
    // Only full paths: an empty or relative entry means the current directory, and Snag is mostly run by root.
    if (directory.starts_with('/') && is_program(fs::path(directory) / "snagd")) return fs::path(directory) / "snagd";
  }
  return std::nullopt;
}

ConnectResult connect_privately() {
  const std::optional<fs::path> program = find_daemon();
  if (!program) {
    return ConnectError{"snagd is neither beside snag, nor in ../libexec/snag, nor along $PATH", "install Snag again"};
  }
  return start_private_daemon(*program);
}

ConnectResult connect(const std::optional<std::string>& socket) {
  if (socket) return connect_to_socket(*socket);
  const char* from_environment = std::getenv("SNAG_SOCKET");
  if (from_environment != nullptr && *from_environment != '\0') return connect_to_socket(from_environment);
  return connect_privately();
}

}  // namespace snag::cli
