#pragma once

#include <compare>
#include <cstdint>

namespace snag {

// A process, as its number in the daemon's own PID namespace.
struct Pid {
  std::int32_t value = 0;
  friend constexpr auto operator<=>(const Pid&, const Pid&) = default;
};

// A thread, as its number in the daemon's own PID namespace (the name below /proc/PID/task).
struct Tid {
  std::int32_t value = 0;
  friend constexpr auto operator<=>(const Tid&, const Tid&) = default;
};

}  // namespace snag
