#include "daemon/pacer.h"

#include <catch2/catch.hpp>

namespace snag::daemon {
namespace {

using std::chrono::milliseconds;

constexpr Nanoseconds kPeriod = milliseconds(10);
const Instant kStart = Instant{} + std::chrono::hours(1);

TEST_CASE("the first deadline is the start") { CHECK(Pacer(kPeriod, kStart, 1).next() == kStart); }

TEST_CASE("each deadline lies within a quarter of a period of its steady place, also after a million samples") {
  Pacer pacer(kPeriod, kStart, 42);
  Nanoseconds widest{};
  for (int tick = 1; tick <= 1'000'000; ++tick) {
    pacer.met(pacer.next());
    widest = std::max(widest, std::chrono::abs(pacer.next() - (kStart + kPeriod * tick)));
  }
  CHECK(widest <= kPeriod / 4);
  CHECK(widest > kPeriod / 5);  // it does jitter
  CHECK(pacer.late() == 0);
}

TEST_CASE("the jitter does not lean to one side") {
  Pacer pacer(kPeriod, kStart, 7);
  constexpr int kTicks = 100'000;
  Nanoseconds sum{};
  for (int tick = 1; tick <= kTicks; ++tick) {
    pacer.met(pacer.next());
    sum += pacer.next() - (kStart + kPeriod * tick);
  }
  // The mean of that many uniform numbers of ±2.5 ms has a standard deviation of 4.6 µs.
  CHECK(std::chrono::abs(sum / kTicks) < std::chrono::microseconds(25));
}

TEST_CASE("the time that a sample takes does not add up") {
  Pacer pacer(kPeriod, kStart, 3);
  for (int tick = 1; tick <= 1000; ++tick) {
    pacer.met(pacer.next() + milliseconds(4));
    CHECK(std::chrono::abs(pacer.next() - (kStart + kPeriod * tick)) <= kPeriod / 4);
  }
  CHECK(pacer.late() == 0);
}

TEST_CASE("deadlines that passed meanwhile are left out and counted") {
  Pacer pacer(kPeriod, kStart, 3);
  pacer.met(kStart + milliseconds(35));  // those of 10, 20 and 30 ms cannot be made up for
  CHECK(pacer.late() == 3);
  CHECK(std::chrono::abs(pacer.next() - (kStart + kPeriod * 4)) <= kPeriod / 4);
}

TEST_CASE("a deadline met less than a period late is not late") {
  Pacer pacer(kPeriod, kStart, 3);
  pacer.met(kStart + milliseconds(9));
  CHECK(pacer.late() == 0);
}

TEST_CASE("the deadlines met and those counted as late are all that there were") {
  Pacer pacer(kPeriod, kStart, 11);
  std::minstd_rand random(5);
  std::uniform_int_distribution<std::int64_t> delay(0, 60'000'000);
  std::int64_t met = 0;
  for (; met < 10'000; ++met) pacer.met(pacer.next() + Nanoseconds(delay(random)));
  const auto steady = kStart + kPeriod * (met + pacer.late());
  CHECK(std::chrono::abs(pacer.next() - steady) <= kPeriod / 4);
  CHECK(pacer.late() > 0);
}

}  // namespace
}  // namespace snag::daemon
