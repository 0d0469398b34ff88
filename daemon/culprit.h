#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "daemon/shown_frame.h"

namespace snag::daemon {

// Whose code a file is.
enum class Origin : std::uint8_t {
  kUser,
  kInstalled,  // site-packages, dist-packages
  kStandard,   // the standard library, frozen modules
};

// `standard_library` is the directory that asyncio/base_events.py lies below, "/usr/lib/python3.11".
[[nodiscard]] Origin origin_of(std::string_view file, std::string_view standard_library);

// The frame to blame: the innermost one of the user's own code; where there is none, the innermost of an installed
// package, else the innermost Python frame. `frames` are innermost first and end below the loop's own frames, so that
// what started the loop is never blamed for it. frames.size(): there is nothing to blame.
[[nodiscard]] std::size_t find_culprit(std::span<const ShownFrame> frames, std::string_view standard_library);

// The directory of the standard library, by the file of asyncio's loop; empty when it does not look like one.
[[nodiscard]] std::string standard_library_of(std::string_view base_events_file);

// The same for the same bug in every process and on every day: of the culprit's file, function and blocking call, not
// of lines, ids or addresses. 16 hexadecimal digits.
[[nodiscard]] std::string fingerprint(const ShownFrame& culprit, std::string_view blocking_call);

}  // namespace snag::daemon
