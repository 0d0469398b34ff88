#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace snag::cli {

// Where an exporter's bytes go. It may write on after a failure; what failed is asked once, at the end.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void append(std::string_view text) = 0;
};

class StringSink : public Sink {
 public:
  void append(std::string_view text) override { text_ += text; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// Gathers small pieces into few writes. Does not own the descriptor.
class FileSink : public Sink {
 public:
  explicit FileSink(int descriptor) : descriptor_(descriptor) {}
  void append(std::string_view text) override;
  // Writes the rest; errno of the first write that failed, 0: all is written.
  [[nodiscard]] int finish();

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{64} * 1024;
  void write(std::string_view text);

  int descriptor_;
  int system_error_ = 0;
  std::string buffer_;
};

}  // namespace snag::cli
