#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "readers/base/ids.h"
#include "readers/base/result.h"
#include "readers/process/proc_root.h"

namespace snag {

// What of /proc/PID/stat and /proc/PID/task/TID/stat is used; proc(5). Times are in clock ticks, sysconf(_SC_CLK_TCK) a
// second.
struct ProcessStat {
  std::string comm;         // field 2: at most 15 bytes for what is not a kernel thread; any bytes, also ')'
  char state = '?';         // 3: R running, S sleeping, D disk sleep, T stopped, t traced, Z zombie, X dead, I idle
  Pid parent;               // 4
  std::uint32_t flags = 0;  // 9: PF_* of the kernel's include/linux/sched.h
  std::uint64_t minor_faults = 0;  // 10: without input from disk
  std::uint64_t major_faults = 0;  // 12: with
  std::uint64_t user_ticks = 0;    // 14
  std::uint64_t system_ticks = 0;  // 15
  std::int64_t thread_count = 0;   // 20
  std::uint64_t start_time = 0;    // 22, ticks since boot
  // 28: where the first thread's stack begins. fork keeps it; exec places it anew, at random. 0 or 1 where we may not
  // read the process.
  std::uint64_t start_stack = 0;
  std::int32_t processor = -1;       // 39: on which it ran last
  std::uint64_t block_io_ticks = 0;  // 42: waited for block devices; 0 where delay accounting is off (the default)

  [[nodiscard]] bool is_zombie() const { return state == 'Z' || state == 'X' || state == 'x'; }
  [[nodiscard]] bool is_stopped() const { return state == 'T' || state == 't'; }
  [[nodiscard]] bool is_kernel_thread() const;
};

// Parses the text of a stat file. comm may hold anything, also ") R 1": the fields are counted from the last ')'.
[[nodiscard]] Result<ProcessStat> parse_stat(std::string_view text);
[[nodiscard]] Result<ProcessStat> read_stat(const ProcRoot& root, Pid pid);
[[nodiscard]] Result<ProcessStat> read_thread_stat(const ProcRoot& root, Pid pid, Tid tid);

// A process for good: pids are reused, (pid, start time) is not.
struct ProcessIdentity {
  Pid pid;
  std::uint64_t start_time = 0;  // ticks since boot
  friend constexpr auto operator<=>(const ProcessIdentity&, const ProcessIdentity&) = default;
};

// kNoSuchProcess for what is not there.
[[nodiscard]] Result<ProcessIdentity> identify(const ProcRoot& root, Pid pid);
// Whether this very process is still there and no zombie. exec keeps the identity, and changes
// ProcessStat::start_stack.
[[nodiscard]] bool still_alive(const ProcRoot& root, const ProcessIdentity& identity);

// Why a process cannot be a target at all, before anything of its memory is asked for.
enum class Attachability { kAttachable, kMissing, kZombie, kKernelThread, kNotAThreadGroup };
[[nodiscard]] Attachability attachability(const ProcRoot& root, Pid pid);

}  // namespace snag
