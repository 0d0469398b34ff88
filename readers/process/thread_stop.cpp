#include "readers/process/thread_stop.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "readers/process/identity.h"

namespace snag {
namespace {

constexpr const char* kWhat = "stop of a thread";
// A running thread stops at its next interrupt, a waiting one when it has been woken: 5 to 50 µs. Some 0.3 µs a look.
constexpr int kLooksWithoutSleep = 200;
// Beyond that a look every so often, for kPatience. The count ends it also when the given clock stands still.
constexpr Nanoseconds kPause = std::chrono::microseconds(20);
constexpr int kLooksWithSleep = 2000;
// At the stopper's end. What has not stopped by then is in the hands of the kernel, when our thread ends.
constexpr int kLastLooks = 500;

enum class Condition {
  kRunning,
  kStopped,
  kEnded,    // and, where that was our part, buried
  kUnknown,  // no thread of this number is traced by us any more
};

struct Seen {
  Condition condition = Condition::kRunning;
  int signal = 0;           // that it was about to receive when it stopped
  bool group_stop = false;  // by SIGSTOP and its like
};

void sleep_a_little() {
  const timespec pause = {.tv_sec = 0, .tv_nsec = kPause.count()};
  ::nanosleep(&pause, nullptr);
}

// ptrace_stop's exit code, which waitid gives in si_status: the event above the signal (ptrace(2)).
Seen stopped_with(int status) {
  const int signal = status & 0xff;
  const int event = status >> 8U;
  if (event == PTRACE_EVENT_STOP) {
    return {.condition = Condition::kStopped, .signal = 0, .group_stop = signal != SIGTRAP};
  }
  return {.condition = Condition::kStopped, .signal = signal, .group_stop = false};
}

// The end of a thread that we trace waits for us, and until then exec and exit of the others wait for it. But a process
// that is also our child is to be buried by who started it, who wants its exit status.
void bury(const ProcRoot& root, Pid pid, Tid tid) {
  if (tid.value == pid.value) {
    const auto stat = read_stat(root, pid);
    if (stat && stat->parent == Pid{::getpid()}) return;
  }
  siginfo_t ignored = {};
  ::waitid(P_PID, static_cast<id_t>(tid.value), &ignored, WEXITED | WNOHANG | __WALL);
}

// What has become of a thread that we seized.
Seen look(const ProcRoot& root, Pid pid, Tid tid) {
  const auto id = static_cast<id_t>(tid.value);
  siginfo_t info = {};
  if (::waitid(P_PID, id, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL) != 0) {
    return {.condition = errno == ECHILD ? Condition::kUnknown : Condition::kRunning};
  }
  if (info.si_pid == 0) return {};
  if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED) {
    bury(root, pid, tid);
    return {.condition = Condition::kEnded};
  }
  const int status = info.si_status;
  ::waitid(P_PID, id, &info, WSTOPPED | WNOHANG | __WALL);
  return stopped_with(status);
}

// An exec by another thread than the leader gives that thread the process's number (ptrace(2), "execve(2) under
// ptrace"): we then trace the process's one thread, and it has been told to stop.
bool took_the_leaders_place(Pid pid, Tid tid) {
  return tid.value != pid.value && ::ptrace(PTRACE_INTERRUPT, pid.value, nullptr, nullptr) == 0;
}

Seen await_stop(const ProcRoot& root, Pid pid, Tid tid, Clock now, Instant requested) {
  for (int i = 0; i < kLooksWithoutSleep; ++i) {
    const Seen seen = look(root, pid, tid);
    if (seen.condition != Condition::kRunning) return seen;
  }
  for (int i = 0; i < kLooksWithSleep; ++i) {
    sleep_a_little();
    const Seen seen = look(root, pid, tid);
    if (seen.condition != Condition::kRunning || now() - requested > ThreadStopper::kPatience) return seen;
  }
  return {};
}

Error refusal(const ProcRoot& root, Pid pid, Tid tid, int system_error) {
  Error error = {.kind = ErrorKind::kSystem, .what = kWhat, .system_error = system_error};
  if (system_error == ESRCH) error.kind = ErrorKind::kNoSuchProcess;
  if (system_error != EPERM) return error;
  error.kind = ErrorKind::kNotPermitted;
  const auto tracer = read_proc_field(root.of(pid, tid, "status"), "TracerPid", "/proc/PID/task/TID/status");
  if (tracer && !tracer->empty() && *tracer != "0") error.detail = "traced by process " + *tracer + " already";
  return error;
}

}  // namespace

