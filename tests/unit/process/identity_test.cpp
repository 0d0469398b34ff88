#include "readers/process/identity.h"

#include <cstdio>
#include <thread>

#include <catch2/catch.hpp>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/process/child.h"

using namespace snag;
using snag::test::Child;
using snag::test::TemporaryDirectory;

namespace {

void wait_for_the_end(const std::function<void()>& ready) {
  ready();
  ::pause();
}

// A stat line with chosen comm, state and start time; the rest as a kernel writes it.
std::string stat_line(const std::string& comm, char state, const std::string& start) {
  return "77 (" + comm + ") " + state + " 5351 5351 3090 0 -1 4194368 53 0 4 0 11 12 0 0 20 0 3 0 " + start +
         " 4595712 441 18446744073709551615 94189660897280 94189661686685 140729315576592 0 0 0 0 6 16384 1 0 0 17 1 0 "
         "0 "
         "99 0 0 94189661919984 94189661968228 94190345981952 140729315584826 140729315584841 140729315584841 "
         "140729315586026 0\n";
}

}  // namespace

TEST_CASE("the fields of stat are those of proc(5)") {
  const auto stat = parse_stat(stat_line("bash", 'D', "137719"));
  REQUIRE(stat);
  CHECK(stat->comm == "bash");
  CHECK(stat->state == 'D');
  CHECK(stat->parent == Pid{5351});
  CHECK(stat->flags == 4194368);
  CHECK(stat->minor_faults == 53);
  CHECK(stat->major_faults == 4);
  CHECK(stat->user_ticks == 11);
  CHECK(stat->system_ticks == 12);
  CHECK(stat->thread_count == 3);
  CHECK(stat->start_time == 137719);
  CHECK(stat->start_stack == 140729315576592);
  CHECK(stat->processor == 1);
  CHECK(stat->block_io_ticks == 99);
}

// A parser that looks for the first ')' reads these wrongly.
TEST_CASE("a command name may hold parentheses, spaces and newlines") {
  const std::string comm = GENERATE(as<std::string>{}, ") R 1 1 1", "a)b(c", "", "((", "x) (y", "new\nline");
  const auto stat = parse_stat(stat_line(comm, 'S', "5"));
  REQUIRE(stat);
  CHECK(stat->comm == comm);
  CHECK(stat->state == 'S');
  CHECK(stat->start_time == 5);
}

TEST_CASE("a stat file that is cut short or no stat file is inconsistent") {
  const std::string whole = stat_line("x", 'S', "5");
  for (std::size_t length = 0; length < whole.find(" 99 "); ++length) {
    const auto stat = parse_stat(whole.substr(0, length));
    REQUIRE(!stat);
    CHECK(stat.error().kind == ErrorKind::kInconsistent);
  }
  CHECK(!parse_stat(") 1 ("));
  CHECK(!parse_stat(stat_line("x", 'S', "-5")));
  CHECK(!parse_stat(stat_line("x", 'S', "99999999999999999999999")));
}

TEST_CASE("a process keeps its identity, and another one of the same number has not got it") {
  const TemporaryDirectory tree;
  const ProcRoot root(tree.path());
  tree.write("77/stat", stat_line("x", 'S', "1000"));
  const auto identity = identify(root, Pid{77});
  REQUIRE(identity);
  CHECK(identity->start_time == 1000);
  CHECK(still_alive(root, *identity));
  tree.write("77/stat", stat_line("y", 'S', "1001"));
  CHECK_FALSE(still_alive(root, *identity));
}

TEST_CASE("a zombie is not alive, and a reaped process is none") {
  const ProcRoot root;
  Child child(wait_for_the_end);
  const Pid pid = child.pid();
  const auto identity = identify(root, pid);
  REQUIRE(identity);
  CHECK(still_alive(root, *identity));
  CHECK(attachability(root, pid) == Attachability::kAttachable);
  child.kill_and_leave_zombie();
  CHECK(read_stat(root, pid)->is_zombie());
  CHECK_FALSE(still_alive(root, *identity));
  CHECK(attachability(root, pid) == Attachability::kZombie);
  child.kill_and_reap();
  CHECK(identify(root, pid).error().kind == ErrorKind::kNoSuchProcess);
  CHECK(attachability(root, pid) == Attachability::kMissing);
}

TEST_CASE("a kernel thread is told from a process") {
  const auto stat = read_stat(ProcRoot(), Pid{2});
  if (!stat || stat->comm != "kthreadd") {
    WARN("skipped: no kernel thread is visible here (PID namespace)");
    return;
  }
  CHECK(stat->is_kernel_thread());
  CHECK(attachability(ProcRoot(), Pid{2}) == Attachability::kKernelThread);
  CHECK_FALSE(read_stat(ProcRoot(), Pid{::getpid()})->is_kernel_thread());
}

TEST_CASE("the number of a thread is not taken for a process") {
  Tid other;
  std::thread thread([&] {
    other = {static_cast<std::int32_t>(::syscall(SYS_gettid))};
    ::prctl(PR_SET_NAME, ") R 1 2 (3");
    CHECK(attachability(ProcRoot(), Pid{other.value}) == Attachability::kNotAThreadGroup);
    const auto stat = read_thread_stat(ProcRoot(), Pid{::getpid()}, other);
    REQUIRE(stat);
    CHECK(stat->comm == ") R 1 2 (3");
    CHECK(stat->thread_count == 2);
    CHECK(stat->parent == Pid{::getppid()});
  });
  thread.join();
}

TEST_CASE("a stopped process is seen as stopped") {
  const Child child(wait_for_the_end);
  child.signal(SIGSTOP);
  child.await_stop();
  CHECK(read_stat(ProcRoot(), child.pid())->is_stopped());
}

TEST_CASE("pid 0 and negative ones are no processes") {
  CHECK(attachability(ProcRoot(), Pid{0}) == Attachability::kMissing);
  CHECK(attachability(ProcRoot(), Pid{-1}) == Attachability::kMissing);
}
