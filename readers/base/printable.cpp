#include "readers/base/printable.h"

#include <cstdint>

namespace snag {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kEllipsis = "\xE2\x80\xA6";

constexpr unsigned byte_at(std::string_view bytes, std::size_t index) {
  return static_cast<unsigned char>(bytes[index]);
}

// Unicode's Table 3-7, "Well-Formed UTF-8 Byte Sequences": the length that a first byte announces and the range of the
// second one, which rules out overlong forms, surrogates, and what is beyond U+10FFFF.
struct Form {
  unsigned first_low, first_high;
  std::size_t length;
  unsigned second_low, second_high;
};
constexpr Form kForms[] = {{0xC2, 0xDF, 2, 0x80, 0xBF}, {0xE0, 0xE0, 3, 0xA0, 0xBF}, {0xE1, 0xEC, 3, 0x80, 0xBF},
                           {0xED, 0xED, 3, 0x80, 0x9F}, {0xEE, 0xEF, 3, 0x80, 0xBF}, {0xF0, 0xF0, 4, 0x90, 0xBF},
                           {0xF1, 0xF3, 4, 0x80, 0xBF}, {0xF4, 0xF4, 4, 0x80, 0x8F}};

// Bytes of the character at the front; 0 when it is not well-formed.
std::size_t character_length(std::string_view bytes) {
  const unsigned first = byte_at(bytes, 0);
  if (first < 0x80) return 1;
  for (const Form& form : kForms) {
    if (first < form.first_low || first > form.first_high) continue;
    if (bytes.size() < form.length) return 0;
    if (byte_at(bytes, 1) < form.second_low || byte_at(bytes, 1) > form.second_high) return 0;
    for (std::size_t i = 2; i < form.length; ++i) {
      if ((byte_at(bytes, i) & 0xC0U) != 0x80) return 0;
    }
    return form.length;
  }
  return 0;
}

// C0, DEL, and C1 (U+0080 to U+009F, which are C2 80 to C2 9F); also the marks that turn the direction of writing
// (U+202A to U+202E, U+2066 to U+2069), by which one name looks like another.
bool is_control(std::string_view character) {
  if (character.size() == 1) return byte_at(character, 0) < 0x20 || byte_at(character, 0) == 0x7F;
  if (character.size() == 2) return byte_at(character, 0) == 0xC2 && byte_at(character, 1) < 0xA0;
  if (character.size() != 3 || byte_at(character, 0) != 0xE2) return false;
  const unsigned second = byte_at(character, 1);
  const unsigned third = byte_at(character, 2);
  return (second == 0x80 && third >= 0xAA && third <= 0xAE) || (second == 0x81 && third >= 0xA6 && third <= 0xA9);
}

}  // namespace

std::string printable(std::string_view bytes, std::size_t limit) {
  std::string text;
  std::size_t last_cut = 0;  // the longest length of `text` to which an ellipsis can be added
  while (!bytes.empty()) {
    const std::size_t length = character_length(bytes);
    const std::string_view character = bytes.substr(0, length);
    const std::string_view shown = length == 0 || is_control(character) ? kReplacement : character;
    if (text.size() + shown.size() > limit) {
      text.resize(last_cut);
      return limit < kEllipsis.size() ? text : text.append(kEllipsis);
    }
    text.append(shown);
    if (text.size() + kEllipsis.size() <= limit) last_cut = text.size();
    bytes.remove_prefix(length == 0 ? 1 : length);
  }
  return text;
}

}  // namespace snag
