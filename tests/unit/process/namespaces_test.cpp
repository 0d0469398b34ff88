#include "readers/process/namespaces.h"

#include <fstream>
#include <memory>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/process/child.h"

using namespace snag;
using snag::test::Child;
using snag::test::TemporaryDirectory;

namespace {

// glibc 2.36 does not name it.
constexpr int kNewTime = 0x80;

void wait_for_the_end(const std::function<void()>& ready) {
  ready();
  ::pause();
}

void add_time(const TemporaryDirectory& tree, const std::string& pid, const std::string& space, const std::string& text,
              const std::string& of_children = "") {
  tree.link(pid + "/ns/time", space);
  tree.link(pid + "/ns/time_for_children", of_children.empty() ? space : of_children);
  tree.write(pid + "/timens_offsets", text);
}

}  // namespace

TEST_CASE("a child shares our namespaces, and its clock is ours") {
  const Child child(wait_for_the_end);
  CHECK(*shares_namespace(ProcRoot(), child.pid(), "mnt"));
  CHECK(*monotonic_offset(ProcRoot(), child.pid()) == Nanoseconds::zero());
  const auto numbers = thread_numbers(ProcRoot(), child.pid(), child.main_thread());
  REQUIRE(numbers);
  CHECK(numbers->ours == child.main_thread());
  CHECK(numbers->targets == child.main_thread().value);
}

// Oracle: the target's own clock.
TEST_CASE("the offset of another time namespace is the difference of the two clocks") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  constexpr long kAhead = 86'400;
  std::unique_ptr<Child> child;
  try {
    child = std::make_unique<Child>([&](const auto& ready) {
      if (::unshare(kNewTime) != 0) ::_exit(1);
      std::ofstream("/proc/self/timens_offsets") << "monotonic " << kAhead << " 250000000\n";
      const int space = ::open("/proc/self/ns/time_for_children", O_RDONLY);
      if (::setns(space, kNewTime) != 0) ::_exit(1);
      timespec now = {};
      ::clock_gettime(CLOCK_MONOTONIC, &now);
      const std::int64_t nanoseconds = now.tv_sec * 1'000'000'000L + now.tv_nsec;
      static_cast<void>(!::write(ends[1], &nanoseconds, sizeof nanoseconds));
      ready();
      ::pause();
    });
  } catch (const std::exception&) {
    WARN("skipped: a time namespace cannot be made here");
    return;
  }
  const auto ours = std::chrono::steady_clock::now().time_since_epoch();
  std::int64_t theirs = 0;
  REQUIRE(::read(ends[0], &theirs, sizeof theirs) == sizeof theirs);
  const auto offset = monotonic_offset(ProcRoot(), child->pid());
  REQUIRE(offset);
  CHECK(*offset == std::chrono::seconds(kAhead) + std::chrono::milliseconds(250));
  // Their clock was read before ours, by less than a second.
  CHECK(Nanoseconds(theirs) - *offset <= ours);
  CHECK(Nanoseconds(theirs) - *offset > ours - std::chrono::seconds(1));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("the number that a thread has in its own PID namespace is told") {
  std::unique_ptr<Child> child;
  try {
    child = std::make_unique<Child>([](const auto& ready) {
      if (::unshare(CLONE_NEWPID) != 0) ::_exit(1);
      const pid_t first = ::fork();
      if (first == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ready();
        for (;;) ::pause();
      }
      ::waitpid(first, nullptr, 0);
    });
  } catch (const std::exception&) {
    WARN("skipped: a PID namespace cannot be made here");
    return;
  }
  auto children = read_proc_file(ProcRoot().of(child->pid(), child->main_thread(), "children"), 100, "children");
  if (!children) {
    WARN("skipped: this kernel does not list children");
    return;
  }
  const Pid inner = {std::stoi(*children)};
  const auto all = all_thread_numbers(ProcRoot(), inner);
  REQUIRE(all);
  REQUIRE(all->size() == 1);
  CHECK(all->front().ours == Tid{inner.value});
  CHECK(all->front().targets == 1);
  CHECK_FALSE(*shares_namespace(ProcRoot(), inner, "pid"));
  ::kill(inner.value, SIGKILL);
  child->join();
}

