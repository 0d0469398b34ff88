#pragma once

#include <time.h>

#include "readers/base/clock.h"

namespace snag::daemon {

[[nodiscard]] inline Instant now() { return std::chrono::steady_clock::now(); }

// CPU time that the calling thread has used: what a request costs, since one thread does all of it.
[[nodiscard]] inline Nanoseconds own_cpu_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
}

}  // namespace snag::daemon
