#include "daemon/loop_watch.h"

#include <algorithm>
#include <random>

#include "daemon/clock.h"
#include "daemon/culprit.h"
#include "daemon/publish.h"

namespace snag::daemon {
namespace {

v1::Cause published(Cause cause) {
  switch (cause) {
    case Cause::kUnknown:
      return v1::UNKNOWN;
    case Cause::kSleep:
      return v1::SLEEP;
    case Cause::kNetwork:
      return v1::NETWORK;
    case Cause::kDns:
      return v1::DNS;
    case Cause::kFile:
      return v1::FILE;
    case Cause::kSubprocess:
      return v1::SUBPROCESS;
    case Cause::kLock:
      return v1::LOCK;
    case Cause::kFuture:
      return v1::FUTURE;
    case Cause::kGil:
      return v1::GIL;
    case Cause::kCpuPython:
      return v1::CPU_PYTHON;
    case Cause::kCpuNative:
      return v1::CPU_NATIVE;
    case Cause::kImport:
      return v1::IMPORT;
    case Cause::kLogging:
      return v1::LOGGING;
    case Cause::kStopped:
      return v1::STOPPED;
    case Cause::kCpuStarved:
      return v1::CPU_STARVED;
  }
  return v1::UNKNOWN;
}

// A quarter of a period more or less, at random: a target that works in step with the looks is not always met at the
// same place.
Nanoseconds jittered(Nanoseconds pace) {
  static thread_local std::minstd_rand random(std::random_device{}());
  std::uniform_int_distribution<std::int64_t> around(pace.count() * 3 / 4, pace.count() * 5 / 4);
  return Nanoseconds(around(random));
}

// "socket.recv_into, poll, 10.0.3.5:443": from what the culprit called down to what the kernel waits for.
std::string sentence_of(const Verdict& verdict) {
  std::string sentence;
  const auto add = [&](const std::string& part) {
    if (!part.empty()) sentence += (sentence.empty() ? "" : ", ") + part;
  };
  if (verdict.stack.innermost_call != verdict.stack.blocking_call) add(verdict.stack.innermost_call);
  add(verdict.system_call);
  add(verdict.endpoint);
  add(verdict.path);
  return sentence;
}

}  // namespace

LoopWatch::LoopWatch(TargetReaders& readers, asyncio::LoopFrame loop, TargetThread thread, Nanoseconds threshold,
                     Instant attached)
    : readers_(&readers),
      loop_(loop),
      thread_(std::move(thread)),
      detector_(threshold, attached),
      cursor_(loop.thread_state),
      next_look_(attached) {
  open_files();
  auto function = readers.target->codes().function_of(loop_.code.code);
  if (function) standard_library_ = standard_library_of((*function)->file);
}

void LoopWatch::open_files() {
  auto files = ThreadFiles::open(readers_->target->proc(), readers_->target->pid(), thread_.tid);
  if (files) files_ = std::move(*files);
}

void LoopWatch::renumber(const TargetThread& thread) {
  if (thread.tid == Tid{} || thread.tid == thread_.tid) return;
  thread_ = thread;
  open_files();
}

Observation::Running LoopWatch::running(const asyncio::Turn& turn) const {
  return {.iteration_began = Instant(turn.iteration_began) - readers_->target->clock_offset(), .index = turn.index};
}

std::optional<Observation> LoopWatch::look(WatchCounts& counts) {
  Observation seen{.before = now(), .after = {}, .running = std::nullopt};
  auto glimpse = readers_->loops.look(loop_);
  seen.after = now();
  if (!glimpse) {
    // A look that met the loop in the middle of a change says nothing; one into memory that is gone says that it ended.
    if (glimpse.error().kind == ErrorKind::kInconsistent) return std::nullopt;
    ++counts.lost_by_reason[reason(glimpse.error().kind)];
    ++counts.lost;
    gone_ = true;
    return seen;
  }
  gone_ = glimpse->state == asyncio::Glimpse::State::kGone;
  if (glimpse->state != asyncio::Glimpse::State::kRunning) return seen;
  const auto turn = running(glimpse->turn);
  // A time that has not come is none: a loop with a clock of its own, or a torn read.
  if (turn.iteration_began > seen.after) return std::nullopt;
  seen.running = turn;
  todo_ = glimpse->todo;
  return seen;
}

void LoopWatch::step(bool report_ongoing, WatchCounts& counts, std::vector<v1::Stall>& into) {
  const auto seen = look(counts);
  if (seen) {
    const auto step = detector_.observe(*seen);
    if (step.stall) {
      ++counts.stalls;
      into.push_back(report(*step.stall, false));
    }
    if (step.began_run || !detector_.current()) begin_run();
    if (detector_.is_suspect(seen->after) && seen->after >= next_stack_) {
      sample(counts);
      next_stack_ = now() + detector_.rest_after_stack(now());
    }
    if (step.crossed && report_ongoing) into.push_back(report(*detector_.current(), true));
  }
  next_look_ = now() + jittered(detector_.pace(now()));
}

void LoopWatch::finish(WatchCounts& counts, std::vector<v1::Stall>& into) {
  if (const auto run = detector_.finish()) {
    ++counts.stalls;
    into.push_back(report(*run, true));
  }
}

std::optional<ThreadSchedule> LoopWatch::schedule() const {
  if (!files_) return std::nullopt;
  auto now_there = files_->schedule();
  return now_there ? std::optional(*now_there) : std::nullopt;
}

// A thread that is ready and gets no processor looks like one that computes: what it waited for one is told apart.
void LoopWatch::tell_starvation_apart(Verdict& verdict) const {
  const auto until = schedule();
  if (!until || !schedule_at_begin_) return;
  const double ran = double((until->on_processor - schedule_at_begin_->on_processor).count());
  const double waited = double((until->waiting - schedule_at_begin_->waiting).count());
  if (ran < 0 || waited <= 0) return;
  double starved = 0;
  for (auto& [cause, share] : verdict.shares) {
    if (cause != Cause::kCpuPython && cause != Cause::kCpuNative) continue;
    const double moved = share * waited / (ran + waited);
    share -= moved;
    starved += moved;
  }
  constexpr double kWorthTelling = 0.02;
  if (starved < kWorthTelling) return;
  verdict.shares.emplace_back(Cause::kCpuStarved, starved);
  std::stable_sort(verdict.shares.begin(), verdict.shares.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  verdict.cause = verdict.shares.front().first;
}

void LoopWatch::begin_run() {
  evidence_.clear();
  next_stack_ = {};
  task_.reset();
  last_descriptor_.reset();
  schedule_at_begin_ = schedule();
}

// Everything that is seen of the run that goes on, and then a look which proves that it still is the same run: what was
// seen after its end would be another's.
void LoopWatch::sample(WatchCounts& counts) {
  const auto turn = detector_.current()->turn;
  const auto lose = [&](const char* why) {
    ++counts.lost;
    ++counts.lost_by_reason[why];
    evidence_.count_lost();
  };
  if (auto done = readers_->target->stacks().read(cursor_, raw_); !done) return lose(reason(done.error().kind));
  resolve(readers_->target->codes(), raw_, resolved_);
  const auto loop_frame = std::find_if(resolved_.frames.begin(), resolved_.frames.end(),
                                       [&](const ResolvedFrame& frame) { return frame.raw.frame == loop_.frame; });
  if (loop_frame == resolved_.frames.end()) {
    if (still_runs(turn)) lose("loop's frame not on the stack");
    return;
  }
  const auto depth = static_cast<std::size_t>(loop_frame - resolved_.frames.begin());
  std::optional<asyncio::TaskInfo> task = task_;
  if (!task) task = readers_->tasks.current(loop_.thread_state, loop_.interpreter, loop_.loop).value_or(std::nullopt);
  const auto known = evidence_.find(resolved_, depth);
  SeenStack worked_out;
  if (!known) worked_out = work_out(resolved_, depth);
  const auto now_seen = situation(known ? evidence_.at(*known) : worked_out, gil_elsewhere());
  const Cause cause = classify(now_seen);
  if (!still_runs(turn)) return;
  ++(resolved_.whole ? counts.whole : counts.partial);
  task_ = std::move(task);
  const auto index = known ? known : evidence_.add(resolved_, depth, std::move(worked_out));
  if (index) evidence_.count(*index, now_seen, cause);
}

bool LoopWatch::still_runs(const Observation::Running& turn) {
  const auto again = readers_->loops.look(loop_);
  return again && again->state == asyncio::Glimpse::State::kRunning && running(again->turn) == turn;
}

bool LoopWatch::gil_elsewhere() const {
  auto holder = python::gil_holder(readers_->target->memory(), readers_->target->runtime(), loop_.interpreter);
  return holder && *holder && **holder != loop_.thread_state;
}

Situation LoopWatch::situation(const SeenStack& seen, bool gil_elsewhere) {
  Situation now_seen{.system_call = std::nullopt,
                     .descriptor = std::nullopt,
                     .gil_elsewhere = gil_elsewhere,
                     .builtin = {},
                     .called = {}};
  if (!seen.frames.empty() && seen.frames.front().kind == ShownFrame::Kind::kNative) {
    now_seen.builtin = seen.frames.front().function;
  }
  now_seen.called = std::span(seen.frames).first(std::min(seen.culprit, seen.frames.size()));
  if (!files_) return now_seen;
  if (auto stat = files_->stat()) now_seen.stopped = stat->is_stopped();
  auto call = files_->system_call();
  if (!call) return now_seen;
  now_seen.system_call = *call;
  const auto number = waits_for(*call);
  if (!number) return now_seen;
  if (!last_descriptor_ || last_descriptor_->first != *number) {
    auto descriptor = describe_descriptor(readers_->target->proc(), readers_->target->pid(), *number);
    if (!descriptor) return now_seen;
    last_descriptor_.emplace(*number, std::move(*descriptor));
  }
  now_seen.descriptor = last_descriptor_->second;
  return now_seen;
}

// The descriptor that the system call works on; of those that poll() waits for, the first.
std::optional<int> LoopWatch::waits_for(const SystemCall& call) const {
  const auto polled = polled_by(call);
  if (!polled) return descriptor_of(call);
  auto first = readers_->target->memory().read_value<std::int32_t>(*polled, "struct pollfd");
  return first ? std::optional<int>(*first) : std::nullopt;
}

SeenStack LoopWatch::work_out(const ResolvedStack& stack, std::size_t depth) {
  SeenStack seen{.frames = {}, .blocking_call = {}, .innermost_call = {}, .whole = stack.whole};
  add_builtin(stack, seen);
  for (const auto& frame : std::span(stack.frames).first(depth)) {
    seen.frames.push_back({.function = frame.function->name,
                           .file = frame.function->file,
                           .line = frame.line,
                           .kind = ShownFrame::Kind::kPython,
                           .module = readers_->names.module_of(frame.raw, *frame.function)});
  }
  seen.culprit = find_culprit(seen.frames, standard_library_);
  if (depth == 0) return seen;
  const auto& top = stack.frames.front();
  seen.innermost_call = seen.frames.front().kind == ShownFrame::Kind::kNative
                            ? seen.frames.front().function
                            : readers_->names.public_name(top.raw, *top.function, loop_.interpreter);
  seen.blocking_call = blocking_call(stack, seen);
  return seen;
}

void LoopWatch::add_builtin(const ResolvedStack& stack, SeenStack& seen) {
  if (!stack.whole) {
    seen.frames.push_back({.function = kMovedMarker, .file = {}, .kind = ShownFrame::Kind::kMarker, .module = {}});
    return;
  }
  if (stack.frames.empty()) return;
  const auto& top = stack.frames.front();
  const auto call = readers_->names.builtin_call(top.raw, *top.function);
  if (!call) return;
  if (call->is_operation) {  // only means something of a thread that the kernel says is blocked
    if (!files_) return;
    const auto state = files_->system_call();
    if (!state || state->running) return;
  }
  seen.frames.push_back({.function = call->name, .file = {}, .kind = ShownFrame::Kind::kNative, .module = {}});
}

// The outermost call that the culprit made into code that is not the user's.
std::string LoopWatch::blocking_call(const ResolvedStack& stack, const SeenStack& seen) {
  if (seen.culprit == 0 || seen.culprit >= seen.frames.size()) return {};
  const auto& callee = seen.frames[seen.culprit - 1];
  if (callee.kind == ShownFrame::Kind::kNative) return callee.function;
  if (callee.kind == ShownFrame::Kind::kMarker) return {};
  const std::size_t extra = seen.frames.size() - (seen.frames.front().kind == ShownFrame::Kind::kPython ? 0 : 1);
  const std::size_t shift = seen.frames.size() - extra;
  const auto& frame = stack.frames[seen.culprit - 1 - shift];
  return readers_->names.public_name(frame.raw, *frame.function, loop_.interpreter);
}

v1::Stall LoopWatch::report(const Run& run, bool ongoing) {
  v1::Stall stall;
  // A turn never repeats, so it names the stall: in every report of it, and whoever watches.
  stall.set_id(std::to_string(readers_->target->pid().value) + "-" + std::to_string(thread_.tid.value) + "-" +
               std::to_string(run.turn.iteration_began.time_since_epoch().count()) + "-" +
               std::to_string(run.turn.index));
  stall.set_pid(readers_->target->pid().value);
  publish_loop(thread_.name, thread_.tid, *stall.mutable_loop());
  publish(run.began.middle(), *stall.mutable_start());
  publish(run.duration(), *stall.mutable_duration());
  publish(run.uncertainty(), *stall.mutable_uncertainty());
  stall.set_start_monotonic_ns((run.began.middle() + readers_->target->clock_offset()).time_since_epoch().count());
  stall.set_ongoing(ongoing);
  stall.set_began_before_attach(run.began_before_attach);
  if (task_) publish(*task_, *stall.mutable_task());
  stall.set_samples(evidence_.whole());
  stall.set_partial_samples(evidence_.partial());
  stall.set_lost_samples(evidence_.lost());
  stall.mutable_impact()->set_ready_callbacks(
      static_cast<std::int32_t>(std::clamp<std::int64_t>(todo_ - run.turn.index - 1, 0, INT32_MAX)));
  auto verdict = evidence_.verdict();
  if (!verdict) return stall;
  tell_starvation_apart(*verdict);
  for (const auto& frame : verdict->stack.frames) publish(frame, *stall.add_stack());
  if (verdict->stack.culprit < verdict->stack.frames.size()) {
    const auto& culprit = verdict->stack.frames[verdict->stack.culprit];
    publish(culprit, *stall.mutable_culprit());
    stall.set_fingerprint(fingerprint(culprit, verdict->stack.blocking_call));
  }
  stall.set_blocking_call(to_text(verdict->stack.blocking_call));
  stall.set_cause(published(verdict->cause));
  for (const auto& [cause, share] : verdict->shares) {
    auto& into = *stall.add_cause_shares();
    into.set_cause(published(cause));
    into.set_share(share);
  }
  auto& evidence = *stall.mutable_evidence();
  evidence.set_syscall(verdict->system_call);
  evidence.set_innermost_call(to_text(verdict->stack.innermost_call));
  if (!verdict->stack.blocking_call.empty()) evidence.set_sentence(to_text(sentence_of(*verdict)));
  evidence.set_endpoint(to_text(verdict->endpoint));
  evidence.set_path(to_text(verdict->path));
  const auto until = schedule();
  if (until && schedule_at_begin_ && run.duration().count() > 0) {
    const auto used = until->on_processor - schedule_at_begin_->on_processor;
    const double share = double(used.count()) / double(run.duration().count());
    evidence.set_cpu_share(std::clamp(share, 0.0, 1.0));
  }
  return stall;
}

}  // namespace snag::daemon
