#include "cli/connect/signals.h"

#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstdint>

#include <fcntl.h>
#include <signal.h>
#include <time.h>

namespace snag::cli {
namespace {

constexpr int kInterruptedStatus = 130;
constexpr std::int64_t kSameSignalNanoseconds = 200'000'000;

// A handler has no other way to anything: the one exception to "no globals". All are lock-free, as a handler needs.
struct Caught {
  std::atomic<int> wake_descriptor{-1};
  std::atomic<int> signal{0};
  std::atomic<bool> by_process{false};
  std::atomic<std::int64_t> at{0};
};
Caught caught;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

struct Former {
  struct sigaction interrupt;
  struct sigaction terminate;
  struct sigaction pipe;
};
Former former;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

// Only calls that signal-safety(7) lists.
void on_signal(int signal, siginfo_t* info, void* /*context*/) {
  const int saved_errno = errno;
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t at = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  if (caught.signal.load() != 0) {
    if (at - caught.at.load() > kSameSignalNanoseconds) ::_exit(kInterruptedStatus);
  } else {
    caught.at.store(at);
    caught.by_process.store(info->si_code == SI_USER);
    caught.signal.store(signal);
    const char byte = 0;
    (void)!::write(caught.wake_descriptor.load(), &byte, 1);
  }
  errno = saved_errno;
}

}  // namespace

Signals::Signals() {
  assert(caught.wake_descriptor.load() == -1);
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0) {
    read_end_ = Descriptor(ends[0]);
    write_end_ = Descriptor(ends[1]);
  }
  caught.wake_descriptor.store(write_end_.get());
  caught.signal.store(0);
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO;  // no SA_RESTART: poll() must return
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &former.interrupt);
  ::sigaction(SIGTERM, &action, &former.terminate);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &former.pipe);
}

Signals::~Signals() {
  ::sigaction(SIGINT, &former.interrupt, nullptr);
  ::sigaction(SIGTERM, &former.terminate, nullptr);
  ::sigaction(SIGPIPE, &former.pipe, nullptr);
  caught.wake_descriptor.store(-1);
}

std::optional<int> Signals::received() const {
  const int signal = caught.signal.load();
  if (signal == 0) return std::nullopt;
  return signal;
}

bool Signals::sent_by_process() const { return caught.by_process.load(); }

}  // namespace snag::cli
