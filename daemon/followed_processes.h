#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/process_patterns.h"
#include "daemon/request.h"
#include "daemon/target.h"
#include "readers/process/new_processes.h"

namespace snag::daemon {

// Which processes a request is about while it runs: those that it names, those that its patterns find, and, if it asks
// for that, what these start. Whoever samples takes the targets from here, and says here when one has ended.
//
// A process is known by its number and start time from the moment it is seen as a child of one that is known; what then
// becomes of its parent does not matter. Each is attached by the same rules as one that is named, so that nobody sees
// more through its children than through their numbers.
class FollowedProcesses {
 public:
  using Targets = std::vector<std::unique_ptr<Target>>;
  // Known at one time, Python or not: what a fork bomb may cost. Some 5 descriptors a process.
  static constexpr std::size_t kMaxProcesses = 1000;

  FollowedProcesses(Request& request, const v1::Selection& selection);

  // Attaches to what the request is about now; what failed of several is a warning. Empty: nothing could be attached,
  // and the failure was sent.
  [[nodiscard]] Targets attach(std::span<const std::int32_t> pids);

  // When look() is due; Instant::max() where children are not followed.
  [[nodiscard]] Instant next_look() const { return next_look_; }
  // Looks for new processes, and returns those that have become targets.
  [[nodiscard]] Targets look();

  // To be said of each target when it has ended: the client is told, if others are still `watched`.
  void ended(const Target& target, const TargetEnd& end, bool others_watched);
  // True: without any target there is still somebody who may become or start one.
  [[nodiscard]] bool may_come() const;
  // Of the target that ended last.
  [[nodiscard]] const std::string& last_end() const { return last_end_; }

  // As Request::describe, and whose child it is.
  void describe(const Target& target, v1::Target& into) const;
  // Whose child it was when it was found; pid 0: nobody's, it was named.
  [[nodiscard]] Pid parent_of(const Target& target) const;
  void summarize(v1::SamplingSummary& into) const;

 private:
  struct Process {
    ProcessIdentity identity;
    Pid parent;  // 0: the request names it
    enum class State { kWaiting, kAttached, kRefused, kGone } state = State::kWaiting;
    // Of one that waits to be attached: since when, and how long until the next attempt.
    Instant since;
    Nanoseconds rest{};
    Instant next_attempt;
    std::uint64_t start_stack = 0;  // at the last attempt: another one says that a program was executed since
    bool decided = false;           // it is known whether it runs Python
    bool counted = false;           // it was attached at some time
    bool warned = false;
    // Of one that was a target and is none now, while it is still there.
    std::optional<v1::ProcessEnd> end = std::nullopt;
    bool executed = false;  // because it executes something else; else it is about to end
    UniqueDescriptor held = {};
  };

  [[nodiscard]] const ProcRoot& proc() const { return request_->proc(); }
  Process& add(const ProcessIdentity& identity, Pid parent, Instant since);
  [[nodiscard]] std::unique_ptr<Target> attach_named(Pid pid, std::vector<v1::Failure>& failures);
  void attach_matching(Targets& targets, std::vector<v1::Failure>& failures);
  void attach_children_there(Targets& targets);
  void find_new(Instant now);
  void consider(std::vector<ProcessOrigin> found, Instant since);
  [[nodiscard]] bool may_be_child(const ProcessOrigin& process);
  void check_those_that_wait(Instant now);
  [[nodiscard]] std::unique_ptr<Target> attempt(Process& process);
  void put_off(Process& process, const Error& error);
  void note_attached(Process& process);
  void drop_gone();
  void note_gone(Process& process);
  void warn_of_end(Pid pid, const TargetEnd& end);
  void add_end(v1::ProcessEnd end);

  Request* request_;
  v1::Selection selection_;
  Instant began_;
  NewProcesses births_;
  std::map<Pid, Process> processes_;
  Instant next_look_ = Instant::max();
  Instant next_full_look_;
  Instant next_check_;
  std::int32_t attached_ = 0;
  std::int32_t missed_ = 0;
  bool full_ = false;
  std::vector<v1::ProcessEnd> ends_;
  std::string last_end_;
};

}  // namespace snag::daemon
