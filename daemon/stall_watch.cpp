#include "daemon/stall_watch.h"

#include <algorithm>
#include <deque>

#include "daemon/clock.h"
#include "daemon/loop_watch.h"
#include "daemon/publish.h"

namespace snag::daemon {
namespace {

using std::chrono::milliseconds;

constexpr Nanoseconds kMinThreshold = milliseconds(1);
constexpr Nanoseconds kMaxThreshold = std::chrono::hours(1);
// All threads are searched for loops this often; a target without any loop more often, since it may just be starting.
constexpr Nanoseconds kScanEvery = std::chrono::seconds(1);
constexpr Nanoseconds kScanWithoutLoop = milliseconds(50);
// A scan goes on for this long at a time, and rests for so many times as long as it took, up to a bound: thousands of
// threads without a loop must not cost a core, nor a loop that begins be seen much later.
constexpr Nanoseconds kScanAtOnce = milliseconds(2);
constexpr int kScanRest = 20;
constexpr Nanoseconds kLongestScanRest = std::chrono::seconds(2);
constexpr Nanoseconds kAliveEvery = milliseconds(100);
constexpr Nanoseconds kProgressEvery = std::chrono::seconds(1);
// A loop that turns is between two iterations for some microseconds: only one that is missed again and again has ended.
constexpr int kMissedScans = 3;

// One target and its loops.
class WatchedTarget {
 public:
  WatchedTarget(std::unique_ptr<Target> target, Nanoseconds threshold)
      : target_(std::move(target)),
        readers_(*target_),
        threshold_(threshold),
        attached_(now()),
        next_scan_(attached_),
        next_check_(attached_) {}

  [[nodiscard]] Target& target() { return *target_; }
  [[nodiscard]] std::size_t thread_count() const { return threads_; }
  [[nodiscard]] const std::deque<LoopWatch>& loops() const { return loops_; }

  [[nodiscard]] Instant next_deadline() const {
    Instant next = std::min(next_scan_, next_check_);
    for (const auto& loop : loops_) next = std::min(next, loop.next_look());
    return next;
  }

  // True: some threads have not been looked through for loops yet.
  [[nodiscard]] bool is_scanning() const { return !to_scan_.empty(); }

  // Does what is due. What is returned ended the target.
  [[nodiscard]] std::optional<std::string> step(bool ongoing, WatchCounts& counts, std::vector<v1::Stall>& into) {
    for (auto& loop : loops_) {
      if (loop.next_look() <= now()) loop.step(ongoing, counts, into);
    }
    const bool any_gone = std::any_of(loops_.begin(), loops_.end(), [](const auto& loop) { return loop.is_gone(); });
    if (any_gone) {
      std::erase_if(loops_, [](const auto& loop) { return loop.is_gone(); });
      next_scan_ = std::min(next_scan_, now() + kScanWithoutLoop);
    }
    if (next_check_ <= now() || any_gone) {
      if (auto ended = target_->ended()) return ended;
      next_check_ = now() + kAliveEvery;
    }
    if (next_scan_ <= now()) scan();
    return std::nullopt;
  }

  void finish(WatchCounts& counts, std::vector<v1::Stall>& into) {
    for (auto& loop : loops_) loop.finish(counts, into);
  }

 private:
  // Finds the loops that run now, in all threads; of thousands of threads a part at a time, so that no loop waits for
  // its next look meanwhile.
  void scan() {
    const Instant begun = now();
    if (to_scan_.empty()) {
      auto threads = target_->threads();
      if (!threads) {  // torn: the next scan sees it
        next_scan_ = now() + kScanWithoutLoop;
        return;
      }
      to_scan_ = std::move(*threads);
      threads_ = std::max(threads_, to_scan_.size());
      for (auto& loop : loops_) ++loop.missed_scans;
      scan_took_ = {};
    }
    while (!to_scan_.empty() && now() - begun < kScanAtOnce) {
      scan_thread(std::move(to_scan_.back()));
      to_scan_.pop_back();
    }
    scan_took_ += now() - begun;
    if (!to_scan_.empty()) return;
    std::erase_if(loops_, [](const auto& loop) { return loop.missed_scans >= kMissedScans; });
    name_loops();
    const auto rest = loops_.empty() ? kScanWithoutLoop : kScanEvery;
    next_scan_ = now() + std::max(rest, std::min(scan_took_ * kScanRest, kLongestScanRest));
  }

  void scan_thread(TargetThread thread) {
    python::ThreadCursor cursor(thread.state.address);
    if (auto done = target_->stacks().read(cursor, raw_); !done) return;
    auto loop = readers_.loops.find(thread.state.address, thread.state.interpreter, raw_);
    if (!loop || !*loop) return;  // torn: the next scan sees it
    const auto known = std::find_if(loops_.begin(), loops_.end(), [&](const LoopWatch& watch) {
      return watch.loop().frame == (*loop)->frame && watch.loop().loop == (*loop)->loop;
    });
    if (known != loops_.end()) {
      known->missed_scans = 0;
      known->renumber(thread);
    } else {
      loops_.emplace_back(readers_, **loop, std::move(thread), threshold_, attached_);
    }
  }

  // Only threads with a loop are shown, and only those are asked for their names.
  void name_loops() {
    std::vector<TargetThread> threads;
    for (const auto& loop : loops_) threads.push_back(loop.thread());
    if (threads.empty()) return;
    target_->name(threads);
    auto named = threads.begin();
    for (auto& loop : loops_) loop.rename(std::move((named++)->name));
  }

