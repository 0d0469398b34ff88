#pragma once

#include <functional>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/types.h>

#include "readers/base/ids.h"

namespace snag::test {

// A real process for a test to look at. It dies with the object (by its pid), and with the test.
class Child {
 public:
  // Forks; the child runs `body` and says when it is ready by the function given to it. Returns once it did.
  explicit Child(const std::function<void(const std::function<void()>& ready)>& body);
  // Runs a program, and returns once exec is through.
  explicit Child(const std::vector<std::string>& command);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  [[nodiscard]] Pid pid() const { return {pid_}; }
  [[nodiscard]] Tid main_thread() const { return {pid_}; }
  void signal(int number) const;
  // Waits until it has stopped by a signal, as a shell would.
  void await_stop() const;
  // Kills it, and leaves it a zombie until the object's end.
  void kill_and_leave_zombie();
  // Reaps: afterwards there is no such process. The wait status.
  int kill_and_reap();
  // Waits for its own end: the wait status, and what it used of the machine.
  int join(rusage* used = nullptr);

 private:
  pid_t pid_ = -1;
};

// A directory of the test's own, removed at its end; for fixture trees of /proc.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();

  [[nodiscard]] const std::string& path() const { return path_; }
  // Writes a file below it, with the directories that it needs.
  void write(const std::string& name, const std::string& text) const;
  void link(const std::string& name, const std::string& target) const;

 private:
  std::string path_;
};

}  // namespace snag::test
