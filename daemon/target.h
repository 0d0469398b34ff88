#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/python_process.h"
#include "readers/base/clock.h"
#include "readers/process/identity.h"
#include "readers/process/mappings.h"
#include "readers/process/proc_root.h"
#include "readers/process/unique_descriptor.h"

namespace snag::daemon {

// Why a target can be watched no longer.
struct TargetEnd {
  bool lives = false;     // the process is there, but not the Python that was attached: it may become a target again
  bool executed = false;  // and that is because it executes another program
  std::string sentence;   // "pid 4242 has ended: killed by signal 9"
  std::string how;        // the same without the pid; see ProcessEnd
  bool abnormal = false;
};

// How a process that is gone has ended, as far as the kernel tells.
[[nodiscard]] TargetEnd process_end(Pid pid, const UniqueDescriptor& process);

// One live CPython process that is watched: everything that is found out once, at attach.
class Target final : public PythonProcess {
 public:
  // kNoSuchProcess, kNotPermitted, kNotPython or kUnsupported, each with a detail for the operator.
  [[nodiscard]] static Result<std::unique_ptr<Target>> attach(const ProcRoot& proc, Pid pid);

  [[nodiscard]] const ProcessIdentity& identity() const { return identity_; }
  // See ProcessStat: a forked child has its parent's until it executes a program.
  [[nodiscard]] std::uint64_t start_stack() const { return start_stack_; }
  [[nodiscard]] const ProcRoot& proc() const { return proc_; }
  [[nodiscard]] const std::vector<Mapping>& mappings() const { return mappings_; }
  // By how much the target's CLOCK_MONOTONIC is ahead of ours.
  [[nodiscard]] Nanoseconds clock_offset() const { return clock_offset_; }

  // As they are now.
  [[nodiscard]] Result<std::vector<TargetThread>> threads() const override;
  [[nodiscard]] std::optional<char> run_state(Tid tid) const override;
  [[nodiscard]] std::optional<asyncio::ModuleOffsets> asyncio_offsets() const override;
  // Why it can be watched no longer; nullopt while it can.
  [[nodiscard]] std::optional<TargetEnd> ended() const;

 private:
  Target(const ProcRoot& proc, ProcessIdentity identity, std::uint64_t start_stack, std::vector<Mapping> mappings,
         python::Runtime runtime, Nanoseconds clock_offset);

  ProcRoot proc_;
  ProcessIdentity identity_;
  UniqueDescriptor process_;
  std::uint64_t start_stack_;
  std::vector<Mapping> mappings_;
  Nanoseconds clock_offset_;
  std::string executable_;  // where /proc/PID/exe pointed at attach
};

}  // namespace snag::daemon
