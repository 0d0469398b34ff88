#pragma once

#include <cstddef>
#include <string>
#include <string_view>

// Text of a target on its way into protobuf. A proto3 string that is no valid UTF-8 makes the receiver refuse the whole
// message, and a target's names may hold anything: lone surrogates in co_filename (PEP 383), comm cut within a
// character.
namespace snag::stream {

// True: may go into a proto3 string as it is. Follows the Unicode standard, table 3-7: no overlong forms, surrogates,
// or code points above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);

// At most `limit_bytes` long; every byte that belongs to no character becomes U+FFFD, and what is cut off ends in "…".
[[nodiscard]] std::string to_utf8(std::string_view text, std::size_t limit_bytes);

}  // namespace snag::stream
