#include "daemon/recording.h"

#include <algorithm>
#include <map>
#include <random>

#include "daemon/clock.h"
#include "daemon/followed_processes.h"
#include "daemon/pacer.h"
#include "daemon/publish.h"
#include "daemon/recorded_thread.h"

namespace snag::daemon {
namespace {

using std::chrono::milliseconds;

constexpr double kMinRate = 0.01;
constexpr double kMaxRate = 100'000;
constexpr Nanoseconds kRefreshEvery = milliseconds(250);
constexpr Nanoseconds kSendEvery = milliseconds(100);
constexpr Nanoseconds kProgressEvery = std::chrono::seconds(1);
// Samples of one message: some 100 KiB at most.
constexpr int kBatch = 8192;

class Recording {
 public:
  Recording(Request& request, const v1::Record& asked)
      : request_(&request),
        asked_(&asked),
        followed_(request, asked.selection()),
        began_(now()),
        cpu_at_begin_(own_cpu_time()),
        last_sample_(began_),
        stopper_(&now, request.proc()) {
    if (asked.has_duration()) end_ = began_ + duration_of(asked.duration());
  }

  void run() {
    auto targets = followed_.attach(std::span(asked_->pids().data(), static_cast<std::size_t>(asked_->pids_size())));
    if (targets.empty()) return;
    add(std::move(targets));
    Pacer pacer(Nanoseconds(static_cast<std::int64_t>(1e9 / asked_->rate())), now(), std::random_device{}());
    Instant next_send = now() + kSendEvery;
    Instant next_progress = now() + kProgressEvery;
    next_refresh_ = now() + kRefreshEvery;
    while (ended_because_.empty()) {
      wait_for(std::min(pacer.next(), followed_.next_look()));
      if (!ended_because_.empty()) break;
      if (now() >= followed_.next_look()) add(followed_.look());
      if (targets_.empty() && !followed_.may_come()) ended_because_ = "target ended: " + followed_.last_end();
      if (now() < pacer.next()) continue;
      pacer.met(now());
      sample_all();
      const Instant done = now();
      if (done >= next_refresh_) {
        refresh();
        next_refresh_ = done + kRefreshEvery;
      }
      if (done >= next_send || samples_.thread_size() >= kBatch) {
        send_samples();
        next_send = done + kSendEvery;
      }
      if (done >= next_progress) {
        send_progress();
        next_progress = done + kProgressEvery;
      }
    }
    late_ = pacer.late();
    send_samples();
    send_summary();
  }

 private:
  void add(FollowedProcesses::Targets targets) {
    for (auto& target : targets) {
      v1::ServerMessage message;
      followed_.describe(*target, *message.mutable_target());
      request_->send(message);
      targets_.push_back(std::make_unique<RecordedTarget>(std::move(target), asked_->mode(), asked_->consistency()));
    }
  }

  // A thread that was told to stop and got no processor to do so stops later: it must not stand until the next sample.
  void release_latecomers(Instant deadline) {
    constexpr Nanoseconds kLookEvery = std::chrono::microseconds(200);
    while (stopper_.settle() > 0 && now() < deadline && ended_because_.empty()) {
      if (request_->pause_until(std::min(deadline, now() + kLookEvery)) == Request::Pause::kStop) {
        ended_because_ = "stopped";
      }
    }
  }

  // The client is looked after at most every millisecond: at high rates its socket costs as much as a sample.
  void wait_for(Instant deadline) {
    constexpr Nanoseconds kServeEvery = milliseconds(1);
    release_latecomers(deadline);
    if (!ended_because_.empty()) return;
    if (now() >= end_) {
      ended_because_ = "duration over";
      return;
    }
    if (deadline - now() > kServeEvery || now() - last_served_ > kServeEvery) {
      if (request_->pause_until(std::min(deadline, end_)) == Request::Pause::kStop) ended_because_ = "stopped";
      last_served_ = now();
      return;
    }
    const auto at = deadline.time_since_epoch().count();
    constexpr std::int64_t kBillion = 1'000'000'000;
    const timespec until{.tv_sec = at / kBillion, .tv_nsec = at % kBillion};
    ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
  }

  void sample_all() {
    ++ticks_;
    if (request_->client().is_slow()) {
      // Dropped before anything is interned for it, so that definitions and samples stay together.
      for (const auto& target : targets_) lose("slow reader", static_cast<std::int64_t>(target->threads().size()));
      return;
    }
    std::size_t threads = 0;
    for (auto& target : targets_) {
      threads += target->threads().size();
      for (auto& thread : target->threads()) {
        if (target->is_wanted(thread)) sample(*target, thread);
      }
    }
    most_threads_ = std::max(most_threads_, threads);
  }

