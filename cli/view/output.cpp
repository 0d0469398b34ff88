#include "cli/view/output.h"

#include <array>
#include <cerrno>
#include <cstdlib>

#include <sys/ioctl.h>
#include <unistd.h>

namespace snag::cli {
namespace {

constexpr std::array<std::string_view, 6> kSequences = {"", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[32m"};

bool colour_wanted() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return (no_color == nullptr || *no_color == '\0') && (term == nullptr || std::string_view(term) != "dumb");
}

}  // namespace

Output::Output(int descriptor)
    : descriptor_(descriptor), is_terminal_(::isatty(descriptor) == 1), coloured_(is_terminal_ && colour_wanted()) {}

void Output::write(std::string_view text) {
  while (!text.empty() && ok()) {
    const ssize_t count = ::write(descriptor_, text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      system_error_ = errno;
    }
  }
}

bool Output::reader_gone() const { return system_error_ == EPIPE; }

void Output::note_reader_gone() {
  if (ok()) system_error_ = EPIPE;
}

std::size_t Output::columns() const {
  constexpr std::size_t kDefault = 80;
  winsize size{};
  if (!is_terminal_ || ::ioctl(descriptor_, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kDefault;
  return size.ws_col;
}

std::string styled(const Output& output, Style style, std::string_view text) {
  if (!output.coloured() || style == Style::kPlain) return std::string(text);
  return std::string(kSequences[static_cast<std::size_t>(style)]) + std::string(text) + "\x1b[0m";
}

}  // namespace snag::cli
