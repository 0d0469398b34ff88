#include "cli/export/sink.h"

#include <cerrno>

#include <unistd.h>

namespace snag::cli {

void FileSink::append(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() < kBufferBytes) return;
  write(buffer_);
  buffer_.clear();
}

void FileSink::write(std::string_view text) {
  while (!text.empty() && system_error_ == 0) {
    const ssize_t count = ::write(descriptor_, text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      system_error_ = errno;
    }
  }
}

int FileSink::finish() {
  write(buffer_);
  buffer_.clear();
  return system_error_;
}

}  // namespace snag::cli
