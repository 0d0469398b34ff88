#pragma once

#include <optional>

#include "readers/asyncio/run_once.h"
#include "readers/base/clock.h"

namespace snag::daemon {

// One look at a loop, with the instants between which it was taken. All of one clock: ours.
struct Observation {
  Instant before;
  Instant after;
  // The callback that ran, its iteration's begin in our clock; nullopt: none ran (select, between callbacks, no loop).
  struct Running {
    Instant iteration_began;
    std::int64_t index;
    friend bool operator==(const Running&, const Running&) = default;
  };
  std::optional<Running> running;
};

// An instant that is known to lie between two others.
struct Between {
  Instant earliest;
  Instant latest;
  [[nodiscard]] Instant middle() const { return earliest + (latest - earliest) / 2; }
  [[nodiscard]] Nanoseconds width() const { return latest - earliest; }
};

// One run of one callback, as far as the looks tell.
struct Run {
  Observation::Running turn;
  Between began;
  Instant last_seen;             // it surely ran then
  std::optional<Between> ended;  // absent while it runs
  bool began_before_attach = false;
  // Since when it surely runs; what a threshold is held against, so that no shorter run is ever called a stall.
  [[nodiscard]] Nanoseconds least() const { return (ended ? ended->earliest : last_seen) - began.latest; }
  [[nodiscard]] Nanoseconds duration() const { return (ended ? ended->middle() : last_seen) - began.middle(); }
  [[nodiscard]] Nanoseconds uncertainty() const {
    return (began.width() + (ended ? ended->width() : Nanoseconds{})) / 2;
  }
};

// Turns looks into runs, and finds those that lasted too long. Knows no clock, no target and no thread: the same looks
// always give the same runs.
class StallDetector {
 public:
  StallDetector(Nanoseconds threshold, Instant attached) : threshold_(threshold), attached_(attached) {}

  struct Step {
    std::optional<Run> stall;  // it has just ended, and was one
    bool began_run = false;    // another callback runs than at the last look
    bool crossed = false;      // the run that goes on has just become a stall
  };
  Step observe(const Observation& look);
  // No more looks will come (the target ended, the watch is over): a run that is a stall so far is handed out, without
  // an end.
  [[nodiscard]] std::optional<Run> finish();

  [[nodiscard]] const std::optional<Run>& current() const { return current_; }
  [[nodiscard]] bool is_stall(const Run& run) const { return run.least() >= threshold_; }
  // When to look next: seldom while callbacks are short, often once one has lived for a quarter of the threshold, so
  // that its end is known to a few per cent.
  [[nodiscard]] Nanoseconds pace(Instant now) const;
  // For how long no look wants another stack of the suspect after one was taken: not at all at first, so that a short
  // stall gets one with each look.
  [[nodiscard]] Nanoseconds rest_after_stack(Instant now) const;
  // Old enough for whole stacks to be taken.
  [[nodiscard]] bool is_suspect(Instant now) const;

 private:
  [[nodiscard]] Run begin_run(const Observation& look) const;

  Nanoseconds threshold_;
  Instant attached_;
  std::optional<Run> current_;
  std::optional<Instant> last_look_;  // when the look before this one began
  bool crossed_ = false;
};

}  // namespace snag::daemon
