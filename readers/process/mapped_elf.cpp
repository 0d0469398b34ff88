// The file behind a mapping: where it can be opened from outside, and where in memory it lies.
#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "readers/process/elf_image.h"
#include "readers/process/system_error.h"
#include "readers/process/unique_descriptor.h"

namespace snag {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

constexpr std::uint64_t page_of(std::uint64_t value) { return value & ~(kPage - 1); }

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
  // Only the inode: file systems with several devices (btrfs, overlay) show another device in maps than in stat.
  return file.is_open() && ::fstat(file.get(), &status) == 0 && status.st_ino == mapping.inode;
}

// "7f12a0000000-7f12a0021000", as the kernel names the links in map_files.
std::string range_name(const Mapping& mapping) {
  char name[64];
  std::snprintf(name, sizeof name, "map_files/%llx-%llx", static_cast<unsigned long long>(mapping.begin.value),
                static_cast<unsigned long long>(mapping.end.value));
  return name;
}

// Whether the file's segment lies in memory where this bias puts it.
bool lies_there(const ElfSegment& segment, std::span<const Mapping> mappings, std::uint64_t bias) {
  const Address begin = {page_of(segment.address.value) + bias};
  return std::any_of(mappings.begin(), mappings.end(), [&](const Mapping& mapping) {
    return mapping.contains(begin) &&
           mapping.file_offset + (begin.value - mapping.begin.value) == page_of(segment.file_offset);
  });
}

}  // namespace

Result<ElfImage> open_mapped_elf(const ProcRoot& root, Pid pid, const Mapping& mapping) {
  UniqueDescriptor by_path;
  int path_error = ENOENT;
  if (!mapping.deleted) by_path = open_in_root(root.of(pid, "root"), mapping.path, path_error);
  if (is_file_of(by_path, mapping)) return open_elf_descriptor(by_path.release());

  UniqueDescriptor by_range(::open(root.of(pid, range_name(mapping)).c_str(), kFlags));
  if (by_range.is_open()) return open_elf_descriptor(by_range.release());

  UniqueDescriptor executable(::open(root.of(pid, "exe").c_str(), kFlags));
  if (is_file_of(executable, mapping)) return open_elf_descriptor(executable.release());

  // On an overlay the numbers may differ although it is the same file; what is found in it is checked in memory anyway.
  if (by_path.is_open()) return open_elf_descriptor(by_path.release());
  Error error = proc_error("mapped ELF file", path_error);
  if (error.kind == ErrorKind::kNoSuchProcess && root.has(pid)) error.kind = ErrorKind::kUnreadable;
  error.where = mapping.begin;
  error.detail = mapping.path + (mapping.deleted ? " was deleted, and its contents cannot be reached" : "");
  return fail(std::move(error));
}

Result<Address> load_bias(const ElfImage& image, std::span<const Mapping> of_this_file) {
  const auto segments = image.segments();
  const ElfSegment& first = segments.front();
  std::optional<Address> best;
  std::ptrdiff_t most = 0;
  for (const Mapping& mapping : of_this_file) {
    if (mapping.file_offset != page_of(first.file_offset)) continue;
    const std::uint64_t bias = mapping.begin.value - page_of(first.address.value);
    // A second copy of the first page, or a file read through mmap, explains fewer segments. A program may have
    // replaced some of its segments by anonymous memory (huge pages), so not all need to be there.
    const auto found = std::count_if(segments.begin(), segments.end(), [&](const ElfSegment& segment) {
      return lies_there(segment, of_this_file, bias);
    });
    if (found <= most) continue;
    most = found;
    best = Address{bias};
  }
  if (!best) {
    return fail(Error{.kind = ErrorKind::kInconsistent, .what = "load bias", .detail = "no mapping fits the ELF file"});
  }
  return *best;
}

}  // namespace snag
