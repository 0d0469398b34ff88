#include "readers/process/threads.h"

#include <atomic>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include <catch2/catch.hpp>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/process/child.h"

using namespace snag;
using snag::test::Child;

namespace {

Tid own_thread() { return {static_cast<std::int32_t>(::syscall(SYS_gettid))}; }

[[noreturn]] void compute_for_ever() {
  for (std::atomic<int> count = 0;;) count.fetch_add(1, std::memory_order_relaxed);
}

template <class Condition>
void await(Condition condition) {
  while (!condition()) ::sched_yield();
}

void wait_for_the_end(const std::function<void()>& ready) {
  ready();
  ::pause();
}

}  // namespace

TEST_CASE("files of threads leave descriptors for everything else") {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const rlimit few{.rlim_cur = kDescriptorReserve + 30, .rlim_max = limit.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  const Pid us = {::getpid()};
  std::vector<ThreadFiles> kept;
  Result<ThreadFiles> last = ThreadFiles::open(ProcRoot(), us, own_thread());
  for (; last && kept.size() < 100; last = ThreadFiles::open(ProcRoot(), us, own_thread())) {
    kept.push_back(std::move(*last));
  }
  const bool others_go_on = thread_name(ProcRoot(), us, own_thread()).has_value();
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  REQUIRE_FALSE(last);
  CHECK(last.error().system_error == EMFILE);
  CHECK_FALSE(kept.empty());
  CHECK(others_go_on);
}

TEST_CASE("all threads of a process are listed, with their names") {
  const int event = ::eventfd(0, 0);
  std::atomic<int> tid = 0;
  std::thread thread([&] {
    ::prctl(PR_SET_NAME, "odd\nname)");
    tid = own_thread().value;
    std::uint64_t value = 0;
    static_cast<void>(!::read(event, &value, sizeof value));
  });
  await([&] { return tid != 0; });
  const Pid us = {::getpid()};
  const auto threads = list_threads(ProcRoot(), us);
  REQUIRE(threads);
  CHECK(*threads == std::vector<Tid>{Tid{us.value}, Tid{tid}});
  CHECK(*thread_name(ProcRoot(), us, Tid{tid}) == "odd\nname)");
  const std::uint64_t one = 1;
  static_cast<void>(!::write(event, &one, sizeof one));
  thread.join();
  ::close(event);
}

TEST_CASE("what a waiting thread waits in is told with its arguments") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const Child child([&](const auto& ready) {
    ready();
    char bytes[77];
    static_cast<void>(!::read(ends[0], bytes, sizeof bytes));
  });
  const auto files = ThreadFiles::open(ProcRoot(), child.pid(), child.main_thread());
  REQUIRE(files);
  await([&] { return files->system_call()->number == SYS_read; });
  const auto call = files->system_call();
  CHECK_FALSE(call->running);
  CHECK(call->arguments[0] == static_cast<std::uint64_t>(ends[0]));
  CHECK(call->arguments[2] == 77);
  CHECK_FALSE(call->stack_pointer.is_null());
  CHECK_FALSE(call->program_counter.is_null());
  CHECK(files->stat()->state == 'S');
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a thread that computes is running") {
  const Child child([](const auto& ready) {
    ready();
    compute_for_ever();
  });
  const auto files = ThreadFiles::open(ProcRoot(), child.pid(), child.main_thread());
  REQUIRE(files);
  await([&] { return files->system_call()->running; });
  CHECK_FALSE(files->system_call()->number);
}

TEST_CASE("a stopped thread is in no system call, or in the one that it was stopped in") {
  const Child child([](const auto& ready) {
    ready();
    compute_for_ever();
  });
  child.signal(SIGSTOP);
  child.await_stop();
  const auto files = ThreadFiles::open(ProcRoot(), child.pid(), child.main_thread());
  REQUIRE(files);
  const auto call = files->system_call();
  REQUIRE(call);
  CHECK_FALSE(call->running);
  CHECK(files->stat()->state == 'T');
}

TEST_CASE("files kept open do not pass over to a thread that ended") {
  Child child(wait_for_the_end);
  const auto files = ThreadFiles::open(ProcRoot(), child.pid(), child.main_thread());
  REQUIRE(files);
  CHECK(files->stat());
  child.kill_and_reap();
  CHECK(files->stat().error().kind == ErrorKind::kNoSuchProcess);
  CHECK(files->system_call().error().kind == ErrorKind::kNoSuchProcess);
  CHECK(files->schedule().error().kind == ErrorKind::kNoSuchProcess);
}

