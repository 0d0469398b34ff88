#pragma once

#include <string>

#include <snag/v1/snag.pb.h>

#include "cli/view/output.h"

namespace snag::cli {

// One thread's stack, innermost frame first, and what is known of the thread above it; `of_core`: it was
// read from a core file, which tells of no states.
[[nodiscard]] std::string thread_text(const v1::ThreadDump& thread, bool of_core, const Output& output);

}  // namespace snag::cli
