#include "readers/process/regular_file.h"

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snag {

UniqueDescriptor open_regular(const std::filesystem::path& path) {
  // O_PATH opens nothing of the file itself; the link in /proc then leads to this very file, whatever its name is now.
  const UniqueDescriptor found(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status = {};
  if (!found.is_open() || ::fstat(found.get(), &status) != 0) return {};
  if (!S_ISREG(status.st_mode)) {
    errno = EINVAL;
    return {};
  }
  const std::string link = "/proc/self/fd/" + std::to_string(found.get());
  return UniqueDescriptor(::open(link.c_str(), O_RDONLY | O_CLOEXEC));
}

bool read_at(int file, std::uint64_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    const ssize_t got = ::pread(file, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    offset += static_cast<std::uint64_t>(got);
    into = into.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

}  // namespace snag
