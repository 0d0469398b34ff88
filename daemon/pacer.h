#pragma once

#include <cstdint>
#include <random>

#include "readers/base/clock.h"

namespace snag::daemon {

// Deadlines at a steady rate. They are absolute, so that the time which a sample takes does not add up; each is moved
// at random by up to a quarter of a period, so that a target which works in step with the rate is not always met at
// the same place.
class Pacer {
 public:
  Pacer(Nanoseconds period, Instant start, std::uint64_t seed);

  [[nodiscard]] Instant next() const { return deadline_; }
  // To be called when the work of the deadline begins. The deadlines that have passed when one is met more than a
  // period late are left out and counted: they cannot be made up for.
  void met(Instant now);
  [[nodiscard]] std::int64_t late() const { return late_; }

 private:
  void advance();

  Nanoseconds period_;
  Instant start_;
  std::int64_t ticks_ = 0;
  Instant deadline_;
  std::int64_t late_ = 0;
  std::minstd_rand random_;
};

}  // namespace snag::daemon
