#pragma once

#include <chrono>
#include <cstdint>

namespace snag {

// CLOCK_MONOTONIC, the clock of loop.time(). std::chrono::steady_clock is that clock in libstdc++; readers take
// instants as arguments and never look at a clock themselves.
using Nanoseconds = std::chrono::nanoseconds;
using Instant = std::chrono::time_point<std::chrono::steady_clock, Nanoseconds>;

// Where a reader must know how long something took, its maker gives it the clock.
using Clock = Instant (*)();

}  // namespace snag
