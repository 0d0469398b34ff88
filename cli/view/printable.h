#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Names come from the processes watched and may be hostile: an escape sequence in a function's name must not reach the
// terminal, nor a stray byte the XML or JSON that Snag writes.
namespace snag::cli {

// The text with everything that is no visible character written out: control characters as \n, \x1b; invisible ones
// that reorder or break lines (bidirectional marks, U+2028, byte order marks, non-characters) as \u202e; bytes that are
// no UTF-8 as \xff. What comes out is valid UTF-8 and may go into XML text once &, < and > are escaped.
[[nodiscard]] std::string printable(std::string_view text);

// One character off the front of `text`, which must not be empty.
struct Character {
  std::size_t bytes = 1;
  std::uint32_t code_point = 0;
  bool valid = false;  // false: the byte belongs to no character
};
[[nodiscard]] Character first_character(std::string_view text);

// As wide as `columns` characters at most; what is cut off ends in "…". Counts code points.
[[nodiscard]] std::string cut(std::string_view text, std::size_t columns);
[[nodiscard]] std::size_t count_characters(std::string_view text);

// 1234567 -> "1,234,567"
[[nodiscard]] std::string with_thousands(std::int64_t number);
// 0.0234 -> "2.34 %"
[[nodiscard]] std::string percent(double share, int decimals);

}  // namespace snag::cli
