#include "cli/connect/child.h"

#include <cerrno>
#include <utility>

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/connect/descriptor.h"

namespace snag::cli {
namespace {

// Until it has ended, a signal comes, or the time is over. pidfd_open: Linux 5.3; without it, waitpid() alone decides.
// By number, since the declaration in glibc 2.36 is not for C++.
void poll_end(pid_t pid, std::chrono::milliseconds patience) {
  const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process.is_open()) return;
  pollfd entry{.fd = process.get(), .events = POLLIN, .revents = 0};
  (void)::poll(&entry, 1, static_cast<int>(patience.count()));
}

}  // namespace

Child::Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}

Child& Child::operator=(Child&& other) noexcept {
  pid_ = std::exchange(other.pid_, 0);
  return *this;
}

std::optional<int> Child::wait(std::chrono::milliseconds patience) {
  if (!is_running()) return std::nullopt;
  if (patience.count() > 0) poll_end(pid_, patience);
  int status = 0;
  pid_t ended = 0;
  do {
    ended = ::waitpid(pid_, &status, WNOHANG);
  } while (ended < 0 && errno == EINTR);
  if (ended == 0) return std::nullopt;
  pid_ = 0;
  return status;
}

void Child::send(int signal) const {
  if (is_running()) ::kill(pid_, signal);
}

std::string describe_end(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    const char* name = ::sigdescr_np(signal);
    return "was killed by signal " + std::to_string(signal) + (name == nullptr ? "" : " (" + std::string(name) + ")");
  }
  return "ended with status " + std::to_string(WEXITSTATUS(wait_status));
}

}  // namespace snag::cli
