#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace snag::python {

// Code points of 1, 2 or 4 bytes each (PyUnicode's kinds) as UTF-8. A lone surrogate, which UTF-8 cannot say, is written
// out as CPython's "backslashreplace" does: \udc80 is the byte 0x80 of a file name that is no UTF-8 (PEP 383). What no
// str of CPython can hold becomes U+FFFD.
[[nodiscard]] std::string to_utf8(std::span<const std::byte> code_points, unsigned bytes_each);

}  // namespace snag::python
