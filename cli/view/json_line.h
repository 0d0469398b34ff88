#pragma once

#include <string>
#include <string_view>

#include <google/protobuf/message.h>

namespace snag::cli {

// {"kind": {…}} and a newline: the proto3 JSON mapping with every field that has no presence printed, so that a cause
// UNKNOWN or a count of 0 is there to be read.
[[nodiscard]] std::string json_line(std::string_view kind, const google::protobuf::Message& message);

// A JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string json_quoted(std::string_view text);

}  // namespace snag::cli