TEST_CASE("offsets are taken against our own namespace's") {
  const TemporaryDirectory tree;
  add_time(tree, "self", "time:[1]", "monotonic        10         0\nboottime 99 0\n");
  add_time(tree, "5", "time:[2]", "monotonic     -5 500000000\nboottime 1 1\n");
  CHECK(*monotonic_offset(ProcRoot(tree.path()), Pid{5}) == std::chrono::milliseconds(-14'500));
}

TEST_CASE("a process that prepared another time namespace for its children hides its own offset") {
  const TemporaryDirectory tree;
  add_time(tree, "self", "time:[1]", "monotonic 0 0\n");
  add_time(tree, "5", "time:[2]", "monotonic 5 0\n", "time:[3]");
  add_time(tree, "6", "time:[1]", "monotonic 5 0\n", "time:[3]");
  CHECK(monotonic_offset(ProcRoot(tree.path()), Pid{5}).error().kind == ErrorKind::kUnsupported);
  CHECK(*monotonic_offset(ProcRoot(tree.path()), Pid{6}) == Nanoseconds::zero());
}

TEST_CASE("a kernel without time namespaces has one clock, and a missing process none") {
  const TemporaryDirectory tree;
  tree.write("5/stat", "");
  tree.write("self/stat", "");
  CHECK(*monotonic_offset(ProcRoot(tree.path()), Pid{5}) == Nanoseconds::zero());
  CHECK(monotonic_offset(ProcRoot(tree.path()), Pid{6}).error().kind == ErrorKind::kNoSuchProcess);
}

TEST_CASE("a corrupt table of offsets is inconsistent") {
  const TemporaryDirectory tree;
  const std::string text = GENERATE(as<std::string>{}, "", "boottime 0 0\n", "monotonic\n", "monotonic 5\n",
                                    "monotonic x y\n", "monotonic 99999999999999 0\n", "monotonic 1 -1\n");
  add_time(tree, "self", "time:[1]", "monotonic 0 0\n");
  add_time(tree, "5", "time:[2]", text);
  CHECK(monotonic_offset(ProcRoot(tree.path()), Pid{5}).error().kind == ErrorKind::kInconsistent);
}

TEST_CASE(
    "threads of a process in an inner namespace have numbers of their own, those of one in ours need no look-up") {
  const TemporaryDirectory tree;
  tree.write("5/status", "NSpid:\t5\t1\n");
  tree.write("5/task/5/status", "NSpid:\t5\t1\n");
  tree.write("5/task/7/status", "NSpid:\t7\t3\n");
  tree.write("6/status", "NSpid:\t6\n");
  tree.write("6/task/6/comm", "x\n");
  tree.write("6/task/9/comm", "x\n");
  const ProcRoot root(tree.path());
  const auto inner = all_thread_numbers(root, Pid{5});
  REQUIRE(inner);
  REQUIRE(inner->size() == 2);
  CHECK(inner->back().ours == Tid{7});
  CHECK(inner->back().targets == 3);
  const auto ours = all_thread_numbers(root, Pid{6});
  REQUIRE(ours);
  REQUIRE(ours->size() == 2);
  CHECK(ours->back().targets == 9);
}

TEST_CASE("a status file without NSpid, of an old kernel, leaves the number as it is") {
  const TemporaryDirectory tree;
  tree.write("5/task/6/status", "Name:\tx\n");
  tree.write("5/task/7/status", "NSpid:\t7\t12\t3\n");
  tree.write("5/task/8/status", "NSpid:\t8\tx\n");
  const ProcRoot root(tree.path());
  CHECK(thread_numbers(root, Pid{5}, Tid{6})->targets == 6);
  CHECK(thread_numbers(root, Pid{5}, Tid{7})->targets == 3);
  CHECK(thread_numbers(root, Pid{5}, Tid{8}).error().kind == ErrorKind::kInconsistent);
}
