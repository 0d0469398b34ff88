#include "daemon/recorded_thread.h"

#include <algorithm>

#include "daemon/clock.h"

namespace snag::daemon {
namespace {

// Of the time recorded, the target may be stopped for one part in this many: 0.5 %.
constexpr int kStopBudgetDivisor = 200;
static_assert(python::kMaxFrames < stream::kMaxStackDepth, "what readers follow must have a number");

}  // namespace

RecordedTarget::RecordedTarget(std::unique_ptr<Target> target, v1::Record::Mode mode, v1::Consistency consistency)
    : target_(std::move(target)), mode_(mode), consistency_(consistency) {
  refresh_threads();
}

void RecordedTarget::refresh_threads() {
  auto now_there = target_->threads();
  if (!now_there) return;  // torn: the next refresh sees it
  target_->name(*now_there);
  std::unordered_map<Address, RecordedThread*, AddressHash> known;
  for (auto& thread : threads_) known.emplace(thread.thread.state.address, &thread);
  std::vector<RecordedThread> threads;
  threads.reserve(now_there->size());
  for (auto& thread : *now_there) {
    const auto before = known.find(thread.state.address);
    if (before != known.end() && before->second->thread.tid == thread.tid) {
      auto& kept = threads.emplace_back(std::move(*before->second));
      // Under another name it is another thread of the stream.
      if (kept.thread.name != thread.name) kept.number = 0;
      kept.thread = std::move(thread);
      continue;
    }
    threads.emplace_back(std::move(thread));
    auto files = ThreadFiles::open(target_->proc(), target_->pid(), threads.back().thread.tid);
    if (files) threads.back().files = std::move(*files);
  }
  threads_ = std::move(threads);
}

bool RecordedTarget::is_wanted(RecordedThread& thread) {
  if (mode_ == v1::Record::CPU) {
    if (!thread.files) return false;
    auto stat = thread.files->stat();
    return stat && stat->state == 'R';
  }
  if (mode_ == v1::Record::GIL) {
    auto holder = python::gil_holder(target_->memory(), target_->runtime(), thread.thread.state.interpreter);
    return holder && *holder == thread.thread.state.address;
  }
  return true;
}

bool RecordedTarget::is_asleep(const RecordedThread& thread) {
  if (!thread.asleep_since_run) return false;
  const auto schedule = thread.files->schedule();
  return schedule && schedule->runs == *thread.asleep_since_run;
}

// Called after a stack was read that is the same as before: if the thread is blocked now and was given no processor
// since before the stack was read, then the stack is the one that it sleeps with.
void RecordedTarget::note_sleep(RecordedThread& thread) {
  if (!runs_before_) return;
  const auto call = thread.files->system_call();
  if (!call || call->running) return;
  const auto schedule = thread.files->schedule();
  if (schedule && schedule->runs == *runs_before_) thread.asleep_since_run = runs_before_;
}

Result<void> RecordedTarget::sample(RecordedThread& thread, Instant began, ThreadStopper& stopper) {
  Result<void> outcome;
  thread.asleep_since_run.reset();
  runs_before_.reset();
  if (thread.repeats && thread.files) {
    const auto schedule = thread.files->schedule();
    if (schedule) runs_before_ = schedule->runs;
  }
  if (consistency_ != v1::ALWAYS) {
    outcome = target_->stacks().read(thread.cursor, raw_);
    if (outcome) resolve(target_->codes(), raw_, resolved_);
    if (outcome && resolved_.whole) return outcome;
    if (consistency_ == v1::NEVER) return outcome;
    if (stopper.total_stopped() > (now() - began) / kStopBudgetDivisor) return outcome;
  }
  auto stop = stopper.stop(target_->pid(), thread.thread.tid);
  if (!stop) return consistency_ == v1::ALWAYS ? Result<void>(fail(stop)) : outcome;
  auto read = target_->stacks().read(thread.cursor, raw_);
  stop->release();
  if (!read) return read;
  resolve(target_->codes(), raw_, resolved_);
  return {};
}

std::uint32_t RecordedTarget::number_frame(stream::Interner& interner, const ResolvedFrame& frame) {
  constexpr unsigned kLineBits = 32;
  const auto key = (std::uint64_t{frame.function->number} << kLineBits) | static_cast<std::uint32_t>(frame.line);
  if (const auto known = frame_numbers_.find(key); known != frame_numbers_.end()) return known->second;
  const auto number = interner.frame(frame.function->name, frame.function->file, frame.line, v1::Frame::PYTHON);
  if (number != 0) frame_numbers_.emplace(key, number);
  return number;
}

std::uint32_t RecordedTarget::number_stack(RecordedThread& thread, stream::Interner& interner) {
  stack_numbers_.clear();
  if (!resolved_.whole) {
    if (marker_ == 0) marker_ = interner.frame(kMovedMarker, "", 0, v1::Frame::MARKER);
    stack_numbers_.push_back(marker_);
  }
  for (const auto& frame : resolved_.frames) stack_numbers_.push_back(number_frame(interner, frame));
  const auto stack = interner.stack(stack_numbers_);
  thread.repeats = resolved_.whole && stack != 0 && stack == thread.last_stack;
  thread.last_stack = resolved_.whole ? stack : 0;
  if (thread.repeats) note_sleep(thread);
  return stack;
}

}  // namespace snag::daemon
