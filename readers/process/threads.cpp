#include "readers/process/threads.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "readers/process/proc_number.h"
#include "readers/process/system_error.h"

namespace snag {
namespace {

constexpr const char* kSystemCallFile = "/proc/PID/task/TID/syscall";
constexpr const char* kScheduleFile = "/proc/PID/task/TID/schedstat";
constexpr const char* kStatFile = "/proc/PID/task/TID/stat";
// stat's 52 numbers of up to 20 digits, and the 64 bytes that a kernel worker's comm may take.
constexpr std::size_t kMaxRecord = 2048;

// The clock of a process's CPU time by its number; include/linux/posix-timers_types.h: ~pid above three bits, of which
// 2 is CPUCLOCK_SCHED. As clock_getcpuclockid(3) makes it, without its extra system call.
constexpr clockid_t process_clock(Pid pid) {
  return static_cast<clockid_t>((~static_cast<unsigned>(pid.value) << 3U) | 2U);
}

// Reads a short file of /proc anew: the kernel makes its text at each read from offset 0.
Result<std::string_view> read_again(const UniqueDescriptor& file, std::array<char, kMaxRecord>& into,
                                    const char* what) {
  const ssize_t got = ::pread(file.get(), into.data(), into.size(), 0);
  if (got < 0) return fail(proc_error(what, errno));
  // An ended thread's file reads as empty on some kernels.
  if (got == 0) return fail(proc_error(what, ESRCH));
  return std::string_view(into.data(), static_cast<std::size_t>(got));
}

std::uint64_t descriptor_limit() {
  rlimit limit = {};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

}  // namespace

Result<std::vector<Tid>> list_threads(const ProcRoot& root, Pid pid) {
  auto numbers = list_numbers(root.of(pid, "task"), "/proc/PID/task");
  if (!numbers) return fail(numbers);
  std::vector<Tid> threads;
  threads.reserve(numbers->size());
  for (const std::int32_t number : *numbers) threads.push_back({number});
  return threads;
}

Result<std::string> thread_name(const ProcRoot& root, Pid pid, Tid tid) {
  auto name = read_proc_file(root.of(pid, tid, "comm"), kMaxSmallProcFile, "/proc/PID/task/TID/comm");
  if (name && name->ends_with('\n')) name->pop_back();
  return name;
}

Result<SystemCall> parse_system_call(std::string_view text) {
  SystemCall call;
  if (text.starts_with("running")) {
    call.running = true;
    return call;
  }
  // fs/proc/base.c, proc_pid_syscall: "-1 SP PC", or the number, six arguments, SP and PC.
  const Failure inconsistent = fail(Error{.kind = ErrorKind::kInconsistent, .what = kSystemCallFile});
  std::int64_t number = -1;
  if (!take_number(text, number)) return inconsistent;
  if (number >= 0) {
    call.number = number;
    for (std::uint64_t& argument : call.arguments) {
      if (!take_number(text, argument, 16)) return inconsistent;
    }
  }
  if (!take_number(text, call.stack_pointer.value, 16) || !take_number(text, call.program_counter.value, 16))
    return inconsistent;
  return call;
}

Result<ThreadSchedule> parse_schedule(std::string_view text) {
  std::int64_t on_processor = 0;
  std::int64_t waiting = 0;
  std::int64_t runs = 0;
  if (!take_number(text, on_processor) || !take_number(text, waiting) || !take_number(text, runs)) {
    return fail(Error{.kind = ErrorKind::kInconsistent, .what = kScheduleFile});
  }
  return ThreadSchedule{.on_processor = Nanoseconds(on_processor), .waiting = Nanoseconds(waiting), .runs = runs};
}

ThreadFiles::ThreadFiles(Tid tid, UniqueDescriptor stat, UniqueDescriptor system_call, UniqueDescriptor schedule)
    : tid_(tid), stat_(std::move(stat)), system_call_(std::move(system_call)), schedule_(std::move(schedule)) {}

Result<ThreadFiles> ThreadFiles::open(const ProcRoot& root, Pid pid, Tid tid) {
  const auto open_file = [&](const char* name) {
    return UniqueDescriptor(::open(root.of(pid, tid, name).c_str(), O_RDONLY | O_CLOEXEC));
  };
  UniqueDescriptor stat = open_file("stat");
  if (!stat.is_open()) return fail(proc_error(kStatFile, errno));
  UniqueDescriptor system_call = open_file("syscall");
  UniqueDescriptor schedule = open_file("schedstat");
  // The kernel gives the lowest number that is free.
  if (static_cast<std::uint64_t>(std::max({0, stat.get(), schedule.get()})) + kDescriptorReserve > descriptor_limit()) {
    return fail(proc_error(kStatFile, EMFILE));
  }
  return ThreadFiles(tid, std::move(stat), std::move(system_call), std::move(schedule));
}

Result<ProcessStat> ThreadFiles::stat() const {
  std::array<char, kMaxRecord> text;
  auto record = read_again(stat_, text, kStatFile);
  if (!record) return fail(record);
  return parse_stat(*record);
}

Result<SystemCall> ThreadFiles::system_call() const {
  if (!system_call_.is_open()) return fail(Error{.kind = ErrorKind::kNotPermitted, .what = kSystemCallFile});
  std::array<char, kMaxRecord> text;
  auto record = read_again(system_call_, text, kSystemCallFile);
  if (!record) return fail(record);
  return parse_system_call(*record);
}

Result<ThreadSchedule> ThreadFiles::schedule() const {
  if (!schedule_.is_open()) return fail(Error{.kind = ErrorKind::kUnsupported, .what = kScheduleFile});
  std::array<char, kMaxRecord> text;
  auto record = read_again(schedule_, text, kScheduleFile);
  if (!record) return fail(record);
  return parse_schedule(*record);
}

std::optional<Nanoseconds> process_cpu_time(Pid pid) {
  timespec time = {};
  // Number 0 would mean ourselves.
  if (pid.value <= 0 || ::clock_gettime(process_clock(pid), &time) != 0) return std::nullopt;
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
}

}  // namespace snag
