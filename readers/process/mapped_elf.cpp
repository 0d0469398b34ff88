// The file behind a mapping: where it can be opened from outside.
#include <array>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "readers/process/elf_image.h"
#include "readers/process/live_memory.h"
#include "readers/process/system_error.h"
#include "readers/process/unique_descriptor.h"

namespace snag {
namespace {

constexpr std::size_t kFirstPage = 4096;
constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

// As the target would: an absolute symbolic link leads to its own root, not to ours. Sets `error` when it is not open.
UniqueDescriptor open_in_root(const std::filesystem::path& root, const std::string& path, int& error) {
  const UniqueDescriptor directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  error = errno;
  if (!directory.is_open()) return {};
  open_how how = {};
  how.flags = static_cast<std::uint64_t>(kFlags);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  // glibc has no wrapper.
  UniqueDescriptor file(static_cast<int>(::syscall(SYS_openat2, directory.get(), path.c_str(), &how, sizeof how)));
  error = errno;
  // Linux before 5.6, or a seccomp filter that does not know the call.
  const bool is_missing = !file.is_open() && (error == ENOSYS || error == EPERM);
  if (!is_missing) return file;
  file = UniqueDescriptor(::open((root.string() + path).c_str(), kFlags));
  error = errno;
  return file;
}

bool is_file_of(const UniqueDescriptor& file, const Mapping& mapping) {
  struct stat status = {};
  return file.is_open() && ::fstat(file.get(), &status) == 0 && status.st_ino == mapping.inode &&
         status.st_dev == mapping.device;
}

// Whether the file begins as the mapped one does: headers with the sizes of all parts, the build id if it has one, the
// dynamic linker's hashes.
bool begins_as_loaded(const UniqueDescriptor& file, Pid pid, const Mapping& mapping) {
  if (!file.is_open()) return false;
  auto mappings = read_mappings(ProcRoot(), pid);
  if (!mappings) return false;
  for (const Mapping& other : mappings_of_file(*mappings, mapping)) {
    if (other.file_offset != 0) continue;
    std::array<std::byte, kFirstPage> loaded{};
    std::array<std::byte, kFirstPage> now{};
    if (!LiveMemory(pid).read(other.begin, loaded, "first page")) continue;
    if (::pread(file.get(), now.data(), now.size(), 0) == static_cast<ssize_t>(now.size())) return loaded == now;
  }
  return false;
}

// "7f12a0000000-7f12a0021000", as the kernel names the links in map_files.
std::string range_name(const Mapping& mapping) {
  char name[64];
  std::snprintf(name, sizeof name, "map_files/%llx-%llx", static_cast<unsigned long long>(mapping.begin.value),
                static_cast<unsigned long long>(mapping.end.value));
  return name;
}

}  // namespace

Result<ElfImage> open_mapped_elf(const ProcRoot& root, Pid pid, const Mapping& mapping) {
  UniqueDescriptor by_path;
  int path_error = ENOENT;
  if (!mapping.deleted) by_path = open_in_root(root.of(pid, "root"), mapping.path, path_error);
  if (is_file_of(by_path, mapping)) return open_elf_descriptor(by_path.release());

  UniqueDescriptor by_range(::open(root.of(pid, range_name(mapping)).c_str(), kFlags));
  if (by_range.is_open()) return open_elf_descriptor(by_range.release());

  // File systems that lie over others (overlay, btrfs) show other numbers in maps than in stat.
  UniqueDescriptor executable(::open(root.of(pid, "exe").c_str(), kFlags));
  for (UniqueDescriptor* file : {&executable, &by_path}) {
    if (is_file_of(*file, mapping) || begins_as_loaded(*file, pid, mapping)) {
      return open_elf_descriptor(file->release());
    }
  }
  Error error = proc_error("mapped ELF file", path_error);
  if (error.kind == ErrorKind::kNoSuchProcess && root.has(pid)) error.kind = ErrorKind::kUnreadable;
  error.where = mapping.begin;
  if (by_path.is_open()) error.detail = mapping.path + " was replaced, and what the process runs cannot be reached";
  if (mapping.deleted) error.detail = mapping.path + " was deleted, and its contents cannot be reached";
  return fail(std::move(error));
}

}  // namespace snag
