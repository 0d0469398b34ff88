#include "readers/process/namespaces.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "readers/process/proc_number.h"
#include "readers/process/threads.h"

namespace snag {
namespace {

constexpr const char* kWhat = "/proc/PID/timens_offsets";

std::filesystem::path own(const ProcRoot& root, std::string_view name) { return root.path() / "self" / name; }

// Of a line "monotonic  SECONDS  NANOSECONDS": nanoseconds are never negative (fs/proc/base.c, timens_offsets).
std::optional<Nanoseconds> parse_offset(std::string_view line) {
  std::array<std::int64_t, 2> numbers = {};
  for (std::int64_t& number : numbers) {
    if (!take_number(line, number)) return std::nullopt;
  }
  // The kernel keeps offsets within KTIME_SEC_MAX / 2, so that nothing overflows here; a fixture may not.
  constexpr std::int64_t kMaxSeconds = 9'223'372'036 / 2;
  if (numbers[0] > kMaxSeconds || numbers[0] < -kMaxSeconds || numbers[1] < 0 || numbers[1] >= 1'000'000'000) {
    return std::nullopt;
  }
  return std::chrono::seconds(numbers[0]) + Nanoseconds(numbers[1]);
}

// The offset of a namespace's monotonic clock from the host's. The file tells of the namespace that a process's
// children will be in: of its own only where the two are one.
Result<Nanoseconds> offset_from_host(const std::filesystem::path& directory) {
  auto current = read_proc_link(directory / "ns/time", "/proc/PID/ns/time");
  if (!current) return fail(current);
  auto of_children = read_proc_link(directory / "ns/time_for_children", "/proc/PID/ns/time_for_children");
  if (!of_children) return fail(of_children);
  if (*current != *of_children) {
    return fail(Error{.kind = ErrorKind::kUnsupported,
                      .what = kWhat,
                      .detail = "the process prepared another time namespace for its children, and hides its own"});
  }
  constexpr std::string_view kClock = "monotonic";
  std::optional<Nanoseconds> offset;
  auto done = for_each_proc_line(directory / "timens_offsets", kMaxSmallProcFile, kWhat, [&](std::string_view line) {
    if (!line.starts_with(kClock)) return true;
    offset = parse_offset(line.substr(kClock.size()));
    return false;
  });
  if (!done) return fail(done);
  if (!offset) return fail(Error{.kind = ErrorKind::kInconsistent, .what = kWhat});
  return *offset;
}

// In how many PID namespaces a process has a number, from that of /proc inwards.
Result<std::size_t> namespace_levels(const ProcRoot& root, Pid pid) {
  auto numbers = read_proc_field(root.of(pid, "status"), "NSpid", "/proc/PID/status");
  if (!numbers) return fail(numbers);
  return static_cast<std::size_t>(std::count(numbers->begin(), numbers->end(), '\t')) + 1;
}

}  // namespace

Result<bool> shares_namespace(const ProcRoot& root, Pid pid, std::string_view kind) {
  const std::string name = "ns/" + std::string(kind);
  auto ours = read_proc_link(own(root, name), "/proc/self/ns");
  if (!ours) return fail(ours);
  auto theirs = read_proc_link(root.of(pid, name), "/proc/PID/ns");
  if (!theirs) return fail(theirs);
  return *ours == *theirs;
}

Result<Nanoseconds> monotonic_offset(const ProcRoot& root, Pid pid) {
  auto shared = shares_namespace(root, pid, "time");
  // No such link for a process that is there: a kernel without time namespaces.
  const bool is_old = !shared && shared.error().kind == ErrorKind::kNoSuchProcess && root.has(pid);
  if (is_old || (shared && *shared)) return Nanoseconds::zero();
  if (!shared) return fail(shared);
  auto theirs = offset_from_host(root.of(pid, ""));
  if (!theirs) return fail(theirs);
  auto ours = offset_from_host(root.path() / "self");
  if (!ours) return fail(ours);
  return *theirs - *ours;
}

Result<ThreadNumbers> thread_numbers(const ProcRoot& root, Pid pid, Tid tid) {
  constexpr const char* kStatus = "/proc/PID/task/TID/status";
  auto numbers = read_proc_field(root.of(pid, tid, "status"), "NSpid", kStatus);
  if (!numbers) return fail(numbers);
  // From our namespace inwards; absent before Linux 4.1.
  ThreadNumbers result = {.ours = tid, .targets = tid.value};
  if (numbers->empty()) return result;
  const std::string_view last = std::string_view(*numbers).substr(numbers->find_last_of('\t') + 1);
  const auto targets = whole_number<std::int32_t>(last);
  if (!targets) return fail(Error{.kind = ErrorKind::kInconsistent, .what = kStatus});
  result.targets = *targets;
  return result;
}

Result<std::vector<ThreadNumbers>> all_thread_numbers(const ProcRoot& root, Pid pid) {
  auto threads = list_threads(root, pid);
  if (!threads) return fail(threads);
  std::vector<ThreadNumbers> all;
  // All threads of a process live in one PID namespace. Where its main thread has one number only, so has each, and is
  // it: that saves some 20 µs a thread.
  auto levels = namespace_levels(root, pid);
  if (!levels) return fail(levels);
  if (*levels == 1) {
    for (const Tid tid : *threads) all.push_back({.ours = tid, .targets = tid.value});
    return all;
  }
  for (const Tid tid : *threads) {
    auto numbers = thread_numbers(root, pid, tid);
    if (numbers) {
      all.push_back(*numbers);
    } else if (numbers.error().kind != ErrorKind::kNoSuchProcess) {
      return fail(numbers);
    }
  }
  return all;
}

}  // namespace snag
