#pragma once

#include <string>
#include <string_view>

namespace snag::cli {

// A file descriptor that lines of text go to, each at once: whoever reads a pipe sees a stall when it happens. Does not
// own the descriptor. SIGPIPE must be ignored.
class Output {
 public:
  explicit Output(int descriptor);

  // Waits until all is written. Nothing happens once it has failed.
  void write(std::string_view text);

  [[nodiscard]] bool ok() const { return system_error_ == 0; }
  // Whoever read it has gone (EPIPE): no error of ours, and nobody is left to tell.
  [[nodiscard]] bool reader_gone() const;
  // poll() said so before a write did.
  void note_reader_gone();
  [[nodiscard]] int system_error() const { return system_error_; }  // errno; 0: none
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] bool is_terminal() const { return is_terminal_; }
  // Escape sequences are welcome: a terminal, and NO_COLOR (https://no-color.org) is not set.
  [[nodiscard]] bool coloured() const { return coloured_; }
  // Of the terminal; 80 if it does not say.
  [[nodiscard]] std::size_t columns() const;

 private:
  int descriptor_;
  bool is_terminal_;
  bool coloured_;
  int system_error_ = 0;
};

// How words are set off on a terminal.
enum class Style { kPlain, kBold, kDim, kRed, kYellow, kGreen };
[[nodiscard]] std::string styled(const Output& output, Style style, std::string_view text);

}  // namespace snag::cli
