#include "readers/process/new_processes.h"

#include <algorithm>
#include <utility>

#include <sys/stat.h>

#include "readers/process/proc_number.h"

namespace snag {
namespace {

bool on_the_same_file_system(const std::filesystem::path& one, const std::filesystem::path& other) {
  struct stat first = {};
  struct stat second = {};
  return ::stat(one.c_str(), &first) == 0 && ::stat(other.c_str(), &second) == 0 && first.st_dev == second.st_dev;
}

}  // namespace

NewProcesses::NewProcesses(ProcRoot root)
    : root_(std::move(root)), trusted_(on_the_same_file_system(root_.path(), root_.path() / "loadavg")) {
  trusted_ = trusted_ && last_number().value_or(0) > 0;
}

// "0.20 0.18 0.12 1/80 11206"
std::optional<std::int32_t> NewProcesses::last_number() const {
  const auto text = read_proc_file(root_.path() / "loadavg", kMaxSmallProcFile, "/proc/loadavg");
  if (!text) return std::nullopt;
  const std::size_t end = text->find_last_not_of(" \n") + 1;
  const std::size_t begin = text->find_last_of(" \n", end - 1) + 1;
  return whole_number<std::int32_t>(std::string_view(*text).substr(begin, end - begin));
}

Result<std::vector<ProcessOrigin>> NewProcesses::all() {
  last_ = last_number();  // before the directory is read: what comes meanwhile is found by the next call
  absent_.clear();
  auto numbers = list_numbers(root_.path(), "/proc");
  if (!numbers) return fail(numbers);
  std::vector<ProcessOrigin> processes;
  for (const std::int32_t number : *numbers) {
    const auto stat = read_stat(root_, Pid{number});
    if (!stat) continue;
    processes.push_back({.identity = {.pid = {number}, .start_time = stat->start_time}, .parent = stat->parent});
  }
  return processes;
}

Result<std::vector<ProcessOrigin>> NewProcesses::since_last() {
  if (!trusted_ || !last_) return all();
  const auto number = last_number();
  // Behind the largest number the kernel begins again with small ones.
  if (!number || *number < *last_ || *number - *last_ > kMaxNumbers) return all();
  std::vector<std::int32_t> numbers = std::exchange(absent_, {});
  const std::size_t seen_before = numbers.size();
  for (std::int32_t next = *last_ + 1; next <= *number; ++next) numbers.push_back(next);
  last_ = number;
  std::vector<ProcessOrigin> processes;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const Pid pid{numbers[i]};
    if (const auto stat = read_stat(root_, pid)) {
      processes.push_back({.identity = {.pid = pid, .start_time = stat->start_time}, .parent = stat->parent});
    } else if (i >= seen_before) {
      absent_.push_back(pid.value);
    }
  }
  return processes;
}

}  // namespace snag
