#include "cli/export/output_file.h"

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/view/printable.h"

namespace snag::cli {
namespace {

namespace fs = std::filesystem;

// Two recordings at once beside each other: each gets its own.
constexpr int kMaxNames = 100;

unsigned creation_mode() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666U & ~mask;
}

fs::path directory_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

}  // namespace

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      target_(std::move(other.target_)),
      hidden_(std::exchange(other.hidden_, {})),
      owned_(std::move(other.owned_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      truncate_(other.truncate_) {}

OutputFile::~OutputFile() {
  if (!hidden_.empty()) ::unlink(hidden_.c_str());
}

std::string OutputFile::sentence(int system_error) const {
  const std::string name = is_standard_output() ? "standard output" : printable(path_);
  return "writing " + name + ": " + std::generic_category().message(system_error);
}

int OutputFile::open_in_place(bool truncate_later) {
  owned_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
  descriptor_ = owned_.get();
  truncate_ = truncate_later;
  return owned_.is_open() ? 0 : errno;
}

int OutputFile::open_beside(const fs::path& target, unsigned mode) {
  target_ = target;
  owned_ = Descriptor(::open(directory_of(target).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  // EISDIR: a kernel without it; EOPNOTSUPP: a file system without it.
  if (!owned_.is_open() && (errno == EOPNOTSUPP || errno == EISDIR)) {
    std::string name = (directory_of(target) / ("." + target.filename().string() + ".XXXXXX")).string();
    owned_ = Descriptor(::mkostemp(name.data(), O_CLOEXEC));
    if (owned_.is_open()) hidden_ = name;
  }
  if (!owned_.is_open()) return errno;
  descriptor_ = owned_.get();
  return ::fchmod(descriptor_, mode) == 0 ? 0 : errno;
}

std::variant<OutputFile, std::string> OutputFile::open(const std::string& path, int standard_output) {
  OutputFile file;
  file.path_ = path;
  if (file.is_standard_output()) {
    file.descriptor_ = standard_output;
    return file;
  }
  struct stat status {};
  const bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) return file.sentence(EISDIR);
  int error = 0;
  if (exists && !S_ISREG(status.st_mode)) {
    error = file.open_in_place(false);
  } else if (exists && ::access(path.c_str(), W_OK) != 0) {
    error = errno;
  } else {
    std::error_code unresolved;
    const fs::path resolved = fs::canonical(path, unresolved);
    const unsigned mode = exists ? status.st_mode & 07777U : creation_mode();
    error = file.open_beside(unresolved ? fs::path(path) : resolved, mode);
    if (exists && (error == EACCES || error == EROFS || error == EPERM)) {
      file.target_.clear();
      error = file.open_in_place(true);
    }
  }
  if (error != 0) return file.sentence(error);
  return file;
}

std::optional<std::string> OutputFile::begin() {
  if (truncate_ && ::ftruncate(descriptor_, 0) != 0) return sentence(errno);
  return std::nullopt;
}

int OutputFile::give_name() {
  const std::string source = "/proc/self/fd/" + std::to_string(descriptor_);  // open(2), O_TMPFILE
  for (int number = 0; number < kMaxNames; ++number) {
    const std::string name =
        "." + target_.filename().string() + "." + std::to_string(::getpid()) + "." + std::to_string(number);
    const fs::path hidden = directory_of(target_) / name;
    if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, hidden.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      hidden_ = hidden;
      return 0;
    }
    if (errno != EEXIST) return errno;
  }
  return EEXIST;
}

std::optional<std::string> OutputFile::commit(int write_error) {
  if (write_error != 0) return sentence(write_error);
  if (target_.empty()) {
    const bool failed = owned_.reset() != 0;
    return failed ? std::optional(sentence(errno)) : std::nullopt;
  }
  // A file system that allocates late (delayed allocation, NFS) finds its disk full only here.
  if (::fsync(descriptor_) != 0) return sentence(errno);
  if (hidden_.empty()) {
    if (const int error = give_name(); error != 0) return sentence(error);
  }
  if (::rename(hidden_.c_str(), target_.c_str()) != 0) return sentence(errno);
  hidden_.clear();
  return std::nullopt;
}

}  // namespace snag::cli
