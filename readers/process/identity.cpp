#include "readers/process/identity.h"

#include <array>
#include <string_view>

#include "readers/process/proc_number.h"

namespace snag {
namespace {

// include/linux/sched.h: PF_KTHREAD, "I am a kernel thread".
constexpr std::uint32_t kKernelThreadFlag = 0x00200000;
// Fields of stat after comm, from 3 (state) to the last one used, 42 (delayacct_blkio_ticks; since 2.6.18).
constexpr std::size_t kFirstField = 3;
constexpr std::size_t kLastField = 42;

// The fields after comm by their numbers in proc(5).
using Fields = std::array<std::string_view, kLastField + 1>;

bool split(std::string_view text, Fields& fields) {
  for (std::size_t number = kFirstField; number <= kLastField; ++number) {
    text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
    const std::string_view field = text.substr(0, text.find_first_of(" \n"));
    if (field.empty()) return false;
    fields[number] = field;
    text.remove_prefix(field.size());
  }
  return true;
}

template <class Number>
bool take(std::string_view field, Number& into) {
  const auto number = whole_number<Number>(field);
  if (number) into = *number;
  return number.has_value();
}

Result<ProcessStat> read_stat_file(const std::filesystem::path& path, const char* what) {
  auto text = read_proc_file(path, kMaxSmallProcFile, what);
  if (!text) return fail(text);
  return parse_stat(*text);
}

}  // namespace

bool ProcessStat::is_kernel_thread() const { return (flags & kKernelThreadFlag) != 0; }

Result<ProcessStat> parse_stat(std::string_view text) {
  const Failure inconsistent = fail(Error{.kind = ErrorKind::kInconsistent, .what = "/proc/PID/stat"});
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return inconsistent;
  Fields fields;
  if (!split(text.substr(close + 1), fields) || fields[3].size() != 1) return inconsistent;
  ProcessStat stat;
  stat.comm = text.substr(open + 1, close - open - 1);
  stat.state = fields[3].front();
  const bool whole =
      take(fields[4], stat.parent.value) && take(fields[9], stat.flags) && take(fields[10], stat.minor_faults) &&
      take(fields[12], stat.major_faults) && take(fields[14], stat.user_ticks) && take(fields[15], stat.system_ticks) &&
      take(fields[20], stat.thread_count) && take(fields[22], stat.start_time) && take(fields[28], stat.start_stack) &&
      take(fields[39], stat.processor) && take(fields[42], stat.block_io_ticks);
  if (!whole) return inconsistent;
  return stat;
}

Result<ProcessStat> read_stat(const ProcRoot& root, Pid pid) {
  return read_stat_file(root.of(pid, "stat"), "/proc/PID/stat");
}

Result<ProcessStat> read_thread_stat(const ProcRoot& root, Pid pid, Tid tid) {
  return read_stat_file(root.of(pid, tid, "stat"), "/proc/PID/task/TID/stat");
}

Result<ProcessIdentity> identify(const ProcRoot& root, Pid pid) {
  auto stat = read_stat(root, pid);
  if (!stat) return fail(stat);
  return ProcessIdentity{.pid = pid, .start_time = stat->start_time};
}

bool still_alive(const ProcRoot& root, const ProcessIdentity& identity) {
  const auto stat = read_stat(root, identity.pid);
  return stat && stat->start_time == identity.start_time && !stat->is_zombie();
}

Attachability attachability(const ProcRoot& root, Pid pid) {
  const auto stat = read_stat(root, pid);
  if (!stat) return Attachability::kMissing;
  if (stat->is_kernel_thread()) return Attachability::kKernelThread;
  // /proc/TID exists, unlisted, for every thread; its task directory lists the group, of which the leader has the
  // process's number.
  auto group = read_proc_field(root.of(pid, "status"), "Tgid", "/proc/PID/status");
  std::int32_t leader = 0;
  if (group && take(*group, leader) && leader != pid.value) return Attachability::kNotAThreadGroup;
  if (stat->is_zombie()) return Attachability::kZombie;
  return Attachability::kAttachable;
}

}  // namespace snag
