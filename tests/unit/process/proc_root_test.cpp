#include "readers/process/proc_root.h"

#include <catch2/catch.hpp>
#include <unistd.h>

#include "tests/unit/process/child.h"

using namespace snag;
using snag::test::TemporaryDirectory;

TEST_CASE("a proc file is read whole") {
  const TemporaryDirectory tree;
  const std::string text(70'000, 'x');
  tree.write("4/cmdline", text);
  const ProcRoot root(tree.path());
  CHECK(*read_proc_file(root.of(Pid{4}, "cmdline"), kMaxLargeProcFile, "cmdline") == text);
  CHECK(read_proc_file(root.of(Pid{4}, "cmdline"), 70'000, "cmdline"));
  CHECK(read_proc_file(root.of(Pid{4}, "cmdline"), 69'999, "cmdline").error().kind == ErrorKind::kOutOfBounds);
}

TEST_CASE("a missing proc file means that the process has ended") {
  const TemporaryDirectory tree;
  const ProcRoot root(tree.path());
  CHECK(read_proc_file(root.of(Pid{4}, "stat"), 100, "stat").error().kind == ErrorKind::kNoSuchProcess);
  CHECK(read_proc_link(root.of(Pid{4}, "exe"), "exe").error().kind == ErrorKind::kNoSuchProcess);
  CHECK(list_numbers(tree.path() + "/4/task", "task").error().kind == ErrorKind::kNoSuchProcess);
}

TEST_CASE("lines are given one by one, also across blocks and without a last newline") {
  const TemporaryDirectory tree;
  std::string text;
  std::vector<std::string> lines;
  for (int i = 0; i < 3000; ++i) {
    lines.push_back(std::to_string(i) + std::string(static_cast<std::size_t>(i % 90), 'a'));
    text += (i == 0 ? "" : "\n") + lines.back();
  }
  tree.write("lines", text);
  std::vector<std::string> seen;
  REQUIRE(for_each_proc_line(tree.path() + "/lines", kMaxLargeProcFile, "lines", [&](std::string_view line) {
    seen.emplace_back(line);
    return true;
  }));
  CHECK(seen == lines);
}

TEST_CASE("reading lines ends when told to, and at its bounds") {
  const TemporaryDirectory tree;
  tree.write("many", "a\nb\nc\n");
  tree.write("endless", std::string(kMaxSmallProcFile + 20'000, 'x'));
  int count = 0;
  const auto stop_at_second = [&](std::string_view) { return ++count < 2; };
  CHECK(for_each_proc_line(tree.path() + "/many", 100, "many", stop_at_second));
  CHECK(count == 2);
  const auto go_on = [](std::string_view) { return true; };
  CHECK(for_each_proc_line(tree.path() + "/many", 5, "many", go_on).error().kind == ErrorKind::kOutOfBounds);
  CHECK(for_each_proc_line(tree.path() + "/endless", kMaxLargeProcFile, "endless", go_on).error().kind ==
        ErrorKind::kOutOfBounds);
}

TEST_CASE("fields of a status file are found by their whole name") {
  const TemporaryDirectory tree;
  tree.write("7/status", "Name:\tpython3\nPPid:\t12\nPid:\t  7 \nNSpid:\t7\t3\nEmpty:\t\n");
  const auto path = ProcRoot(tree.path()).of(Pid{7}, "status");
  CHECK(*read_proc_field(path, "Pid", "status") == "7");
  CHECK(*read_proc_field(path, "PPid", "status") == "12");
  CHECK(*read_proc_field(path, "NSpid", "status") == "7\t3");
  CHECK(read_proc_field(path, "Empty", "status")->empty());
  CHECK(read_proc_field(path, "Absent", "status")->empty());
}

TEST_CASE("only names that are numbers are listed, in order") {
  const TemporaryDirectory tree;
  for (const char* name : {"10", "9", "self", "1x", "-3", "99999999999", "2"}) tree.write(name, "");
  CHECK(*list_numbers(tree.path(), "directory") == std::vector<std::int32_t>{2, 9, 10});
}

TEST_CASE("this process is there, and one of a number beyond all is not") {
  CHECK(ProcRoot().has(Pid{::getpid()}));
  CHECK_FALSE(ProcRoot().has(Pid{0x7fffffff}));
}
