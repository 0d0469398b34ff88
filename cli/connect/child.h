#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <sys/types.h>

namespace snag::cli {

// A process that we started, by its number; it cannot be anyone else's until it is reaped here.
class Child {
 public:
  Child() = default;
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  // Does not end it: whoever starts a process says how it ends.
  ~Child() = default;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool is_running() const { return pid_ > 0; }
  // Reaps it if it has ended, or ends within `patience`: its status as of waitpid().
  [[nodiscard]] std::optional<int> wait(std::chrono::milliseconds patience);
  void send(int signal) const;

 private:
  pid_t pid_ = 0;  // 0: none, or reaped
};

// "ended with status 1", "was killed by signal 9 (Killed)"
[[nodiscard]] std::string describe_end(int wait_status);

}  // namespace snag::cli
