#include "readers/process/thread_stop.h"

#include <atomic>
#include <csignal>
#include <new>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "readers/process/identity.h"
#include "readers/process/threads.h"
#include "tests/unit/process/child.h"

using namespace snag;
using snag::test::Child;

namespace {

Instant now() { return std::chrono::steady_clock::now(); }

// Memory that a child forked later shares with us.
struct Shared {
  std::atomic<std::uint64_t> count{0};
  std::atomic<std::uint64_t> signals{0};
  std::atomic<std::int32_t> other_thread{0};
  std::atomic<bool> go{false};
};

Shared* g_shared = nullptr;  // for signal handlers in the child

class SharedMemory {
 public:
  SharedMemory() {
    void* page = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared_ = new (page) Shared;
    g_shared = shared_;
  }
  ~SharedMemory() { ::munmap(shared_, sizeof(Shared)); }
  Shared* operator->() const { return shared_; }

 private:
  Shared* shared_;
};

[[noreturn]] void count_forever() {
  for (;;) g_shared->count.fetch_add(1, std::memory_order_relaxed);
}

// Waits for what another process is bound to do; a test that would wait for ever is ended by ctest.
template <class Condition>
void await(Condition condition) {
  while (!condition()) ::sched_yield();
}

void await_progress() {
  const std::uint64_t before = g_shared->count;
  await([&] { return g_shared->count != before; });
}

char state_of(Pid pid, Tid tid) { return read_thread_stat(ProcRoot(), pid, tid)->state; }
std::string tracer_of(Pid pid) { return *read_proc_field(ProcRoot().of(pid, "status"), "TracerPid", "status"); }

// Stops it although the machine may be busy.
ThreadStop stopped(ThreadStopper& stopper, Pid pid, Tid tid) {
  for (;;) {
    auto stop = stopper.stop(pid, tid);
    if (stop) return *std::move(stop);
    REQUIRE(stop.error().system_error == ETIMEDOUT);
  }
}

void run_counting(const std::function<void()>& ready) {
  ready();
  count_forever();
}

}  // namespace

TEST_CASE("a stopped thread stands still and goes on afterwards") {
  const SharedMemory shared;
  const Child child(run_counting);
  await_progress();
  ThreadStopper stopper(now);
  {
    auto stop = stopped(stopper, child.pid(), child.main_thread());
    CHECK_FALSE(stop.was_stopped_before());
    CHECK(state_of(child.pid(), child.main_thread()) == 't');
    const std::uint64_t count = shared->count;
    for (int i = 0; i < 1000; ++i) ::sched_yield();
    CHECK(shared->count == count);
  }
  await_progress();
  CHECK(tracer_of(child.pid()) == "0");
  CHECK(stopper.total_stopped() > Nanoseconds::zero());
  CHECK(stopper.settle() == 0);
}

TEST_CASE("a thread can be stopped hundreds of times, and goes on after all of them") {
  const SharedMemory shared;
  const Child child(run_counting);
  ThreadStopper stopper(now);
  int stopped = 0;
  while (stopped < 300) {
    const auto stop = stopper.stop(child.pid(), child.main_thread());
    // On a busy machine it may not get a processor in time, and so not stop.
    if (!stop) REQUIRE(stop.error().system_error == ETIMEDOUT);
    if (stop) ++stopped;
  }
  CHECK(stopper.settle() == 0);
  await_progress();
  CHECK(tracer_of(child.pid()) == "0");
}

TEST_CASE("only the one thread is stopped") {
  const SharedMemory shared;
  const Child child([](const auto& ready) {
    pthread_t thread{};
    ::pthread_create(
        &thread, nullptr,
        [](void*) -> void* {
          g_shared->other_thread = static_cast<std::int32_t>(::syscall(SYS_gettid));
          ::pause();
          return nullptr;
        },
        nullptr);
    while (g_shared->other_thread == 0) ::sched_yield();
    ready();
    count_forever();
  });
  ThreadStopper stopper(now);
  const auto stop = stopped(stopper, child.pid(), Tid{shared->other_thread});
  CHECK(state_of(child.pid(), Tid{shared->other_thread}) == 't');
  await_progress();
}

TEST_CASE("a process that was stopped by SIGSTOP stays so, and we do not hang on it") {
  const SharedMemory shared;
  const Child child(run_counting);
  child.signal(SIGSTOP);
  child.await_stop();
  ThreadStopper stopper(now);
  for (int i = 0; i < 3; ++i) {
    auto stop = stopped(stopper, child.pid(), child.main_thread());
    CHECK(stop.was_stopped_before());
    stop.release();
    await([&] { return state_of(child.pid(), child.main_thread()) == 'T'; });
    const std::uint64_t count = shared->count;
    for (int k = 0; k < 1000; ++k) ::sched_yield();
    CHECK(shared->count == count);
  }
  child.signal(SIGCONT);
  await_progress();
}

TEST_CASE("a process that is sent SIGSTOP while we hold it stops when we let it go") {
  const SharedMemory shared;
  const Child child(run_counting);
  ThreadStopper stopper(now);
  {
    const auto stop = stopped(stopper, child.pid(), child.main_thread());
    child.signal(SIGSTOP);
  }
  await([&] { return state_of(child.pid(), child.main_thread()) == 'T'; });
  child.signal(SIGCONT);
  await_progress();
}

