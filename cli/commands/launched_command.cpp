#include "cli/commands/launched_command.h"

#include <array>
#include <cerrno>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/connect/descriptor.h"
#include "cli/view/printable.h"

namespace snag::cli {
namespace {

constexpr int kExecFailed = 127;  // as shells say it

// Between fork and exec: only calls that signal-safety(7) lists, and prctl.
[[noreturn]] void become(char* const* arguments, pid_t tracer, int report) {
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) ::signal(signal, SIG_DFL);
  // Lasts over exec. Without Yama it fails, and is not needed.
  if (tracer > 0) ::prctl(PR_SET_PTRACER, static_cast<unsigned long>(tracer), 0, 0, 0);
  ::execvp(arguments[0], arguments);
  const int error = errno;
  (void)!::write(report, &error, sizeof error);
  ::_exit(kExecFailed);
}

// errno of the exec that failed; 0: it is running. The pipe closes with a successful exec.
int read_report(int report) {
  int error = 0;
  ssize_t count = 0;
  do {
    count = ::read(report, &error, sizeof error);
  } while (count < 0 && errno == EINTR);
  return count == sizeof error ? error : 0;
}

}  // namespace

std::variant<Child, std::string> launch(std::span<const std::string> command, pid_t tracer) {
  std::vector<std::string> words(command.begin(), command.end());
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string who = "starting " + printable(command.front()) + ": ";
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return who + std::generic_category().message(errno);
  const Descriptor read_end(ends[0]);
  Descriptor write_end(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return who + std::generic_category().message(errno);
  if (pid == 0) become(arguments.data(), tracer, write_end.get());
  write_end.reset();
  Child child(pid);
  const int error = read_report(read_end.get());
  if (error == 0) return child;
  constexpr std::chrono::seconds kToEnd{1};
  (void)child.wait(kToEnd);
  return who + std::generic_category().message(error);
}

}  // namespace snag::cli
