#include "daemon/stall_detector.h"

#include <algorithm>

namespace snag::daemon {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// A loop is looked at ten times within the threshold: the begin of a callback that is not the first of its iteration is
// then known to a tenth of the threshold.
constexpr int kLooksPerThreshold = 10;
constexpr Nanoseconds kShortestPace = microseconds(500);
constexpr Nanoseconds kLongestPace = milliseconds(20);
// Of a suspect: 4 % of the threshold, however old it is, so that its end is known as well as its begin.
constexpr int kSuspectLooksPerThreshold = 25;
// A stack costs ten times as much as a look, and tells less the older the run is: one for each 1 % of its age.
constexpr int kStacksPerAge = 100;
constexpr int kSuspectFraction = 4;

}  // namespace

Run StallDetector::begin_run(const Observation& look) const {
  Run run{.turn = *look.running, .began = {}, .last_seen = look.before, .ended = std::nullopt};
  const Instant iteration = look.running->iteration_began;
  run.began_before_attach = iteration < attached_;
  if (look.running->index == 0) {
    run.began = {.earliest = iteration, .latest = iteration};
  } else {
    // The last look saw something else, so it began after that look began.
    run.began = {.earliest = last_look_ ? std::max(iteration, *last_look_) : iteration, .latest = look.after};
  }
  run.last_seen = std::max(look.before, run.began.latest);
  return run;
}

StallDetector::Step StallDetector::observe(const Observation& look) {
  Step step;
  const bool same = current_ && look.running && current_->turn == *look.running;
  if (same) {
    current_->last_seen = std::max(current_->last_seen, look.before);
    if (!crossed_ && is_stall(*current_)) step.crossed = crossed_ = true;
  } else {
    if (current_) {
      Instant latest = look.after;
      // A later iteration began after the run ended.
      if (look.running && look.running->iteration_began != current_->turn.iteration_began) {
        latest = std::clamp(look.running->iteration_began, current_->last_seen, latest);
      }
      current_->ended = Between{.earliest = current_->last_seen, .latest = std::max(latest, current_->last_seen)};
      if (is_stall(*current_)) step.stall = current_;
      current_.reset();
    }
    crossed_ = false;
    if (look.running) {
      current_ = begin_run(look);
      step.began_run = true;
    }
  }
  last_look_ = look.before;
  return step;
}

std::optional<Run> StallDetector::finish() {
  auto run = std::exchange(current_, std::nullopt);
  if (run && is_stall(*run)) return run;
  return std::nullopt;
}

bool StallDetector::is_suspect(Instant now) const {
  return current_ && now - current_->began.middle() >= threshold_ / kSuspectFraction;
}

Nanoseconds StallDetector::pace(Instant now) const {
  const int looks = is_suspect(now) ? kSuspectLooksPerThreshold : kLooksPerThreshold;
  return std::clamp(threshold_ / looks, kShortestPace, kLongestPace);
}

Nanoseconds StallDetector::rest_after_stack(Instant now) const {
  const Nanoseconds age = current_ ? now - current_->began.middle() : Nanoseconds{};
  return std::max(std::min(age / kStacksPerAge, kLongestPace) - pace(now), Nanoseconds{});
}

}  // namespace snag::daemon
