#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace snag::fuzz {

// A fuzzer's bytes, taken off the front; what is not there is zero, so that an input may end anywhere.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(std::as_bytes(std::span(data, size))) {}

  template <class T>
  [[nodiscard]] T take() {
    T value{};
    const auto part = rest_.first(std::min(sizeof value, rest_.size()));
    if (!part.empty()) std::memcpy(&value, part.data(), part.size());
    rest_ = rest_.subspan(part.size());
    return value;
  }
  [[nodiscard]] std::span<const std::byte> take(std::size_t size) {
    const auto part = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(part.size());
    return part;
  }
  [[nodiscard]] std::span<const std::byte> rest() const { return rest_; }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace snag::fuzz
