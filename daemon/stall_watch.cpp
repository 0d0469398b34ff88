#include "daemon/stall_watch.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "daemon/clock.h"
#include "daemon/followed_processes.h"
#include "daemon/loop_watch.h"
#include "daemon/publish.h"

namespace snag::daemon {
namespace {

using std::chrono::milliseconds;

constexpr Nanoseconds kMinThreshold = milliseconds(1);
constexpr Nanoseconds kMaxThreshold = std::chrono::hours(1);
// All threads are searched for loops this often; a target without any loop more often, since it may just be starting.
// It gets the more time the longer it has had none: of hundreds of workers, most may never have one.
constexpr Nanoseconds kScanEvery = std::chrono::seconds(1);
constexpr Nanoseconds kScanWithoutLoop = milliseconds(50);
constexpr int kScanWithoutLoopShare = 10;
// A loop whose memory is gone is looked after at once; this is for those that have none.
constexpr Nanoseconds kAliveEvery = milliseconds(250);
constexpr Nanoseconds kProgressEvery = std::chrono::seconds(1);
// A loop that turns is between two iterations for some microseconds: only one that is missed again and again has ended.
constexpr int kMissedScans = 3;

// One target and its loops.
class WatchedTarget {
 public:
  // `inherited`: loops that are not its own, see loops_of_forker().
  WatchedTarget(std::unique_ptr<Target> target, Nanoseconds threshold, std::vector<asyncio::LoopFrame> inherited)
      : target_(std::move(target)),
        inherited_(std::move(inherited)),
        readers_(*target_),
        threshold_(threshold),
        attached_(now()),
        next_scan_(attached_),
        next_check_(attached_) {}

  [[nodiscard]] const Target& target() const { return *target_; }
  [[nodiscard]] std::size_t thread_count() const { return threads_; }
  [[nodiscard]] const std::deque<LoopWatch>& loops() const { return loops_; }
  // The client has been told of it.
  bool announced = false;

  // The loops that a child which this process forks just now has in its memory as well: it never runs them, but its
  // stack looks as if it did, in a callback that lasts as long as the child.
  [[nodiscard]] std::vector<asyncio::LoopFrame> loops_of_forker() const {
    std::vector<asyncio::LoopFrame> loops = inherited_;
    for (const auto& watch : loops_) loops.push_back(watch.loop());
    return loops;
  }

  [[nodiscard]] Instant next_deadline() const {
    Instant next = std::min(next_scan_, next_check_);
    for (const auto& loop : loops_) next = std::min(next, loop.next_look());
    return next;
  }

  // Does what is due. What is returned ended the target.
  [[nodiscard]] std::optional<TargetEnd> step(bool ongoing, WatchCounts& counts, std::vector<v1::Stall>& into) {
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
  // Finds the loops that run now, in all threads.
  void scan() {
    auto threads = target_->threads();
    if (threads) {
      threads_ = std::max(threads_, threads->size());
      for (auto& loop : loops_) ++loop.missed_scans;
      for (auto& thread : *threads) scan_thread(std::move(thread));
      std::erase_if(loops_, [](const auto& loop) { return loop.missed_scans >= kMissedScans; });
    }
    const Instant done = now();
    const auto without_loop = std::clamp((done - loop_seen_) / kScanWithoutLoopShare, kScanWithoutLoop, kScanEvery);
    if (!loops_.empty()) loop_seen_ = done;
    next_scan_ = done + (loops_.empty() ? without_loop : kScanEvery);
  }

  void scan_thread(TargetThread thread) {
    python::ThreadCursor cursor(thread.state.address);
    if (auto done = target_->stacks().read(cursor, raw_); !done) return;
    auto loop = readers_.loops.find(thread.state.address, thread.state.interpreter, raw_);
    if (!loop || !*loop) return;  // torn: the next scan sees it
    const auto is_it = [&](const asyncio::LoopFrame& other) {
      return other.frame == (*loop)->frame && other.loop == (*loop)->loop;
    };
    if (std::any_of(inherited_.begin(), inherited_.end(), is_it)) return;
    const auto known =
        std::find_if(loops_.begin(), loops_.end(), [&](const LoopWatch& watch) { return is_it(watch.loop()); });
    if (known != loops_.end()) {
      known->missed_scans = 0;
    } else {
      loops_.emplace_back(readers_, **loop, std::move(thread), threshold_, attached_);
    }
  }

  std::unique_ptr<Target> target_;
  std::vector<asyncio::LoopFrame> inherited_;
  TargetReaders readers_;
  Nanoseconds threshold_;
  std::deque<LoopWatch> loops_;
  python::RawStack raw_;
  Instant attached_;
  Instant loop_seen_ = attached_;
  Instant next_scan_;
  Instant next_check_;
  std::size_t threads_ = 0;
};

// The request as a whole.
class StallWatch {
 public:
  StallWatch(Request& request, const v1::WatchStalls& asked)
      : request_(&request),
        asked_(&asked),
        followed_(request, asked.selection()),
        began_(now()),
        cpu_at_begin_(own_cpu_time()) {
    if (asked.has_duration()) end_ = began_ + duration_of(asked.duration());
  }

