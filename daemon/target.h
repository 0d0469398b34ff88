#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/python_process.h"
#include "readers/base/clock.h"
#include "readers/process/identity.h"
#include "readers/process/mappings.h"
#include "readers/process/namespaces.h"
#include "readers/process/proc_root.h"
#include "readers/process/pthreads.h"

namespace snag::daemon {

// One live CPython process that is watched: everything that is found out once, at attach.
class Target final : public PythonProcess {
 public:
  // kNoSuchProcess, kNotPermitted, kNotPython or kUnsupported, each with a detail for the operator.
  [[nodiscard]] static Result<std::unique_ptr<Target>> attach(const ProcRoot& proc, Pid pid);

  [[nodiscard]] const ProcRoot& proc() const { return proc_; }
  [[nodiscard]] const std::vector<Mapping>& mappings() const { return mappings_; }
  // By how much the target's CLOCK_MONOTONIC is ahead of ours.
  [[nodiscard]] Nanoseconds clock_offset() const { return clock_offset_; }

  // As they are now.
  [[nodiscard]] Result<std::vector<TargetThread>> threads() const override;
  [[nodiscard]] std::optional<char> run_state(Tid tid) const override;
  [[nodiscard]] std::optional<std::string> kernel_name(Tid tid) const override;
  [[nodiscard]] std::optional<asyncio::ModuleOffsets> asyncio_offsets() const override;
  // Why it can be watched no longer; nullopt while it can.
  [[nodiscard]] std::optional<std::string> ended() const;

 private:
  Target(const ProcRoot& proc, ProcessIdentity identity, std::vector<Mapping> mappings, python::Runtime runtime,
         Nanoseconds clock_offset);

  void find_unknown_numbers(std::span<const ThreadNumbers> numbers, std::vector<python::ThreadState>& states) const;
  void find_borrowers(std::span<const ThreadNumbers> numbers, std::span<const Mapping> mappings,
                      std::vector<python::ThreadState>& states) const;

  ProcRoot proc_;
  ProcessIdentity identity_;
  std::vector<Mapping> mappings_;
  Libc libc_;
  Nanoseconds clock_offset_;
  std::string executable_;  // where /proc/PID/exe pointed at attach
};

}  // namespace snag::daemon
