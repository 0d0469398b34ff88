#pragma once

#include <optional>
#include <string>

#include "cli/arguments.h"
#include "cli/commands/environment.h"

namespace snag::cli {

[[nodiscard]] ExitStatus run_stalls(const StallsOptions& options, bool json, const std::optional<std::string>& socket,
                                    Environment& environment);

}  // namespace snag::cli
