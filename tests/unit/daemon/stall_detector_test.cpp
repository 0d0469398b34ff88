#include "daemon/stall_detector.h"

#include <algorithm>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

namespace snag::daemon {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Nanoseconds kThreshold = milliseconds(100);
constexpr Nanoseconds kLookTakes = microseconds(10);

Instant at(Nanoseconds since_boot) { return Instant{} + since_boot; }

Observation idle(Nanoseconds when) { return {.before = at(when), .after = at(when) + kLookTakes, .running = {}}; }

Observation running(Nanoseconds when, Nanoseconds iteration_began, std::int64_t index) {
  return {.before = at(when),
          .after = at(when) + kLookTakes,
          .running = Observation::Running{.iteration_began = at(iteration_began), .index = index}};
}

StallDetector detector() { return {kThreshold, at(milliseconds(0))}; }

TEST_CASE("the first callback of an iteration began exactly when the iteration did") {
  auto stalls = detector();
  const auto step = stalls.observe(running(milliseconds(7), milliseconds(5), 0));
  CHECK(step.began_run);
  REQUIRE(stalls.current());
  CHECK(stalls.current()->began.earliest == at(milliseconds(5)));
  CHECK(stalls.current()->began.latest == at(milliseconds(5)));
  CHECK(stalls.current()->uncertainty() == Nanoseconds{});
}

TEST_CASE("a later callback began between the look that did not see it and the one that did") {
  auto stalls = detector();
  stalls.observe(running(milliseconds(7), milliseconds(5), 0));
  stalls.observe(running(milliseconds(9), milliseconds(5), 1));
  REQUIRE(stalls.current());
  CHECK(stalls.current()->began.earliest == at(milliseconds(7)));
  CHECK(stalls.current()->began.latest == at(milliseconds(9)) + kLookTakes);
}

TEST_CASE("a later callback did not begin before its iteration, however long ago the last look was") {
  auto stalls = detector();
  stalls.observe(idle(milliseconds(1)));
  stalls.observe(running(milliseconds(50), milliseconds(40), 3));
  REQUIRE(stalls.current());
  CHECK(stalls.current()->began.earliest == at(milliseconds(40)));
}

TEST_CASE("a callback that the very first look sees began somewhere in its iteration") {
  auto stalls = detector();
  stalls.observe(running(milliseconds(50), milliseconds(10), 3));
  REQUIRE(stalls.current());
  CHECK(stalls.current()->began.earliest == at(milliseconds(10)));
  CHECK(stalls.current()->began.latest == at(milliseconds(50)) + kLookTakes);
}

TEST_CASE("a run ended between the look that saw it last and the look that saw none") {
  auto stalls = detector();
  stalls.observe(running(milliseconds(10), milliseconds(5), 0));
  stalls.observe(running(milliseconds(120), milliseconds(5), 0));
  const auto step = stalls.observe(idle(milliseconds(124)));
  REQUIRE(step.stall);
  CHECK(step.stall->ended->earliest == at(milliseconds(120)));
  CHECK(step.stall->ended->latest == at(milliseconds(124)) + kLookTakes);
  CHECK_FALSE(stalls.current());
}

TEST_CASE("a run ended no later than the next iteration began") {
  auto stalls = detector();
  stalls.observe(running(milliseconds(10), milliseconds(5), 0));
  stalls.observe(running(milliseconds(120), milliseconds(5), 0));
  const auto step = stalls.observe(running(milliseconds(130), milliseconds(121), 0));
  REQUIRE(step.stall);
  CHECK(step.stall->ended->latest == at(milliseconds(121)));
  CHECK(step.began_run);
}

TEST_CASE("a run that may have been shorter than the threshold is no stall") {
  auto stalls = detector();
  // It began at 5 at the earliest and was seen to 104: 99 ms at most are proved, though it lasted up to 119.
  stalls.observe(running(milliseconds(6), milliseconds(5), 0));
  stalls.observe(running(milliseconds(104), milliseconds(5), 0));
  CHECK_FALSE(stalls.observe(idle(milliseconds(124))).stall);
}

TEST_CASE("what is not known of a run's begin does not count towards the threshold") {
  auto stalls = detector();
  stalls.observe(running(milliseconds(50), milliseconds(0), 2));   // it may have run for 50 ms
  stalls.observe(running(milliseconds(149), milliseconds(0), 2));  // and surely has for 99
  CHECK_FALSE(stalls.observe(idle(milliseconds(151))).stall);
}

TEST_CASE("a run of exactly the threshold is a stall") {
  auto stalls = detector();
  stalls.observe(running(milliseconds(6), milliseconds(5), 0));
  CHECK(stalls.observe(running(milliseconds(105), milliseconds(5), 0)).crossed);
  CHECK(stalls.observe(idle(milliseconds(106))).stall);
}

TEST_CASE("a run crosses the threshold once") {
  auto stalls = detector();
  int crossings = 0;
  for (int time = 1; time < 1000; time += 4) {
    if (stalls.observe(running(milliseconds(time), milliseconds(0), 0)).crossed) ++crossings;
  }
  CHECK(crossings == 1);
}

TEST_CASE("each run of one loop crosses the threshold for itself") {
  auto stalls = detector();
  stalls.observe(running(milliseconds(1), milliseconds(0), 0));
  CHECK(stalls.observe(running(milliseconds(101), milliseconds(0), 0)).crossed);
  stalls.observe(running(milliseconds(201), milliseconds(200), 0));
  CHECK(stalls.observe(running(milliseconds(301), milliseconds(200), 0)).crossed);
}

TEST_CASE("a run that lasts when the watch ends is handed out without an end") {
  auto stalls = detector();
  stalls.observe(running(milliseconds(1), milliseconds(0), 0));
  stalls.observe(running(milliseconds(150), milliseconds(0), 0));
  const auto run = stalls.finish();
  REQUIRE(run);
  CHECK_FALSE(run->ended);
  CHECK(run->duration() == milliseconds(150));
  CHECK_FALSE(stalls.finish());
}

TEST_CASE("a short run that lasts when the watch ends is no stall") {
  auto stalls = detector();
  stalls.observe(running(milliseconds(1), milliseconds(0), 0));
  CHECK_FALSE(stalls.finish());
  CHECK_FALSE(detector().finish());
}

TEST_CASE("a run whose iteration is older than the watch began before it") {
  StallDetector stalls(kThreshold, at(milliseconds(100)));
  stalls.observe(running(milliseconds(101), milliseconds(50), 0));
  CHECK(stalls.current()->began_before_attach);
  stalls.observe(running(milliseconds(300), milliseconds(50), 0));
  CHECK(stalls.observe(idle(milliseconds(301))).stall->began_before_attach);
  stalls.observe(running(milliseconds(310), milliseconds(305), 0));
  CHECK_FALSE(stalls.current()->began_before_attach);
}

TEST_CASE("two stalls one after another in one iteration are two, and the second begins where the first ends") {
  auto stalls = detector();
  stalls.observe(running(milliseconds(1), milliseconds(0), 0));
  stalls.observe(running(milliseconds(140), milliseconds(0), 0));
  const auto between = stalls.observe(running(milliseconds(144), milliseconds(0), 1));
  REQUIRE(between.stall);
  CHECK(between.stall->turn.index == 0);
  CHECK(between.began_run);
  CHECK_FALSE(between.crossed);
  stalls.observe(running(milliseconds(280), milliseconds(0), 1));
  const auto last = stalls.observe(idle(milliseconds(284)));
  REQUIRE(last.stall);
  CHECK(last.stall->turn.index == 1);
  CHECK(last.stall->began.earliest == between.stall->ended->earliest);
  CHECK(last.stall->began.latest == between.stall->ended->latest);
}

TEST_CASE("a callback of the same index in the next iteration is another run") {
  auto stalls = detector();
  stalls.observe(running(milliseconds(1), milliseconds(0), 0));
  const auto step = stalls.observe(running(milliseconds(90), milliseconds(80), 0));
  CHECK(step.began_run);
  CHECK_FALSE(stalls.observe(running(milliseconds(170), milliseconds(80), 0)).crossed);
}

TEST_CASE("a loop is looked at more often once its callback is suspect") {
  auto stalls = detector();
  CHECK(stalls.pace(at(milliseconds(0))) == kThreshold / 10);
  stalls.observe(running(milliseconds(1), milliseconds(0), 0));
  CHECK_FALSE(stalls.is_suspect(at(milliseconds(24))));
  CHECK(stalls.pace(at(milliseconds(24))) == kThreshold / 10);
  CHECK(stalls.is_suspect(at(milliseconds(25))));
  CHECK(stalls.pace(at(milliseconds(25))) == kThreshold / 25);
  CHECK(stalls.pace(at(milliseconds(60000))) == kThreshold / 25);  // its end is known as well, however old it is
}

TEST_CASE("stacks of a run are taken at each look first, and ever more seldom as it grows old") {
  auto stalls = detector();
  stalls.observe(running(milliseconds(1), milliseconds(0), 0));
  CHECK(stalls.rest_after_stack(at(milliseconds(25))) == milliseconds(0));
  CHECK(stalls.rest_after_stack(at(kThreshold * 4)) == milliseconds(0));
  CHECK(stalls.rest_after_stack(at(milliseconds(1000))) == milliseconds(10) - kThreshold / 25);
  CHECK(stalls.rest_after_stack(at(milliseconds(60000))) == milliseconds(20) - kThreshold / 25);
}

// A loop that really ran: what each look saw is taken from it, and what is reported is held against it.
struct TrueRun {
  Observation::Running turn;
  Instant began;
  Instant ended;
};

std::vector<TrueRun> simulate_loop(std::mt19937_64& random, int iterations) {
  std::vector<TrueRun> runs;
  const auto between = [&](std::int64_t least, std::int64_t most) {
    return Nanoseconds(std::uniform_int_distribution<std::int64_t>(least, most)(random));
  };
  constexpr std::int64_t kMs = 1'000'000;
  Instant now = at(milliseconds(5));
  for (int i = 0; i < iterations; ++i) {
    now += between(0, 30 * kMs);  // select
    const Instant iteration = now;
    const auto callbacks = between(1, 5).count();
    for (std::int64_t index = 0; index < callbacks; ++index) {
      const Instant began = now;
      const auto sort = between(0, 9).count();
      now += sort < 6   ? between(1000, 5 * kMs)
             : sort < 9 ? between(50 * kMs, 150 * kMs)
                        : between(150 * kMs, 900 * kMs);
      runs.push_back({.turn = {.iteration_began = iteration, .index = index}, .began = began, .ended = now});
      if (index + 1 < callbacks) now += between(1, 1000);  // _run_once itself
    }
  }
  return runs;
}

// What a look between two instants sees, and it sees one instant of them.
std::optional<Observation::Running> seen(const std::vector<TrueRun>& runs, Instant when) {
  for (const auto& run : runs) {
    if (run.began <= when && when < run.ended) return run.turn;
  }
  return std::nullopt;
}

std::vector<Run> watch(std::mt19937_64& random, const std::vector<TrueRun>& runs) {
  StallDetector stalls(kThreshold, at(milliseconds(0)));
  std::vector<Run> found;
  std::uniform_int_distribution<std::int64_t> takes(0, 200'000);
  for (Instant now = at(milliseconds(0)); now < runs.back().ended + milliseconds(50);) {
    const Instant before = now;
    const Instant instant = before + Nanoseconds(takes(random));
    now = instant + Nanoseconds(takes(random));
    const auto step = stalls.observe({.before = before, .after = now, .running = seen(runs, instant)});
    if (step.stall) found.push_back(*step.stall);
    now += std::uniform_int_distribution<std::int64_t>(0, stalls.pace(now).count())(random) * Nanoseconds(1);
  }
  return found;
}

const TrueRun& truth_of(const std::vector<TrueRun>& runs, const Run& run) {
  const auto same = [&](const TrueRun& candidate) { return candidate.turn == run.turn; };
  const auto found = std::find_if(runs.begin(), runs.end(), same);
  REQUIRE(found != runs.end());
  return *found;
}

bool was_found(const std::vector<Run>& found, const TrueRun& run) {
  return std::any_of(found.begin(), found.end(), [&](const Run& candidate) { return candidate.turn == run.turn; });
}

TEST_CASE("random looks at random loops find every stall, no other run, and err within the stated uncertainty") {
  const auto seed = GENERATE(range(1U, 21U));
  std::mt19937_64 random(seed);
  const auto runs = simulate_loop(random, 60);
  const auto found = watch(random, runs);
  CAPTURE(seed, runs.size(), found.size());
  REQUIRE_FALSE(found.empty());
  for (const Run& run : found) {
    const auto& truth = truth_of(runs, run);
    const Nanoseconds lasted = truth.ended - truth.began;
    CHECK(lasted >= kThreshold);
    CHECK(std::chrono::abs(run.duration() - lasted) <= run.uncertainty());
    CHECK(run.began.earliest <= truth.began);
    CHECK(truth.began <= run.began.latest);
    CHECK(run.ended->earliest <= truth.ended);
    CHECK(truth.ended <= run.ended->latest);
  }
  // Its begin may be missed by one look of a tenth of the threshold, its end by one of a twenty-fifth; a look takes
  // time.
  const Nanoseconds probe = kThreshold / 10 + kThreshold / 25 + milliseconds(1);
  for (const auto& run : runs) {
    const Nanoseconds lasted = run.ended - run.began;
    if (lasted < kThreshold + (run.turn.index == 0 ? kThreshold / 25 + milliseconds(1) : probe)) continue;
    CAPTURE(lasted.count(), run.turn.index);
    CHECK(was_found(found, run));
  }
}

}  // namespace
}  // namespace snag::daemon
