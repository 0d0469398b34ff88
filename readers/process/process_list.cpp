#include "readers/process/process_list.h"

#include <algorithm>
#include <optional>

#include "readers/base/printable.h"
#include "readers/process/proc_number.h"

namespace snag {
namespace {

// Of the arguments of one process, as far as they are looked at: the script is among the first few.
constexpr std::size_t kMaxArguments = 64;
// Of a command or path as shown; PATH_MAX is 4096.
constexpr std::size_t kMaxShown = 4096;
constexpr std::string_view kDeleted = " (deleted)";

std::vector<std::string_view> split_arguments(std::string_view command_line) {
  std::vector<std::string_view> arguments;
  while (!command_line.empty() && arguments.size() < kMaxArguments) {
    const std::size_t end = std::min(command_line.find('\0'), command_line.size());
    arguments.push_back(command_line.substr(0, end));
    command_line.remove_prefix(std::min(end + 1, command_line.size()));
  }
  return arguments;
}

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool is_python(std::string_view program) {
  const std::string_view name = base_name(program);
  return name.starts_with("python") || name.starts_with("pypy");
}

// What a Python runs, from its arguments: Modules/getopt.c of CPython, and `python --help`. Absent where it is none of
// script, module or command.
std::optional<std::string> what_python_runs(const std::vector<std::string_view>& arguments) {
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "-") return std::nullopt;
    if (argument == "--") return i + 1 < arguments.size() ? std::optional(std::string(arguments[i + 1])) : std::nullopt;
    if (!argument.starts_with('-')) return std::string(argument);
    if (argument == "--check-hash-based-pycs") ++i;
    if (argument.starts_with("--")) continue;
    // Short options may be joined ("-um module"); those with a value end the word, which may hold the value.
    const std::size_t with_value = argument.find_first_of("cmWX", 1);
    if (with_value == std::string_view::npos) continue;
    // The text of a command may hold anything, and is not shown.
    if (argument[with_value] == 'c') return "-c";
    const bool joined = with_value + 1 < argument.size();
    if (argument[with_value] == 'm') {
      if (joined) return "-m " + std::string(argument.substr(with_value + 1));
      return i + 1 < arguments.size() ? std::optional("-m " + std::string(arguments[i + 1])) : std::nullopt;
    }
    if (!joined) ++i;
  }
  return std::nullopt;
}

struct Users {
  std::uint32_t real = 0;
  std::uint32_t effective = 0;
  std::uint32_t saved = 0;
};

// "Uid:\treal\teffective\tsaved\tfile system"
Result<Users> read_users(const ProcRoot& root, Pid pid) {
  constexpr const char* kWhat = "/proc/PID/status";
  auto field = read_proc_field(root.of(pid, "status"), "Uid", kWhat);
  if (!field) return fail(field);
  Users users;
  std::string_view numbers = *field;
  if (!take_number(numbers, users.real) || !take_number(numbers, users.effective) ||
      !take_number(numbers, users.saved)) {
    return fail(Error{.kind = ErrorKind::kInconsistent, .what = kWhat});
  }
  return users;
}

}  // namespace

std::string shown_command(std::string_view command_line) {
  const auto arguments = split_arguments(command_line);
  if (arguments.empty()) return {};
  // A process that rewrites its title (setproctitle, as Celery does) puts all of it, options too, into the first
  // argument.
  std::string command(arguments.front().substr(0, arguments.front().find(" -")));
  if (is_python(command)) {
    if (const auto runs = what_python_runs(arguments)) command += " " + *runs;
  }
  return printable(command, kMaxShown);
}

Result<std::string> command_of(const ProcRoot& root, Pid pid) {
  auto command_line = read_proc_file(root.of(pid, "cmdline"), kMaxLargeProcFile, "/proc/PID/cmdline");
  if (!command_line) return fail(command_line);
  return shown_command(*command_line);
}

Result<std::string> searched_command_line(const ProcRoot& root, Pid pid) {
  auto command_line = read_proc_file(root.of(pid, "cmdline"), kMaxLargeProcFile, "/proc/PID/cmdline");
  if (!command_line) return fail(command_line);
  command_line->resize(std::min(command_line->size(), kMaxSearched));
  while (command_line->ends_with('\0')) command_line->pop_back();
  std::replace(command_line->begin(), command_line->end(), '\0', ' ');
  return command_line;
}

Result<bool> runs_as(const ProcRoot& root, Pid pid, std::uint32_t user) {
  auto users = read_users(root, pid);
  if (!users) return fail(users);
  return users->real == user && users->effective == user && users->saved == user;
}

Result<ProcessEntry> read_process(const ProcRoot& root, Pid pid) {
  auto stat = read_stat(root, pid);
  if (!stat) return fail(stat);
  auto users = read_users(root, pid);
  if (!users) return fail(users);
  auto command = command_of(root, pid);
  if (!command) return fail(command);
  ProcessEntry entry;
  entry.identity = {.pid = pid, .start_time = stat->start_time};
  entry.user = users->real;
  entry.state = stat->state;
  entry.name = printable(stat->comm, kMaxShown);
  entry.command = command->empty() ? "[" + entry.name + "]" : *std::move(command);
  if (auto executable = read_proc_link(root.of(pid, "exe"), "/proc/PID/exe")) {
    entry.executable_deleted = executable->ends_with(kDeleted);
    if (entry.executable_deleted) executable->resize(executable->size() - kDeleted.size());
    entry.executable = printable(*executable, kMaxShown);
  }
  return entry;
}

Result<std::vector<ProcessEntry>> list_processes(const ProcRoot& root) {
  auto pids = list_numbers(root.path(), "/proc");
  if (!pids) return fail(pids);
  std::vector<ProcessEntry> entries;
  for (const std::int32_t number : *pids) {
    const auto stat = read_stat(root, Pid{number});
    if (!stat || stat->is_kernel_thread()) continue;
    auto entry = read_process(root, Pid{number});
    if (entry) entries.push_back(*std::move(entry));
  }
  return entries;
}

}  // namespace snag
