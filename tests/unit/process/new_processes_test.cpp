#include "readers/process/new_processes.h"

#include <algorithm>

#include <catch2/catch.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "readers/process/process_end.h"
#include "readers/process/process_list.h"
#include "tests/unit/process/process_tree.h"

using namespace snag;
using snag::test::Child;
using snag::test::ProcessTree;
using snag::test::TemporaryDirectory;

namespace {

std::vector<std::int32_t> numbers(const Result<std::vector<ProcessOrigin>>& found) {
  REQUIRE(found);
  std::vector<std::int32_t> pids;
  for (const auto& process : *found) pids.push_back(process.identity.pid.value);
  return pids;
}

using Numbers = std::vector<std::int32_t>;

}  // namespace

TEST_CASE("new processes are those whose numbers were given since the last look") {
  const ProcessTree tree(20);
  tree.add(10, 1);
  tree.add(20, 10, 8);
  NewProcesses births{ProcRoot(tree.path())};
  CHECK(births.is_cheap());
  const auto all = births.all();
  CHECK(numbers(all) == Numbers{10, 20});
  CHECK((*all)[1].parent == Pid{10});
  CHECK((*all)[1].identity == ProcessIdentity{.pid = {20}, .start_time = 8});
  CHECK(numbers(births.since_last()).empty());
  tree.add(21, 20);
  tree.add(23, 10);  // 22 came and went, or is a thread that ended
  tree.say_last(23);
  CHECK(numbers(births.since_last()) == Numbers{21, 23});
  CHECK(numbers(births.since_last()).empty());
}

// copy_process() in the kernel takes the number some time before it shows the process.
TEST_CASE("a number that was given before its process was there is looked at once more, and not for ever") {
  const ProcessTree tree(20);
  NewProcesses births{ProcRoot(tree.path())};
  CHECK(numbers(births.all()).empty());
  tree.say_last(22);
  CHECK(numbers(births.since_last()).empty());
  tree.add(22, 1);
  CHECK(numbers(births.since_last()) == Numbers{22});
  tree.add(21, 1);
  CHECK(numbers(births.since_last()).empty());
  CHECK(numbers(births.all()) == Numbers{21, 22});
}

TEST_CASE("where numbers begin again, or very many were given, all of /proc is read") {
  const ProcessTree tree(32'000);
  NewProcesses births{ProcRoot(tree.path())};
  CHECK(numbers(births.all()).empty());
  tree.add(31'000, 1);
  tree.add(301, 1);
  tree.say_last(301);
  CHECK(numbers(births.since_last()) == Numbers{301, 31'000});
  tree.say_last(301 + NewProcesses::kMaxNumbers + 1);
  CHECK(numbers(births.since_last()) == Numbers{301, 31'000});
}

TEST_CASE("without a believable last number each look reads all of /proc") {
  for (const std::string text :
       {"", "\n", "0.00 0.00 0.00 0/0 0\n", "0.1 0.2 0.3 1/80 -4\n", "0.1 99999999999\n", "x"}) {
    INFO(text);
    TemporaryDirectory directory;
    directory.write("loadavg", text);
    directory.write("5/stat", "no stat");
    NewProcesses births{ProcRoot(directory.path())};
    CHECK_FALSE(births.is_cheap());
    CHECK(numbers(births.since_last()).empty());
  }
  TemporaryDirectory without;
  NewProcesses births{ProcRoot(without.path())};
  CHECK_FALSE(births.is_cheap());
  CHECK(numbers(births.since_last()).empty());
}

TEST_CASE("a real process is seen when it has been forked, as its parent's child") {
  NewProcesses births{ProcRoot()};
  REQUIRE(births.is_cheap());
  REQUIRE(births.all());
  const Child child([](const std::function<void()>& ready) {
    ready();
    ::pause();
  });
  const auto found = births.since_last();
  REQUIRE(found);
  const auto seen = std::find_if(found->begin(), found->end(),
                                 [&](const auto& process) { return process.identity.pid == child.pid(); });
  REQUIRE(seen != found->end());
  CHECK(seen->parent == Pid{::getpid()});
  CHECK(seen->identity == *identify(ProcRoot(), child.pid()));
}

TEST_CASE("exec is known by the stack, which fork leaves where it was") {
  const auto own = read_stat(ProcRoot(), Pid{::getpid()});
  const Child forked([](const std::function<void()>& ready) {
    ready();
    ::pause();
  });
  const Child executed({"/bin/sleep", "1000"});
  REQUIRE(own);
  CHECK(read_stat(ProcRoot(), forked.pid())->start_stack == own->start_stack);
  CHECK(read_stat(ProcRoot(), executed.pid())->start_stack != own->start_stack);
}

TEST_CASE("how a process ended is known where the kernel tells, also when its parent has collected it") {
  Child child({"/bin/sleep", "1000"});
  const auto held = open_process(child.pid());
  REQUIRE(held.is_open());
  CHECK_FALSE(wait_status_of(held));
  const int status = child.kill_and_reap();
  const auto told = wait_status_of(held);
  if (!told) {
    WARN("this kernel tells the wait status to the parent alone");
    return;
  }
  CHECK(*told == status);
  CHECK_FALSE(wait_status_of(open_process(child.pid())));
}

TEST_CASE("a process runs as a user if all three of its users are that one") {
  TemporaryDirectory directory;
  directory.write("5/status", "Uid:\t7\t7\t7\t0\n");
  directory.write("6/status", "Uid:\t7\t0\t0\t0\n");
  directory.write("8/status", "Uid:\t7\t7\t0\t7\n");
  directory.write("9/status", "Uid:\t7\n");
  const ProcRoot root(directory.path());
  CHECK(*runs_as(root, Pid{5}, 7));
  CHECK_FALSE(*runs_as(root, Pid{5}, 8));
  CHECK_FALSE(*runs_as(root, Pid{6}, 7));
  CHECK_FALSE(*runs_as(root, Pid{8}, 7));
  CHECK_FALSE(runs_as(root, Pid{9}, 7));
  CHECK_FALSE(runs_as(root, Pid{10}, 7));
}

TEST_CASE("a command line is searched as a whole, of bounded length") {
  TemporaryDirectory directory;
  directory.write("5/cmdline", std::string("python3\0-m\0app\0--x=1\0", 21));
  directory.write("6/cmdline", std::string(2 * kMaxSearched, 'x'));
  directory.write("7/cmdline", "");
  const ProcRoot root(directory.path());
  CHECK(*searched_command_line(root, Pid{5}) == "python3 -m app --x=1");
  CHECK(searched_command_line(root, Pid{6})->size() == kMaxSearched);
  CHECK(searched_command_line(root, Pid{7})->empty());
  CHECK_FALSE(searched_command_line(root, Pid{8}));
}
