#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace snag {

// The number that a text is, whole; absent when it is anything else, or too large.
template <class Number>
[[nodiscard]] std::optional<Number> whole_number(std::string_view text, int base = 10) {
  Number number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

// Takes the first word off a text; false when that is no number. "0x" is allowed in front of hexadecimal ones.
template <class Number>
[[nodiscard]] bool take_number(std::string_view& rest, Number& into, int base = 10) {
  constexpr std::string_view kSpace = " \t\n";
  rest.remove_prefix(std::min(rest.find_first_not_of(kSpace), rest.size()));
  std::string_view word = rest.substr(0, rest.find_first_of(kSpace));
  rest.remove_prefix(word.size());
  if (base == 16 && word.starts_with("0x")) word.remove_prefix(2);
  const auto number = whole_number<Number>(word, base);
  if (number) into = *number;
  return number.has_value();
}

}  // namespace snag
