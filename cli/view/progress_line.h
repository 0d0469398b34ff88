#pragma once

#include <string>
#include <string_view>

#include <snag/v1/snag.pb.h>

#include "cli/view/output.h"

namespace snag::cli {

// One line that is written over and over on a terminal; elsewhere only what begins and ends is said.
class ProgressLine {
 public:
  explicit ProgressLine(Output& output) : output_(output) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void update(std::string_view text);
  void clear();
  // A line that stays.
  void say(std::string_view text);

 private:
  Output& output_;
  bool shown_ = false;
};

}  // namespace snag::cli
