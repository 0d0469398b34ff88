#include "proto/stream/utf8.h"

#include <array>
#include <cstdint>

namespace snag::stream {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view kEllipsis = "\xE2\x80\xA6";     // U+2026

// A row of table 3-7: lead bytes and what the byte after them may be; all later bytes are 80..BF.
struct Form {
  std::uint8_t first_lead;
  std::uint8_t last_lead;
  std::uint8_t first_second;
  std::uint8_t last_second;
  std::size_t bytes;
};
constexpr std::array kForms = {
    Form{0xC2, 0xDF, 0x80, 0xBF, 2}, Form{0xE0, 0xE0, 0xA0, 0xBF, 3}, Form{0xE1, 0xEC, 0x80, 0xBF, 3},
    Form{0xED, 0xED, 0x80, 0x9F, 3}, Form{0xEE, 0xEF, 0x80, 0xBF, 3}, Form{0xF0, 0xF0, 0x90, 0xBF, 4},
    Form{0xF1, 0xF3, 0x80, 0xBF, 4}, Form{0xF4, 0xF4, 0x80, 0x8F, 4},
};

std::uint8_t byte_at(std::string_view text, std::size_t index) { return static_cast<std::uint8_t>(text[index]); }

// Length in bytes of the character that `text` begins with; 0: none.
std::size_t character_bytes(std::string_view text) {
  const std::uint8_t lead = byte_at(text, 0);
  if (lead < 0x80) return 1;
  for (const Form& form : kForms) {
    if (lead < form.first_lead || lead > form.last_lead) continue;
    if (text.size() < form.bytes) return 0;
    if (byte_at(text, 1) < form.first_second || byte_at(text, 1) > form.last_second) return 0;
    for (std::size_t i = 2; i < form.bytes; ++i) {
      if ((byte_at(text, i) & 0xC0U) != 0x80U) return 0;
    }
    return form.bytes;
  }
  return 0;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string to_utf8(std::string_view text, std::size_t limit_bytes) {
  if (text.size() <= limit_bytes && is_utf8(text)) return std::string(text);
  std::string out;
  std::size_t fits_with_ellipsis = 0;
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    const std::string_view piece = bytes == 0 ? kReplacement : text.substr(0, bytes);
    if (out.size() + piece.size() > limit_bytes) {
      out.resize(fits_with_ellipsis);
      if (out.size() + kEllipsis.size() <= limit_bytes) out += kEllipsis;
      return out;
    }
    out += piece;
    if (out.size() + kEllipsis.size() <= limit_bytes) fits_with_ellipsis = out.size();
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return out;
}

}  // namespace snag::stream
