#pragma once

#include <thread>
#include <vector>

#include "readers/base/clock.h"
#include "readers/base/ids.h"
#include "readers/base/result.h"
#include "readers/process/proc_root.h"

namespace snag {

class ThreadStopper;

// A thread of the target, held in a ptrace stop. Its end lets the thread go on, with the signal that it was about to
// receive, if any. A process that was stopped before (SIGSTOP, Ctrl-Z) stays stopped.
class ThreadStop {
 public:
  ThreadStop(ThreadStop&& other) noexcept;
  ThreadStop& operator=(ThreadStop&&) = delete;
  ThreadStop(const ThreadStop&) = delete;
  ThreadStop& operator=(const ThreadStop&) = delete;
  ~ThreadStop();

  [[nodiscard]] Tid tid() const { return tid_; }
  // It was in a group stop already: whoever sent SIGSTOP stopped it, not we.
  [[nodiscard]] bool was_stopped_before() const { return group_stop_; }
  // Lets it go on now; at the object's end otherwise.
  void release();

 private:
  friend class ThreadStopper;
  ThreadStop(ThreadStopper& stopper, Pid pid, Tid tid, int signal, bool group_stop, Instant requested);
  ThreadStopper* stopper_;  // null once released
  Pid pid_;
  Tid tid_;
  int signal_;  // to be delivered by the release; 0: none
  bool group_stop_;
  Instant requested_;
};

// Stops threads shortly: PTRACE_SEIZE without options, and PTRACE_INTERRUPT. Nothing is written and no signal is sent;
// the kernel frees the target whenever our thread ends, however that happens. ptrace belongs to one thread: make, use
// and destroy a stopper on the same one, and destroy it as that thread ends.
//
// A system call in which the thread waits goes on afterwards, except those that signal(7) lists as failing with EINTR
// after a stop, of which epoll_wait matters: CPython (PEP 475) and libuv call it again. A thread that waits need not be
// stopped to be read, so look at its SystemCall first.
//
// Each stop makes a SIGCHLD for us: its handler, if there is one, wants SA_NOCLDSTOP.
class ThreadStopper {
 public:
  // A thread that is not in uninterruptible sleep stops within some microseconds of running; beyond this it is not
  // worth waiting.
  static constexpr Nanoseconds kPatience = std::chrono::milliseconds(2);

  // Readers do not read the clock: the caller gives it.
  explicit ThreadStopper(Clock now, ProcRoot root = ProcRoot());
  ThreadStopper(const ThreadStopper&) = delete;
  ThreadStopper& operator=(const ThreadStopper&) = delete;
  ~ThreadStopper();

  // kNoSuchProcess when it has ended; kNotPermitted, with who traces it already where that is the reason; kSystem with
  // ETIMEDOUT when it did not stop within kPatience: stop() may be called for it again, and else settle() lets it go.
  [[nodiscard]] Result<ThreadStop> stop(Pid pid, Tid tid);

  // Lets go threads that had not stopped in time and stop later, and buries those that were killed while we held them
  // (an exec in the target waits for that). stop() does it too; who does not stop for a while calls it now and then
  // while it is not zero. Returns how many are still awaited.
  std::size_t settle();

  // Time for which threads were held by us, from each request to stop until after its release: never less than the
  // truth.
  [[nodiscard]] Nanoseconds total_stopped() const { return total_; }
  // Of those times.
  [[nodiscard]] Nanoseconds longest_stop() const { return longest_; }

 private:
  friend class ThreadStop;
  struct Awaited {
    Pid pid;
    Tid tid;
    Instant requested;
  };
  void let_go(Pid pid, Tid tid, int signal, Instant requested);

  Clock now_;
  ProcRoot root_;
  std::thread::id owner_;
  std::vector<Awaited> awaited_;
  Nanoseconds total_{};
  Nanoseconds longest_{};
};

}  // namespace snag