  void run() {
    auto targets = followed_.attach(std::span(asked_->pids().data(), static_cast<std::size_t>(asked_->pids_size())));
    if (targets.empty()) return;
    add(std::move(targets));
    for (auto& target : watched_) {
      if (followed_.parent_of(target->target()).value == 0) announce(*target);
    }
    Instant next_progress = now() + kProgressEvery;
    while (ended_because_.empty()) {
      if (now() >= end_) {
        ended_because_ = "duration over";
        break;
      }
      if (now() >= next_progress) {
        send_progress();
        next_progress += kProgressEvery;
      }
      Instant deadline = std::min({end_, next_progress, followed_.next_look()});
      for (const auto& target : watched_) deadline = std::min(deadline, target->next_deadline());
      if (request_->pause_until(deadline) == Request::Pause::kStop) ended_because_ = "stopped";
      if (now() >= followed_.next_look()) add(followed_.look());
      for (auto target = watched_.begin(); target != watched_.end();) {
        target = step(**target) ? target + 1 : watched_.erase(target);
      }
      end_if_none_is_left();
    }
    for (auto& target : watched_) target->finish(counts_, stalls_);
    send_stalls();
    send_summary();
  }

 private:
  // Looks for their loops at once, so that they can be told with the target.
  void add(FollowedProcesses::Targets targets) {
    for (auto& target : targets) {
      auto inherited = inherited_loops(*target);
      watched_.push_back(
          std::make_unique<WatchedTarget>(std::move(target), duration_of(asked_->threshold()), std::move(inherited)));
      if (!step(*watched_.back())) watched_.pop_back();
    }
    end_if_none_is_left();
  }

  // Of a child that was forked and has executed nothing since.
  [[nodiscard]] std::vector<asyncio::LoopFrame> inherited_loops(const Target& child) const {
    const Pid parent = followed_.parent_of(child);
    for (const auto& watched : watched_) {
      const auto& target = watched->target();
      if (target.pid() == parent && target.start_stack() == child.start_stack()) return watched->loops_of_forker();
    }
    return {};
  }

  void end_if_none_is_left() {
    if (!watched_.empty() || followed_.may_come() || !ended_because_.empty()) return;
    if (!followed_.last_end().empty()) ended_because_ = "target ended: " + followed_.last_end();
  }

  // False: the target has ended.
  bool step(WatchedTarget& target) {
    const auto ended = target.step(asked_->ongoing(), counts_, stalls_);
    threads_ = std::max(threads_, target.thread_count());
    if (!target.loops().empty()) announce(target);
    if (ended) {
      target.finish(counts_, stalls_);
      followed_.ended(target.target(), *ended, watched_.size() > 1);
    }
    send_stalls();
    return !ended;
  }

  // Once. A child that never runs a loop is not worth a word.
  void announce(WatchedTarget& watched) {
    if (std::exchange(watched.announced, true)) return;
    v1::ServerMessage message;
    followed_.describe(watched.target(), *message.mutable_target());
    for (const auto& loop : watched.loops()) {
      publish_loop(loop.thread().name, loop.thread().tid, *message.mutable_target()->add_loops());
    }
    request_->send(message);
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
    followed_.summarize(summary);
    request_->send(message);
    message.mutable_done();
    request_->send(message);
  }

  Request* request_;
  const v1::WatchStalls* asked_;
  FollowedProcesses followed_;
  Instant began_;
  Nanoseconds cpu_at_begin_;
  Instant end_ = Instant::max();
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
  StallWatch(request, asked).run();
}

}  // namespace snag::daemon