TEST_CASE("no signal is lost in a storm of signals and stops") {
  const SharedMemory shared;
  const Child child([](const auto& ready) {
    struct sigaction action = {};
    // Real-time signals are queued, thus can be counted.
    action.sa_handler = [](int) { g_shared->signals.fetch_add(1); };
    ::sigaction(SIGRTMIN, &action, nullptr);
    ready();
    count_forever();
  });
  ThreadStopper stopper(now);
  constexpr std::uint64_t kSignals = 600;
  std::uint64_t sent = 0;
  while (sent < kSignals) {
    if (::sigqueue(child.pid().value, SIGRTMIN, {}) == 0) ++sent;
    const auto stop = stopper.stop(child.pid(), child.main_thread());
    if (sent % 3 == 0 && ::sigqueue(child.pid().value, SIGRTMIN, {}) == 0) ++sent;
  }
  await([&] { return stopper.settle() == 0; });
  await([&] { return shared->signals == sent; });
  await_progress();
  CHECK(shared->signals == sent);
}

TEST_CASE("a thread that waits in a restartable call goes on waiting") {
  const SharedMemory shared;
  const Child child([](const auto& ready) {
    int ends[2];
    static_cast<void>(!::pipe(ends));
    ready();
    char byte = 0;
    static_cast<void>(!::read(ends[0], &byte, 1));
    g_shared->count = 1;  // must not be reached
    ::pause();
  });
  const auto files = ThreadFiles::open(ProcRoot(), child.pid(), child.main_thread());
  REQUIRE(files);
  const auto is_reading = [&] { return files->system_call()->number == SYS_read; };
  await(is_reading);
  ThreadStopper stopper(now);
  for (int i = 0; i < 100; ++i) {
    const auto stop = stopped(stopper, child.pid(), child.main_thread());
  }
  await(is_reading);
  CHECK(shared->count == 0);
}

TEST_CASE("a thread that somebody else traces is refused, and the error says who") {
  const SharedMemory shared;
  const Child child(run_counting);
  const Child tracer([&](const auto& ready) {
    ::ptrace(PTRACE_SEIZE, child.pid().value, nullptr, nullptr);
    ready();
    ::pause();
  });
  ThreadStopper stopper(now);
  const auto stop = stopper.stop(child.pid(), child.main_thread());
  REQUIRE(!stop);
  CHECK(stop.error().kind == ErrorKind::kNotPermitted);
  CHECK(stop.error().detail == "traced by process " + std::to_string(tracer.pid().value) + " already");
  await_progress();
}

TEST_CASE("a thread that is not there any more is no such process") {
  ThreadStopper stopper(now);
  CHECK(stopper.stop(Pid{0x7ffffff0}, Tid{0x7ffffff0}).error().kind == ErrorKind::kNoSuchProcess);
  Child child(run_counting);
  const Pid pid = child.pid();
  child.kill_and_reap();
  CHECK(stopper.stop(pid, Tid{pid.value}).error().kind == ErrorKind::kNoSuchProcess);
}

TEST_CASE("a child of our own that is killed while we hold it can still be waited for by its parent") {
  const SharedMemory shared;
  Child child(run_counting);
  ThreadStopper stopper(now);
  {
    const auto stop = stopped(stopper, child.pid(), child.main_thread());
    child.kill_and_leave_zombie();
  }
  await([&] { return stopper.settle() == 0; });
  const int status = child.join();
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGKILL);
}

// A tracer that does not bury the threads that an exec kills makes the exec wait for ever.
TEST_CASE("an exec in the target is not held up by a thread that we hold") {
  const SharedMemory shared;
  const Child child([](const auto& ready) {
    pthread_t thread{};
    ::pthread_create(
        &thread, nullptr,
        [](void*) -> void* {
          g_shared->other_thread = static_cast<std::int32_t>(::syscall(SYS_gettid));
          count_forever();
        },
        nullptr);
    while (g_shared->other_thread == 0) ::sched_yield();
    ready();
    while (!g_shared->go) ::sched_yield();
    ::execl("/bin/sleep", "sleep", "1000", nullptr);
  });
  ThreadStopper stopper(now);
  {
    const auto stop = stopped(stopper, child.pid(), Tid{shared->other_thread});
    shared->go = true;
    await([&] { return state_of(child.pid(), Tid{shared->other_thread}) == 'Z'; });
  }
  await([&] { return stopper.settle() == 0; });
  await([&] { return read_stat(ProcRoot(), child.pid())->comm == "sleep"; });
  CHECK(tracer_of(child.pid()) == "0");
}

TEST_CASE("the target goes on when its tracer is killed in the middle of a stop") {
  const SharedMemory shared;
  const Child child(run_counting);
  Child tracer([&](const auto& ready) {
    ThreadStopper stopper(now);
    const auto stop = stopped(stopper, child.pid(), child.main_thread());
    ready();
    ::pause();
  });
  CHECK(state_of(child.pid(), child.main_thread()) == 't');
  tracer.kill_and_reap();
  await_progress();
  CHECK(tracer_of(child.pid()) == "0");
}

// vfork's parent sleeps uninterruptibly for ptrace until its child execs or ends: the one such sleep that a test can
// make.
TEST_CASE("a thread that cannot be stopped now is given up in time, and let go when it stops later") {
  const SharedMemory shared;
  const Child child([](const auto& ready) {
    const pid_t middle = ::vfork();  // NOLINT(clang-analyzer-*): for its very danger
    if (middle == 0) {
      ready();  // NOLINT(clang-analyzer-*)
      while (!g_shared->go) ::sched_yield();
      ::_exit(0);
    }
    count_forever();
  });
  ThreadStopper stopper(now);
  await([&] { return state_of(child.pid(), child.main_thread()) == 'D'; });
  const auto stop = stopper.stop(child.pid(), child.main_thread());
  REQUIRE(!stop);
  CHECK(stop.error().kind == ErrorKind::kSystem);
  CHECK(stop.error().system_error == ETIMEDOUT);
  CHECK(stopper.settle() == 1);
  shared->go = true;
  await([&] { return stopper.settle() == 0; });
  await_progress();
  CHECK(tracer_of(child.pid()) == "0");
}
