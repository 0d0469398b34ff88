#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "readers/process/image_memory.h"
#include "readers/python/runtime.h"

namespace snag::test {

// A C struct in the making: zeroes, with members put where a layout has them.
class Struct {
 public:
  explicit Struct(std::size_t bytes) : bytes_(bytes) {}

  template <class T>
  Struct& put(std::size_t offset, const T& value) {
    REQUIRE(offset + sizeof value <= bytes_.size());
    std::memcpy(bytes_.data() + offset, &value, sizeof value);
    return *this;
  }
  template <class T>
  Struct& put(python::Offset offset, const T& value) {
    return put(offset.bytes(), value);
  }
  Struct& put_text(std::size_t offset, std::string_view text) {
    REQUIRE(offset + text.size() <= bytes_.size());
    std::memcpy(bytes_.data() + offset, text.data(), text.size());
    return *this;
  }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// The runtime of a version, with its row's layout, at an address where the test puts what it needs.
inline python::Runtime runtime_of(python::Version version, Address address = {}, bool free_threaded = false) {
  const auto* row = python::find_layout(version, free_threaded);
  REQUIRE(row != nullptr);
  return {.address = address,
          .version = version,
          .version_text = {},
          .layout_source = {},
          .file = {},
          .layout = *row,
          .dialect = python::dialect_of(version)};
}

}  // namespace snag::test
