#pragma once

#include <span>
#include <string>

#include "cli/commands/environment.h"

namespace snag::cli {

// The whole program but for what belongs to the process: `arguments` are those of main() without the program's name.
[[nodiscard]] ExitStatus run(std::span<const std::string> arguments, Environment& environment);

}  // namespace snag::cli