ThreadStop::ThreadStop(ThreadStopper& stopper, Pid pid, Tid tid, int signal, bool group_stop, Instant requested)
    : stopper_(&stopper), pid_(pid), tid_(tid), signal_(signal), group_stop_(group_stop), requested_(requested) {}

ThreadStop::ThreadStop(ThreadStop&& other) noexcept
    : stopper_(std::exchange(other.stopper_, nullptr)),
      pid_(other.pid_),
      tid_(other.tid_),
      signal_(other.signal_),
      group_stop_(other.group_stop_),
      requested_(other.requested_) {}

ThreadStop::~ThreadStop() { release(); }

void ThreadStop::release() {
  if (stopper_ != nullptr) std::exchange(stopper_, nullptr)->let_go(pid_, tid_, signal_, requested_);
}

ThreadStopper::ThreadStopper(Clock now, ProcRoot root)
    : now_(now), root_(std::move(root)), owner_(std::this_thread::get_id()) {}

ThreadStopper::~ThreadStopper() {
  for (int i = 0; i < kLastLooks && settle() != 0; ++i) sleep_a_little();
}

Result<ThreadStop> ThreadStopper::stop(Pid pid, Tid tid) {
  assert(owner_ == std::this_thread::get_id());
  if (!awaited_.empty()) settle();
  const Instant requested = now_();
  const auto earlier = std::find_if(awaited_.begin(), awaited_.end(), [&](const Awaited& it) { return it.tid == tid; });
  if (earlier != awaited_.end()) {
    // Told to stop by a call before, and about to.
    awaited_.erase(earlier);
  } else if (::ptrace(PTRACE_SEIZE, tid.value, nullptr, nullptr) == 0) {
    // Fails only when the thread has just ended, which the look below finds.
    ::ptrace(PTRACE_INTERRUPT, tid.value, nullptr, nullptr);
  } else {
    return fail(refusal(root_, pid, tid, errno));
  }
  const Seen seen = await_stop(root_, pid, tid, now_, requested);
  Error error = {.kind = ErrorKind::kNoSuchProcess, .what = kWhat};
  switch (seen.condition) {
    case Condition::kStopped:
      return ThreadStop(*this, pid, tid, seen.signal, seen.group_stop, requested);
    case Condition::kEnded:
      break;
    case Condition::kUnknown:
      if (took_the_leaders_place(pid, tid)) awaited_.push_back({pid, Tid{pid.value}, requested});
      break;
    case Condition::kRunning:
      awaited_.push_back({pid, tid, requested});
      error.kind = ErrorKind::kSystem;
      error.system_error = ETIMEDOUT;
      break;
  }
  return fail(std::move(error));
}

std::size_t ThreadStopper::settle() {
  assert(owner_ == std::this_thread::get_id());
  // let_go may put a thread back on the list.
  const auto waiting = std::exchange(awaited_, {});
  for (const Awaited& thread : waiting) {
    const Seen seen = look(root_, thread.pid, thread.tid);
    switch (seen.condition) {
      case Condition::kRunning:
        awaited_.push_back(thread);
        break;
      case Condition::kStopped:
        let_go(thread.pid, thread.tid, seen.signal, thread.requested);
        break;
      case Condition::kEnded:
        break;
      case Condition::kUnknown:
        if (took_the_leaders_place(thread.pid, thread.tid)) {
          awaited_.push_back({thread.pid, Tid{thread.pid.value}, thread.requested});
        }
        break;
    }
  }
  return awaited_.size();
}

void ThreadStopper::let_go(Pid pid, Tid tid, int signal, Instant requested) {
  assert(owner_ == std::this_thread::get_id());
  // Only SIGKILL ends a stop that is ours: then there is nothing to detach from, but an end to wait for.
  const auto number = static_cast<std::uintptr_t>(signal);
  if (::ptrace(PTRACE_DETACH, tid.value, nullptr, number) != 0) awaited_.push_back({pid, tid, requested});
  const Nanoseconds stopped = now_() - requested;
  total_ += stopped;
  longest_ = std::max(longest_, stopped);
}

}  // namespace snag