  std::unique_ptr<Target> target_;
  TargetReaders readers_;
  Nanoseconds threshold_;
  std::deque<LoopWatch> loops_;
  python::RawStack raw_;
  std::vector<TargetThread> to_scan_;  // of the scan that goes on
  Nanoseconds scan_took_{};
  Instant attached_;
  Instant next_scan_;
  Instant next_check_;
  std::size_t threads_ = 0;
};

// The request as a whole.
class StallWatch {
 public:
  StallWatch(Request& request, const v1::WatchStalls& asked)
      : request_(&request), began_(now()), cpu_at_begin_(own_cpu_time()), ongoing_(asked.ongoing()) {
    if (asked.has_duration()) end_ = began_ + duration_of(asked.duration());
  }

  void run(std::vector<std::unique_ptr<Target>> targets, Nanoseconds threshold) {
    for (auto& target : targets) watched_.push_back(std::make_unique<WatchedTarget>(std::move(target), threshold));
    for (auto& target : watched_) {
      while (step(*target) && target->is_scanning()) {
      }  // the first search for loops, so that the header can name them
    }
    announce();
    Instant next_progress = now() + kProgressEvery;
    while (!watched_.empty() && ended_because_.empty()) {
      if (now() >= end_) {
        ended_because_ = "duration over";
        break;
      }
      if (now() >= next_progress) {
        send_progress();
        next_progress += kProgressEvery;
      }
      Instant deadline = std::min(end_, next_progress);
      for (const auto& target : watched_) deadline = std::min(deadline, target->next_deadline());
      if (request_->pause_until(deadline) == Request::Pause::kStop) ended_because_ = "stopped";
      for (auto target = watched_.begin(); target != watched_.end();) {
        target = step(**target) ? target + 1 : watched_.erase(target);
      }
    }
    for (auto& target : watched_) target->finish(counts_, stalls_);
    send_stalls();
    send_summary();
  }

 private:
  // False: the target has ended.
  bool step(WatchedTarget& target) {
    const auto ended = target.step(ongoing_, counts_, stalls_);
    threads_ = std::max(threads_, target.thread_count());
    if (ended) {
      target.finish(counts_, stalls_);
      if (watched_.size() == 1) {
        ended_because_ = "target ended: " + *ended;
      } else {
        request_->warn(target.target().pid(), "it is watched no longer: " + *ended);
      }
    }
    send_stalls();
    return !ended;
  }

  void announce() {
    for (auto& watched : watched_) {
      v1::ServerMessage message;
      request_->describe(watched->target(), *message.mutable_target());
      for (const auto& loop : watched->loops()) {
        publish_loop(loop.thread().name, loop.thread().tid, *message.mutable_target()->add_loops());
      }
      request_->send(message);
    }
  }

  void send_stalls() {
    for (auto& stall : stalls_) {
      v1::ServerMessage message;
      *message.mutable_stall() = std::move(stall);
      request_->send(message);
    }
    stalls_.clear();
  }

  void send_progress() {
    v1::ServerMessage message;
    auto& progress = *message.mutable_progress();
    publish(now() - began_, *progress.mutable_elapsed());
    progress.set_whole(counts_.whole);
    progress.set_partial(counts_.partial);
    progress.set_lost(counts_.lost);
    progress.set_stalls(counts_.stalls);
    request_->send(message);
  }

  void send_summary() {
    v1::ServerMessage message;
    auto& summary = *message.mutable_summary();
    const Nanoseconds lasted = now() - began_;
    summary.set_whole(counts_.whole);
    summary.set_partial(counts_.partial);
    summary.set_lost(counts_.lost);
    for (const auto& [why, count] : counts_.lost_by_reason) (*summary.mutable_lost_by_reason())[why] = count;
    summary.set_achieved_rate(double(counts_.whole) / std::max(1e-9, std::chrono::duration<double>(lasted).count()));
    publish(own_cpu_time() - cpu_at_begin_, *summary.mutable_sampler_cpu());
    publish(Nanoseconds{}, *summary.mutable_target_stopped());
    publish(Nanoseconds{}, *summary.mutable_longest_stop());
    publish(lasted, *summary.mutable_duration());
    summary.set_threads(static_cast<std::int32_t>(threads_));
    summary.set_stalls(counts_.stalls);
    summary.set_ended_because(ended_because_);
    request_->send(message);
    message.mutable_done();
    request_->send(message);
  }

  Request* request_;
  Instant began_;
  Nanoseconds cpu_at_begin_;
  Instant end_ = Instant::max();
  bool ongoing_;
  std::vector<std::unique_ptr<WatchedTarget>> watched_;  // loops refer into it
  WatchCounts counts_;
  std::vector<v1::Stall> stalls_;
  std::string ended_because_;
  std::size_t threads_ = 0;
};

}  // namespace

void watch_stalls(Request& request, const v1::WatchStalls& asked) {
  const auto threshold = duration_of(asked.threshold());
  if (threshold < kMinThreshold || threshold > kMaxThreshold) {
    request.fail_usage("a threshold is between 1 ms and 1 h");
    return;
  }
  if (asked.has_duration() && duration_of(asked.duration()) <= Nanoseconds{}) {
    request.fail_usage("a duration is longer than nothing");
    return;
  }
  StallWatch watch(request, asked);
  auto targets = request.attach(std::span(asked.pids().data(), static_cast<std::size_t>(asked.pids_size())));
  if (!targets.empty()) watch.run(std::move(targets), threshold);
}

}  // namespace snag::daemon
