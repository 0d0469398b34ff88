#include "readers/process/proc_root.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <span>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "readers/process/proc_number.h"
#include "readers/process/system_error.h"
#include "readers/process/unique_descriptor.h"

namespace snag {
namespace {

// A read of /proc returns at most a page or a few for most files; more room would not be used.
constexpr std::size_t kBlock = std::size_t{16} << 10U;
// The kernel gives no link text longer than a page (PATH_MAX).
constexpr std::size_t kMaxLink = 4096;

Result<UniqueDescriptor> open_proc_file(const std::filesystem::path& path, const char* what) {
  UniqueDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file.is_open()) return fail(proc_error(what, errno));
  return file;
}

// Bytes read, 0 at the end.
Result<std::size_t> read_block(const UniqueDescriptor& file, std::span<char> into, const char* what) {
  for (;;) {
    const ssize_t got = ::read(file.get(), into.data(), into.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return fail(proc_error(what, errno));
  }
}

}  // namespace

ProcRoot::ProcRoot(std::filesystem::path root) : root_(std::move(root)) {}

std::filesystem::path ProcRoot::of(Pid pid, std::string_view name) const {
  return root_ / std::to_string(pid.value) / name;
}

std::filesystem::path ProcRoot::of(Pid pid, Tid tid, std::string_view name) const {
  return root_ / std::to_string(pid.value) / "task" / std::to_string(tid.value) / name;
}

bool ProcRoot::has(Pid pid) const {
  struct stat status = {};
  return ::stat((root_ / std::to_string(pid.value)).c_str(), &status) == 0;
}

Result<std::string> read_proc_file(const std::filesystem::path& path, std::size_t limit, const char* what) {
  auto file = open_proc_file(path, what);
  if (!file) return fail(file);
  std::string text;
  std::array<char, kBlock> block;
  for (;;) {
    auto got = read_block(*file, block, what);
    if (!got) return fail(got);
    if (*got == 0) return text;
    if (*got > limit - text.size()) return fail(Error{.kind = ErrorKind::kOutOfBounds, .what = what, .wanted = limit});
    text.append(block.data(), *got);
  }
}

Result<void> for_each_proc_line(const std::filesystem::path& path, std::size_t limit, const char* what,
                                const std::function<bool(std::string_view)>& line) {
  auto file = open_proc_file(path, what);
  if (!file) return fail(file);
  const Error too_much = {.kind = ErrorKind::kOutOfBounds, .what = what, .wanted = limit};
  std::array<char, kBlock> block;
  std::string rest;  // of a line that the block before did not end
  std::size_t total = 0;
  for (;;) {
    auto got = read_block(*file, block, what);
    if (!got) return fail(got);
    if (*got == 0) break;
    total += *got;
    if (total > limit) return fail(too_much);
    rest.append(block.data(), *got);
    std::size_t begin = 0;
    for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', begin)) {
      if (!line(std::string_view(rest).substr(begin, end - begin))) return {};
      begin = end + 1;
    }
    rest.erase(0, begin);
    if (rest.size() > kMaxSmallProcFile) return fail(too_much);
  }
  if (!rest.empty()) line(rest);
  return {};
}

Result<std::string> read_proc_field(const std::filesystem::path& path, std::string_view name, const char* what) {
  std::string value;
  auto done = for_each_proc_line(path, kMaxSmallProcFile, what, [&](std::string_view line) {
    if (!line.starts_with(name) || line.substr(name.size(), 1) != ":") return true;
    line.remove_prefix(name.size() + 1);
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return false;
    value = line.substr(begin, line.find_last_not_of(" \t") - begin + 1);
    return false;
  });
  if (!done) return fail(done);
  return value;
}

Result<std::string> read_proc_link(const std::filesystem::path& path, const char* what) {
  std::string target(kMaxLink, '\0');
  const ssize_t got = ::readlink(path.c_str(), target.data(), target.size());
  if (got < 0) return fail(proc_error(what, errno));
  target.resize(static_cast<std::size_t>(got));
  return target;
}

Result<std::vector<std::int32_t>> list_numbers(const std::filesystem::path& path, const char* what) {
  struct Close {
    void operator()(DIR* directory) const { ::closedir(directory); }
  };
  const std::unique_ptr<DIR, Close> directory(::opendir(path.c_str()));
  if (!directory) return fail(proc_error(what, errno));
  std::vector<std::int32_t> numbers;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());  // NOLINT(concurrency-mt-unsafe): the stream is ours alone
    if (entry == nullptr) break;
    const std::string_view name(entry->d_name);
    const auto number = whole_number<std::int32_t>(name);
    if (!number || *number < 0) continue;
    if (numbers.size() == kMaxProcEntries) {
      return fail(Error{.kind = ErrorKind::kOutOfBounds, .what = what, .wanted = kMaxProcEntries});
    }
    numbers.push_back(*number);
  }
  if (errno != 0) return fail(proc_error(what, errno));
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace snag
