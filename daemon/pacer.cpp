#include "daemon/pacer.h"

namespace snag::daemon {

Pacer::Pacer(Nanoseconds period, Instant start, std::uint64_t seed)
    : period_(period), start_(start), deadline_(start), random_(static_cast<std::minstd_rand::result_type>(seed)) {}

void Pacer::met(Instant now) {
  const Instant steady = start_ + period_ * ticks_;  // without jitter
  if (now - steady > period_) {
    const std::int64_t missed = (now - steady) / period_;
    late_ += missed;
    ticks_ += missed;
  }
  advance();
}

void Pacer::advance() {
  ++ticks_;
  std::uniform_int_distribution<std::int64_t> jitter(-period_.count() / 4, period_.count() / 4);
  deadline_ = start_ + period_ * ticks_ + Nanoseconds(jitter(random_));
}

}  // namespace snag::daemon
