#pragma once

#include <chrono>
#include <string>

#include <snag/v1/snag.pb.h>

#include "cli/view/output.h"

namespace snag::cli {

// "pid 4242  CPython 3.12.1  uvicorn, uvloop  1 loop on MainThread", without a newline; of a core file
// "core FILE  pid 4242  CPython 3.12.1  layout from table 3.12".
[[nodiscard]] std::string target_line(const v1::Target& target);

// One stall in words, several lines. `with_pid`: several processes are watched.
[[nodiscard]] std::string stall_text(const v1::Stall& stall, bool with_pid, const Output& output);

}  // namespace snag::cli