TEST_CASE("the syscall file is parsed in all its forms") {
  CHECK(parse_system_call("running\n")->running);
  const auto blocked = parse_system_call("-1 0x7ffe18dd14d8 0x7f83b33bcad7\n");
  REQUIRE(blocked);
  CHECK_FALSE(blocked->running);
  CHECK_FALSE(blocked->number);
  CHECK(blocked->stack_pointer == Address{0x7ffe18dd14d8});
  CHECK(blocked->program_counter == Address{0x7f83b33bcad7});
  const auto call =
      parse_system_call("232 0x5 0x7f79 0x100 0xffffffffffffffff 0x0 0x8 0x7fff33672878 0x7f79b0d3c2ad\n");
  REQUIRE(call);
  CHECK(call->number == 232);
  CHECK(call->arguments == std::array<std::uint64_t, 6>{5, 0x7f79, 0x100, ~0ULL, 0, 8});
}

TEST_CASE("what is no syscall file is inconsistent") {
  const std::string text = GENERATE(as<std::string>{}, "", "x", "232", "232 0x5", "-1", "-1 0x1", "1 2 3 4 5 6 7 8",
                                    "0 0x1 0x2 0x3 0x4 0x5 0x6 0x7fff", "0 0xfffffffffffffffff 0 0 0 0 0 0 0");
  const auto call = parse_system_call(text);
  if (text == "1 2 3 4 5 6 7 8") {
    CHECK(!call);
    return;
  }
  REQUIRE(!call);
  CHECK(call.error().kind == ErrorKind::kInconsistent);
}

// Oracle: the kernel's own header.
TEST_CASE("every system call has the name that the kernel gives it") {
  std::ifstream header("/usr/include/x86_64-linux-gnu/asm/unistd_64.h");
  if (!header) {
    WARN("skipped: there is no <asm/unistd_64.h>");
    return;
  }
  std::string define;
  std::string name;
  std::int64_t number = 0;
  std::size_t checked = 0;
  for (std::string line; std::getline(header, line);) {
    std::istringstream words(line);
    if (!(words >> define >> name >> number) || define != "#define" || !name.starts_with("__NR_")) continue;
    INFO(name);
    CHECK(describe_system_call(number) == name.substr(5));
    ++checked;
  }
  CHECK(checked > 300);
  CHECK(describe_system_call(100'000) == "syscall 100000");
  CHECK(describe_system_call(-1) == "syscall -1");
  CHECK_FALSE(system_call_name(336));
}

TEST_CASE("the CPU time of a process is the one that wait4 tells at its end") {
  Child child([](const auto& ready) {
    timespec used = {};
    while (used.tv_sec == 0 && used.tv_nsec < 30'000'000) ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    ready();
    ::pause();
  });
  await([&] { return read_stat(ProcRoot(), child.pid())->state == 'S'; });
  const auto time = process_cpu_time(child.pid());
  const auto files = ThreadFiles::open(ProcRoot(), child.pid(), child.main_thread());
  REQUIRE(files);
  const auto schedule = files->schedule();
  const Pid pid = child.pid();
  child.signal(SIGKILL);
  rusage used = {};
  child.join(&used);
  const auto told = std::chrono::microseconds(used.ru_utime.tv_usec + used.ru_stime.tv_usec) +
                    std::chrono::seconds(used.ru_utime.tv_sec + used.ru_stime.tv_sec);
  REQUIRE(time);
  CHECK(*time >= std::chrono::milliseconds(30));
  CHECK(*time <= told + std::chrono::milliseconds(1));
  if (schedule) {
    // It sleeps, so the kernel's account of it is up to date: the time is exactly the clock's.
    CHECK(schedule->on_processor == *time);
  }
  CHECK_FALSE(process_cpu_time(pid));
  CHECK_FALSE(process_cpu_time(Pid{0}));
}

TEST_CASE("a schedstat file is taken apart") {
  const auto schedule = parse_schedule("511089018 164092381 598\n");
  REQUIRE(schedule);
  CHECK(schedule->on_processor == Nanoseconds(511089018));
  CHECK(schedule->waiting == Nanoseconds(164092381));
  CHECK(!parse_schedule(""));
  CHECK(!parse_schedule("5"));
  CHECK(!parse_schedule("5 x"));
}