  void sample(RecordedTarget& target, RecordedThread& thread) {
    if (RecordedTarget::is_asleep(thread)) return add_sample(thread, thread.last_stack, true);
    auto done = target.sample(thread, began_, stopper_);
    if (!done && done.error().kind == ErrorKind::kNoSuchProcess) next_refresh_ = {};
    if (!done) return lose(reason(done.error().kind), 1);
    if (target.is_lost()) return lose(reason(ErrorKind::kInconsistent), 1);
    if (target.is_empty()) return;  // it runs no Python now: there is nothing to show, and nothing was lost
    const auto stack = target.number_stack(thread, request_->interner());
    if (stack == 0) return lose("too many distinct stacks", 1);
    if (thread.number == 0) {
      thread.number =
          request_->interner().thread(target.target().pid().value, thread.thread.tid.value, thread.thread.name);
    }
    if (thread.number == 0) return lose("too many threads", 1);
    add_sample(thread, stack, target.is_whole());
  }

  void add_sample(const RecordedThread& thread, std::uint32_t stack, bool whole) {
    const Instant at = now();
    samples_.add_thread(thread.number);
    samples_.add_stack(stack);
    samples_.add_time_delta_ns((at - last_sample_).count());
    samples_.add_partial(!whole);
    last_sample_ = at;
    ++(whole ? whole_ : partial_);
  }

  void lose(const char* why, std::int64_t count) {
    lost_ += count;
    lost_by_reason_[why] += count;
  }

  void refresh() {
    for (auto target = targets_.begin(); target != targets_.end();) {
      const auto ended = (*target)->target().ended();
      if (!ended) {
        (*target)->refresh_threads();
        ++target;
        continue;
      }
      followed_.ended((*target)->target(), *ended, targets_.size() > 1);
      target = targets_.erase(target);
    }
    if (targets_.empty() && !followed_.may_come()) ended_because_ = "target ended: " + followed_.last_end();
  }

  void send_samples() {
    v1::ServerMessage message;
    while (request_->interner().take(*message.mutable_definitions())) request_->send(message);
    if (samples_.thread_size() == 0) return;
    message.mutable_samples()->Swap(&samples_);
    request_->send(message);
    samples_.Clear();
  }

  void send_progress() {
    v1::ServerMessage message;
    auto& progress = *message.mutable_progress();
    publish(now() - began_, *progress.mutable_elapsed());
    progress.set_whole(whole_);
    progress.set_partial(partial_);
    progress.set_lost(lost_);
    request_->send(message);
  }

  void send_summary() {
    v1::ServerMessage message;
    auto& summary = *message.mutable_summary();
    const Nanoseconds lasted = now() - began_;
    summary.set_requested_rate(asked_->rate());
    summary.set_achieved_rate(double(ticks_) / std::max(1e-9, std::chrono::duration<double>(lasted).count()));
    summary.set_whole(whole_);
    summary.set_partial(partial_);
    summary.set_lost(lost_);
    for (const auto& [why, count] : lost_by_reason_) (*summary.mutable_lost_by_reason())[why] = count;
    summary.set_late(late_);
    publish(own_cpu_time() - cpu_at_begin_, *summary.mutable_sampler_cpu());
    publish(stopper_.total_stopped(), *summary.mutable_target_stopped());
    publish(stopper_.longest_stop(), *summary.mutable_longest_stop());
    publish(lasted, *summary.mutable_duration());
    summary.set_threads(static_cast<std::int32_t>(most_threads_));
    summary.set_ended_because(ended_because_);
    followed_.summarize(summary);
    request_->send(message);
    message.mutable_done();
    request_->send(message);
  }

  Request* request_;
  const v1::Record* asked_;
  FollowedProcesses followed_;
  Instant began_;
  Nanoseconds cpu_at_begin_;
  Instant end_ = Instant::max();
  Instant last_served_;
  Instant next_refresh_;
  Instant last_sample_;
  ThreadStopper stopper_;
  std::vector<std::unique_ptr<RecordedTarget>> targets_;
  v1::Samples samples_;
  std::string ended_because_;
  std::int64_t ticks_ = 0;
  std::int64_t whole_ = 0;
  std::int64_t partial_ = 0;
  std::int64_t lost_ = 0;
  std::int64_t late_ = 0;
  std::map<std::string, std::int64_t> lost_by_reason_;
  std::size_t most_threads_ = 0;
};

}  // namespace

void record(Request& request, const v1::Record& asked) {
  if (!(asked.rate() >= kMinRate && asked.rate() <= kMaxRate)) {  // so that NaN is refused too
    request.fail_usage("a rate is between 0.01 and 100000 samples a second");
    return;
  }
  if (asked.has_duration() && duration_of(asked.duration()) <= Nanoseconds{}) {
    request.fail_usage("a duration is longer than nothing");
    return;
  }
  Recording(request, asked).run();
}

}  // namespace snag::daemon
