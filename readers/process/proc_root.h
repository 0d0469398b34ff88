#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "readers/base/ids.h"
#include "readers/base/result.h"

namespace snag {

// Of a file of one short record (stat, comm, syscall, timens_offsets): the kernel writes well under a page.
inline constexpr std::size_t kMaxSmallProcFile = std::size_t{16} << 10U;
// Of a file that grows with the process or machine (maps, cmdline, net/tcp): vm.max_map_count is 65,530 lines by
// default, and a line with a long path is some 200 bytes; 64 MiB is four times that.
inline constexpr std::size_t kMaxLargeProcFile = std::size_t{64} << 20U;
// Entries of one directory: /proc/PID/task or /proc. PID_MAX_LIMIT of 64-bit Linux is 4,194,304; more than this many
// threads in one process, or processes, is nothing that Snag can watch.
inline constexpr std::size_t kMaxProcEntries = 65'536;

// Where /proc is. Tests give a fixture tree.
class ProcRoot {
 public:
  explicit ProcRoot(std::filesystem::path root = "/proc");

  [[nodiscard]] const std::filesystem::path& path() const { return root_; }
  // "/proc/4242/NAME" and "/proc/4242/task/4243/NAME".
  [[nodiscard]] std::filesystem::path of(Pid pid, std::string_view name) const;
  [[nodiscard]] std::filesystem::path of(Pid pid, Tid tid, std::string_view name) const;

  // True when there is a process of this number (a thread group's leader or, as in the kernel, any of its threads).
  [[nodiscard]] bool has(Pid pid) const;

 private:
  std::filesystem::path root_;
};

// The whole file. `what` is the literal that errors carry ("/proc/PID/stat"). kNoSuchProcess when file or process are
// gone (ENOENT, ESRCH), kNotPermitted (EACCES, EPERM), kOutOfBounds when it holds more than `limit` bytes.
[[nodiscard]] Result<std::string> read_proc_file(const std::filesystem::path& path, std::size_t limit,
                                                 const char* what);

// Calls `line` with each line, without its newline, until it returns false, and never holds more of the file than a
// block. The same errors; a line longer than kMaxSmallProcFile is kOutOfBounds.
[[nodiscard]] Result<void> for_each_proc_line(const std::filesystem::path& path, std::size_t limit, const char* what,
                                              const std::function<bool(std::string_view)>& line);

// The value of a line "NAME:\tvalue" of a status file, without the white space around it; empty when there is no such
// line (an older kernel). The same errors.
[[nodiscard]] Result<std::string> read_proc_field(const std::filesystem::path& path, std::string_view name,
                                                  const char* what);

// Where a symbolic link of /proc points ("socket:[4711]", "/usr/bin/python3"); the same errors.
[[nodiscard]] Result<std::string> read_proc_link(const std::filesystem::path& path, const char* what);

// The names in a directory that are numbers (pids, tids, descriptors), ascending; at most kMaxProcEntries, else
// kOutOfBounds.
[[nodiscard]] Result<std::vector<std::int32_t>> list_numbers(const std::filesystem::path& path, const char* what);

}  // namespace snag
