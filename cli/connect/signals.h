#pragma once

#include <optional>

#include "cli/connect/descriptor.h"

namespace snag::cli {

// SIGINT and SIGTERM while a command runs. The first makes wake_descriptor() readable, so that the command can stop and
// write what it has; a second ends the program at once, with status 130. SIGPIPE is ignored: writes say EPIPE.
//
// A "second" one within 200 ms counts as the first: coreutils' `timeout` signals the process and then its group.
//
// Signal handlers belong to the process, so only one of these may live at a time. The former handlers come back with
// its end.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  [[nodiscard]] int wake_descriptor() const { return read_end_.get(); }
  // The signal that came first, if one did.
  [[nodiscard]] std::optional<int> received() const;
  // Some process sent it with kill(), and not the terminal to all in the foreground.
  [[nodiscard]] bool sent_by_process() const;

 private:
  Descriptor read_end_;
  Descriptor write_end_;
};

}  // namespace snag::cli
