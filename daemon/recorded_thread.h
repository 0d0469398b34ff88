#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "daemon/resolved_stack.h"
#include "daemon/target.h"
#include "proto/stream/intern.h"
#include "readers/process/thread_stop.h"
#include "readers/process/threads.h"

namespace snag::daemon {

// A thread while it is recorded.
struct RecordedThread {
  explicit RecordedThread(TargetThread about) : thread(std::move(about)), cursor(thread.state.address) {}
  TargetThread thread;
  python::ThreadCursor cursor;
  std::optional<ThreadFiles> files;  // absent where the kernel's number of the thread is not known
  std::uint32_t number = 0;          // of the stream's ThreadDefinition

  // Of its last sample that was whole.
  std::uint32_t last_stack = 0;
  bool repeats = false;  // the one before was the same: it may be asleep
  // While the kernel gives it no processor (ThreadSchedule::runs stays this), its stack is last_stack and needs no
  // reading.
  std::optional<std::int64_t> asleep_since_run;
};

// One target while it is recorded: its threads, and the numbers that the stream knows its frames by.
class RecordedTarget {
 public:
  RecordedTarget(std::unique_ptr<Target> target, v1::Record::Mode mode, v1::Consistency consistency);

  [[nodiscard]] Target& target() { return *target_; }
  [[nodiscard]] std::vector<RecordedThread>& threads() { return threads_; }
  // Reads the list of threads anew; those that are known keep what is known of them.
  void refresh_threads();

  // True: the thread has not run since its last sample, whose stack is still its own.
  [[nodiscard]] static bool is_asleep(const RecordedThread& thread);
  // Whether the mode wants a sample of the thread now.
  [[nodiscard]] bool is_wanted(RecordedThread& thread);
  // A stack of the thread, stopped for it where the consistency asks for that and the budget allows it.
  [[nodiscard]] Result<void> sample(RecordedThread& thread, Instant began, ThreadStopper& stopper);
  [[nodiscard]] bool is_whole() const { return resolved_.whole; }
  // A whole stack without a Python frame: the thread is in C code that called none.
  [[nodiscard]] bool is_empty() const { return resolved_.whole && resolved_.frames.empty(); }
  // Nothing of it held still.
  [[nodiscard]] bool is_lost() const { return !resolved_.whole && resolved_.frames.empty(); }
  // The number of the stack that was sampled last; 0: the stream's tables are full.
  [[nodiscard]] std::uint32_t number_stack(RecordedThread& thread, stream::Interner& interner);

 private:
  void note_sleep(RecordedThread& thread);
  [[nodiscard]] std::uint32_t number_frame(stream::Interner& interner, const ResolvedFrame& frame);

  std::unique_ptr<Target> target_;
  v1::Record::Mode mode_;
  v1::Consistency consistency_;
  std::vector<RecordedThread> threads_;
  std::unordered_map<std::uint64_t, std::uint32_t> frame_numbers_;  // (function, line) → frame
  std::uint32_t marker_ = 0;
  python::RawStack raw_;
  ResolvedStack resolved_;
  std::vector<std::uint32_t> stack_numbers_;
  std::optional<std::int64_t> runs_before_;  // of the thread that is sampled, where it may be asleep
};

}  // namespace snag::daemon
