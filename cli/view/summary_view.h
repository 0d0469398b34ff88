#pragma once

#include <string>

#include <snag/v1/snag.pb.h>

namespace snag::cli {

// What was achieved and what was lost, on one line: "30.0 s: 2,990 stacks whole, 8 partial, 2 lost (unreadable 2), …".
// Every output of Snag states it.
[[nodiscard]] std::string summary_line(const v1::SamplingSummary& summary);
// "3 lost (inconsistent 2, slow reader 1)"
[[nodiscard]] std::string losses(const v1::SamplingSummary& summary);

}  // namespace snag::cli
