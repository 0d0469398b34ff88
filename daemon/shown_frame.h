#pragma once

#include <cstdint>
#include <string>

namespace snag::daemon {

// A frame as it is reported; becomes snag.v1.Frame at the border.
struct ShownFrame {
  enum class Kind : std::uint8_t { kPython, kNative, kMarker };
  std::string function;
  std::string file;
  std::int32_t line = 0;  // 0: not known
  Kind kind = Kind::kPython;
  std::string module;
  friend bool operator==(const ShownFrame&, const ShownFrame&) = default;
};

}  // namespace snag::daemon
