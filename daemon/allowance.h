#pragma once

#include <algorithm>
#include <cstddef>

#include "daemon/clock.h"
#include "daemon/shown_frame.h"

namespace snag::daemon {

// How much of our time and memory one look at a target may take, whatever the target makes of it: what is left out then
// is said to be. CPU time, since a busy machine is not the target's doing.
class Allowance {
 public:
  Allowance(Nanoseconds cpu_time, std::size_t text_bytes) : until_(own_cpu_time() + cpu_time), text_left_(text_bytes) {}

  [[nodiscard]] bool is_spent() const { return text_left_ == 0 || own_cpu_time() > until_; }
  void take(const ShownFrame& frame) {
    constexpr std::size_t kFrameBytes = 32;  // beside its texts
    const std::size_t bytes = kFrameBytes + frame.function.size() + frame.file.size() + frame.module.size();
    text_left_ -= std::min(text_left_, bytes);
  }

 private:
  Nanoseconds until_;
  std::size_t text_left_;
};

// Stands for the outer frames of a stack that were left out.
inline constexpr const char* kCutMarker = "[more frames than are shown]";

}  // namespace snag::daemon
