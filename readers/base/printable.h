#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace snag {

// Bytes of a target as text that may be shown and sent: valid UTF-8 without control characters, at most `limit` bytes.
// What is neither becomes U+FFFD: a terminal obeys escape sequences, and a protobuf string must be UTF-8. A text that
// was cut ends in "…".
[[nodiscard]] std::string printable(std::string_view bytes, std::size_t limit);

}  // namespace snag
