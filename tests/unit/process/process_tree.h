#pragma once

#include <string>

#include "tests/unit/process/child.h"

namespace snag::test {

// A /proc whose processes, and last number given, the test decides on. None of them is there for the kernel.
class ProcessTree {
 public:
  explicit ProcessTree(int last_number) { say_last(last_number); }

  void say_last(int number) const { directory_.write("loadavg", "0.1 0.2 0.3 1/80 " + std::to_string(number) + "\n"); }
  // With an address space of no files: it is not Python. `leader`: it is a thread of that process.
  void add(int pid, int parent, int start = 7, const std::string& users = "7\t7\t7\t7", int leader = 0) const {
    const std::string number = std::to_string(pid);
    directory_.write(number + "/stat", number + " (x) S " + std::to_string(parent) +
                                           " 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 " + std::to_string(start) +
                                           " 0 0 0 0 0 99 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
    directory_.write(number + "/status",
                     "Tgid:\t" + (leader == 0 ? number : std::to_string(leader)) + "\nUid:\t" + users + "\n");
    directory_.write(number + "/cmdline", "x");
    directory_.write(number + "/maps", "");
  }
  [[nodiscard]] const std::string& path() const { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
};

}  // namespace snag::test
