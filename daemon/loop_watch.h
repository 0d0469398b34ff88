#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <snag/v1/snag.pb.h>

#include "daemon/stall_detector.h"
#include "daemon/stall_evidence.h"
#include "daemon/target.h"
#include "readers/asyncio/run_once.h"
#include "readers/asyncio/tasks.h"
#include "readers/process/threads.h"
#include "readers/python/names.h"

namespace snag::daemon {

// What all loops of one target share.
struct TargetReaders {
  explicit TargetReaders(Target& process)
      : target(&process),
        names(process.codes()),
        loops(process.codes()),
        tasks(process.codes(), [&process] { return process.asyncio_offsets(); }) {}
  Target* target;
  python::NameReader names;
  asyncio::LoopReader loops;
  asyncio::TaskReader tasks;
};

// What was sampled and lost, over all loops of a request.
struct WatchCounts {
  std::int64_t whole = 0;
  std::int64_t partial = 0;
  std::int64_t lost = 0;
  std::map<std::string, std::int64_t> lost_by_reason;
  std::int64_t stalls = 0;
};

// Watches one loop: looks at its turn, takes stacks of a run that becomes suspect, and says what a stall was. The way
// of one stall: look → detector → (suspect) stack, system call → evidence → (ended) verdict → message.
class LoopWatch {
 public:
  LoopWatch(TargetReaders& readers, asyncio::LoopFrame loop, TargetThread thread, Nanoseconds threshold,
            Instant attached);

  // Looks once. Messages to send are appended: a stall that has ended, or one that became a stall (`ongoing`).
  void step(bool report_ongoing, WatchCounts& counts, std::vector<v1::Stall>& into);
  // The watch is over: a stall that still lasts is appended, as ongoing.
  void finish(WatchCounts& counts, std::vector<v1::Stall>& into);

  [[nodiscard]] Instant next_look() const { return next_look_; }
  // The loop's frame is another's now.
  [[nodiscard]] bool is_gone() const { return gone_; }
  [[nodiscard]] const asyncio::LoopFrame& loop() const { return loop_; }
  [[nodiscard]] const TargetThread& thread() const { return thread_; }
  // As it is named now.
  void rename(std::string name) { thread_.name = std::move(name); }
  // As it is numbered now: a thread that ran when it was found may have had no number.
  void renumber(const TargetThread& thread);
  // Scans of the thread's stack, one after another, that did not find the loop's frame.
  int missed_scans = 0;

 private:
  [[nodiscard]] std::optional<Observation> look(WatchCounts& counts);
  [[nodiscard]] Observation::Running running(const asyncio::Turn& turn) const;
  void begin_run();
  void open_files();
  [[nodiscard]] std::optional<ThreadSchedule> schedule() const;  // exact to a tick, 1 to 10 ms
  void tell_starvation_apart(Verdict& verdict) const;
  [[nodiscard]] std::optional<int> waits_for(const SystemCall& call) const;
  void sample(WatchCounts& counts);
  [[nodiscard]] bool still_runs(const Observation::Running& turn);
  [[nodiscard]] Situation situation(const SeenStack& seen, bool gil_elsewhere);
  [[nodiscard]] SeenStack work_out(const ResolvedStack& stack, std::size_t depth);
  void add_builtin(const ResolvedStack& stack, SeenStack& seen);
  [[nodiscard]] std::string blocking_call(const ResolvedStack& stack, const SeenStack& seen);
  [[nodiscard]] bool gil_elsewhere() const;
  [[nodiscard]] v1::Stall report(const Run& run, bool ongoing);

  TargetReaders* readers_;
  asyncio::LoopFrame loop_;
  TargetThread thread_;
  StallDetector detector_;
  python::ThreadCursor cursor_;
  std::optional<ThreadFiles> files_;
  std::string standard_library_;

  // Of the run that goes on.
  StallEvidence evidence_;
  std::optional<asyncio::TaskInfo> task_;
  std::optional<ThreadSchedule> schedule_at_begin_;
  std::int64_t todo_ = 0;
  Instant next_stack_;
  std::optional<std::pair<std::int64_t, Descriptor>> last_descriptor_;  // by system call and number

  python::RawStack raw_;
  ResolvedStack resolved_;
  Instant next_look_;
  bool gone_ = false;
};

}  // namespace snag::daemon
