#include "cli/view/json_line.h"

#include <array>
#include <cstdint>
#include <cstdio>

#include <google/protobuf/util/json_util.h>

#include "cli/view/printable.h"

namespace snag::cli {

std::string json_line(std::string_view kind, const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string text;
  // Fails for values that the mapping cannot say, such as a duration of 400,000 years.
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) text = "null";
  return "{" + json_quoted(kind) + ":" + text + "}\n";
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const Character character = first_character(text);
    const std::uint32_t code = character.code_point;
    if (!character.valid) {
      out += "\xEF\xBF\xBD";
    } else if (code < 0x20 || code == '"' || code == '\\' || code == 0x7F) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", code);
      out += escape.data();
    } else {
      out += text.substr(0, character.bytes);
    }
    text.remove_prefix(character.bytes);
  }
  return out + "\"";
}

}  // namespace snag::cli
