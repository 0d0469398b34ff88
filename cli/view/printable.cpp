#include "cli/view/printable.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "proto/stream/utf8.h"

namespace snag::cli {
namespace {

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};
// Characters that show nothing and change how what follows them is shown (Unicode: categories Cc, Cf, Zl, Zp and the
// non-characters, as far as terminals and XML readers act on them). U+2066.. are what "Trojan source" used.
constexpr std::array kInvisible = {
    Range{0x0000, 0x001F},   Range{0x007F, 0x009F},    Range{0x00AD, 0x00AD}, Range{0x061C, 0x061C},
    Range{0x200B, 0x200F},   Range{0x2028, 0x202E},    Range{0x2060, 0x206F}, Range{0xFDD0, 0xFDEF},
    Range{0xFEFF, 0xFEFF},   Range{0xFFF0, 0xFFFB},    Range{0xFFFE, 0xFFFF}, Range{0x1FFFE, 0x1FFFF},
    Range{0xE0000, 0xE007F}, Range{0xF0000, 0x10FFFF},
};

bool is_invisible(std::uint32_t code_point) {
  return std::any_of(kInvisible.begin(), kInvisible.end(), [code_point](const Range& range) {
    return range.first <= code_point && code_point <= range.last;
  });
}

void append_escape(std::string& out, std::uint32_t code_point) {
  constexpr std::string_view kNamed = "\a\b\t\n\v\f\r";  // 7 to 13
  constexpr std::string_view kLetters = "abtnvfr";
  if (code_point >= 7 && code_point < 7 + kNamed.size()) {
    out += '\\';
    out += kLetters[code_point - 7];
    return;
  }
  const char* format = code_point <= 0xFF ? "\\x%02x" : code_point <= 0xFFFF ? "\\u%04x" : "\\U%08x";
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), format, code_point);
  out += text.data();
}

std::uint32_t byte_at(std::string_view text, std::size_t index) { return static_cast<std::uint8_t>(text[index]); }

}  // namespace

Character first_character(std::string_view text) {
  const std::uint32_t lead = byte_at(text, 0);
  if (lead < 0x80) return {.bytes = 1, .code_point = lead, .valid = true};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (text.size() < bytes || !stream::is_utf8(text.substr(0, bytes))) return {.bytes = 1, .code_point = lead};
  std::uint32_t code_point = lead & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) code_point = (code_point << 6U) | (byte_at(text, i) & 0x3FU);
  return {.bytes = bytes, .code_point = code_point, .valid = true};
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character character = first_character(text);
    if (!character.valid || is_invisible(character.code_point)) {
      append_escape(out, character.code_point);
    } else {
      out += text.substr(0, character.bytes);
    }
    text.remove_prefix(character.bytes);
  }
  return out;
}

std::size_t count_characters(std::string_view text) {
  std::size_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(first_character(text).bytes);
  return count;
}

std::string cut(std::string_view text, std::size_t columns) {
  if (count_characters(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  std::size_t bytes = 0;
  for (std::size_t kept = 0; kept + 1 < columns; ++kept) bytes += first_character(text.substr(bytes)).bytes;
  return std::string(text.substr(0, bytes)) + "…";
}

std::string with_thousands(std::int64_t number) {
  const std::string digits = std::to_string(number);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const std::size_t left = digits.size() - i;
    if (left % 3 == 0 && !out.empty() && out != "-") out += ',';
    out += digits[i];
  }
  return out;
}

std::string percent(double share, int decimals) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f %%", decimals, std::clamp(share, -1e6, 1e6) * 100);
  return text.data();
}

}  // namespace snag::cli
