#pragma once

#include <span>
#include <string>

#include <snag/v1/snag.pb.h>

#include "cli/view/output.h"

namespace snag::cli {

// A table of processes, and below it why some cannot be attached, each reason once.
[[nodiscard]] std::string process_table(std::span<const v1::Process> processes, const Output& output);

}  // namespace snag::cli
