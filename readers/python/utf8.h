#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace snag::python {

// Code points of 1, 2 or 4 bytes each (PyUnicode's kinds) as UTF-8. What is no Unicode scalar value becomes U+FFFD.
[[nodiscard]] std::string to_utf8(std::span<const std::byte> code_points, unsigned bytes_each);

}  // namespace snag::python
