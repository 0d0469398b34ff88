#include "readers/python/utf8.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace snag::python {
namespace {

constexpr std::uint32_t kReplacement = 0xFFFD;

void append(std::string& text, std::uint32_t point) {
  if (point >= 0xD800 && point <= 0xDFFF) {
    std::array<char, sizeof "\\udc80"> escape{};
    std::snprintf(escape.data(), escape.size(), "\\u%04x", point);
    text += escape.data();
    return;
  }
  if (point > 0x10FFFF) point = kReplacement;
  const auto tail = [&](unsigned shift) { text.push_back(static_cast<char>(0x80U | ((point >> shift) & 0x3FU))); };
  if (point < 0x80) {
    text.push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    text.push_back(static_cast<char>(0xC0U | (point >> 6U)));
    tail(0);
  } else if (point < 0x10000) {
    text.push_back(static_cast<char>(0xE0U | (point >> 12U)));
    tail(6);
    tail(0);
  } else {
    text.push_back(static_cast<char>(0xF0U | (point >> 18U)));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace

std::string to_utf8(std::span<const std::byte> code_points, unsigned bytes_each) {
  std::string text;
  text.reserve(code_points.size());
  for (std::size_t i = 0; i + bytes_each <= code_points.size(); i += bytes_each) {
    std::uint32_t point = 0;  // little-endian, as x86-64 and arm64 are
    std::memcpy(&point, code_points.subspan(i, bytes_each).data(), bytes_each);
    append(text, point);
  }
  return text;
}

}  // namespace snag::python
