#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "readers/base/address.h"
#include "readers/base/clock.h"
#include "readers/base/ids.h"
#include "readers/base/result.h"
#include "readers/process/identity.h"
#include "readers/process/proc_root.h"
#include "readers/process/unique_descriptor.h"

namespace snag {

// Ascending; at most kMaxProcEntries.
[[nodiscard]] Result<std::vector<Tid>> list_threads(const ProcRoot& root, Pid pid);
// /proc/PID/task/TID/comm: at most 15 bytes, not necessarily UTF-8.
[[nodiscard]] Result<std::string> thread_name(const ProcRoot& root, Pid pid, Tid tid);

// What the kernel is doing for a thread: /proc/PID/task/TID/syscall.
struct SystemCall {
  bool running = false;                // on a processor, or ready for one: the kernel says no more
  std::optional<std::int64_t> number;  // absent: running, or blocked outside of a system call (page fault, stopped)
  std::array<std::uint64_t, 6> arguments = {};
  Address stack_pointer;  // null while running
  Address program_counter;
};
[[nodiscard]] Result<SystemCall> parse_system_call(std::string_view text);

// "recvfrom", of x86-64; absent for a number that is none.
[[nodiscard]] std::optional<std::string_view> system_call_name(std::int64_t number);
// The same, or "syscall 1234".
[[nodiscard]] std::string describe_system_call(std::int64_t number);

// /proc/PID/task/TID/schedstat: time on a processor, and ready but waiting for one (CPU starvation). In nanoseconds,
// but of a thread that runs right now only as of the last scheduler tick, 1 to 10 ms ago.
struct ThreadSchedule {
  Nanoseconds on_processor{};
  Nanoseconds waiting{};
  std::int64_t runs = 0;  // times that it was given a processor: the same number, and it has not run in between
};
[[nodiscard]] Result<ThreadSchedule> parse_schedule(std::string_view text);

// Descriptors that are left for everything else when the files of thousands of threads are kept open.
inline constexpr std::uint64_t kDescriptorReserve = 128;

// A thread's stat, syscall and schedstat, kept open: reading them anew costs about 1 µs instead of 6. Holds on to the
// thread, not to its number: after its end every read is kNoSuchProcess. kSystem (EMFILE) where it would use up the
// descriptors that we may have (RLIMIT_NOFILE).
class ThreadFiles {
 public:
  [[nodiscard]] static Result<ThreadFiles> open(const ProcRoot& root, Pid pid, Tid tid);

  [[nodiscard]] Tid tid() const { return tid_; }
  [[nodiscard]] Result<ProcessStat> stat() const;
  // kNotPermitted where the kernel refuses.
  [[nodiscard]] Result<SystemCall> system_call() const;
  // kUnsupported by a kernel without CONFIG_SCHED_INFO.
  [[nodiscard]] Result<ThreadSchedule> schedule() const;

 private:
  ThreadFiles(Tid tid, UniqueDescriptor stat, UniqueDescriptor system_call, UniqueDescriptor schedule);
  Tid tid_;
  UniqueDescriptor stat_;
  UniqueDescriptor system_call_;  // these two not open where they could not be opened
  UniqueDescriptor schedule_;
};

// CPU time that a whole process has used, to the nanosecond and the instant. Absent when it has ended. The kernel
// answers this for processes only: a thread's clock is its own process's (pid_for_clock in
// kernel/time/posix-cpu-timers.c).
[[nodiscard]] std::optional<Nanoseconds> process_cpu_time(Pid pid);

}  // namespace snag
