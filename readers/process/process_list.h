#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "readers/base/ids.h"
#include "readers/base/result.h"
#include "readers/process/identity.h"
#include "readers/process/proc_root.h"

namespace snag {

// A process as `snag ps` shows it. Texts are printable UTF-8, whatever the process made of them.
struct ProcessEntry {
  ProcessIdentity identity;
  std::uint32_t user = 0;  // real user id
  char state = '?';
  std::string name;        // comm
  std::string executable;  // where /proc/PID/exe points, without " (deleted)"; "" where that is not permitted
  bool executable_deleted = false;
  std::string command;  // see command_of; the name in brackets where there is no command line
};

// Every process that is no kernel thread, by ascending pid. What ends meanwhile is left out.
[[nodiscard]] Result<std::vector<ProcessEntry>> list_processes(const ProcRoot& root);
[[nodiscard]] Result<ProcessEntry> read_process(const ProcRoot& root, Pid pid);

// Whether real, effective and saved user are all this one, as the kernel wants it before it lets a user read another
// process (ptrace(2)): a program that is set-user-ID has the real one of whoever started it.
[[nodiscard]] Result<bool> runs_as(const ProcRoot& root, Pid pid, std::uint32_t user);

// The program and, of a Python, its script, `-m module`, or a bare `-c`. No other argument is ever shown: passwords and
// tokens stand there.
[[nodiscard]] Result<std::string> command_of(const ProcRoot& root, Pid pid);
// All of its command line, with a space between the arguments: to be searched, never to be shown. At most
// kMaxSearched bytes of it.
inline constexpr std::size_t kMaxSearched = std::size_t{64} << 10U;
[[nodiscard]] Result<std::string> searched_command_line(const ProcRoot& root, Pid pid);
// command_of, of a command line as in /proc/PID/cmdline: arguments that end in '\0'.
[[nodiscard]] std::string shown_command(std::string_view command_line);

}  // namespace snag
