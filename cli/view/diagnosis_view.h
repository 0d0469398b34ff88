#pragma once

#include <string>

#include <snag/v1/snag.pb.h>

#include "cli/view/output.h"

namespace snag::cli {

// What doctor looked at, what is missing, and the command that mends it.
[[nodiscard]] std::string diagnosis_text(const v1::Diagnosis& diagnosis, const Output& output);

}  // namespace snag::cli
