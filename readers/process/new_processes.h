#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "readers/base/ids.h"
#include "readers/base/result.h"
#include "readers/process/identity.h"
#include "readers/process/proc_root.h"

namespace snag {

// A process, and whose child it was when it was looked at.
struct ProcessOrigin {
  ProcessIdentity identity;
  Pid parent;
};

// Finds processes soon after they came into being, at a cost that grows with the number of those, and not with that of
// the processes watched or running.
//
// The kernel gives the numbers of processes and threads in ascending order (idr_alloc_cyclic in kernel/pid.c), and
// /proc/loadavg ends with the one given last. While it stays the same nothing was started; else what was started has
// the numbers in between. What has ended between two looks is never seen. A process that was given its number out of
// order (clone3 with set_tid, as CRIU does) is found by all() alone, and so is one whose number was given long before
// it was there: call it from time to time.
class NewProcesses {
 public:
  // Numbers that are looked at one by one; beyond it reading the whole directory is cheaper.
  static constexpr std::int32_t kMaxNumbers = 1024;

  explicit NewProcesses(ProcRoot root);

  // All that are there.
  [[nodiscard]] Result<std::vector<ProcessOrigin>> all();
  // Those that came since the last call of either, at least; threads of processes may be among them.
  [[nodiscard]] Result<std::vector<ProcessOrigin>> since_last();
  // False: the kernel does not say which number it gave last, or another file system in its place does (lxcfs, whose
  // word is some seconds old). since_last() is then all(), and costs as much.
  [[nodiscard]] bool is_cheap() const { return trusted_; }

 private:
  [[nodiscard]] std::optional<std::int32_t> last_number() const;

  ProcRoot root_;
  bool trusted_;
  std::optional<std::int32_t> last_;  // as of the last call
  // Numbers that were given, but not there at the last look: the kernel shows a process some time after it has numbered
  // it. They are looked at once more.
  std::vector<std::int32_t> absent_;
};

}  // namespace snag
