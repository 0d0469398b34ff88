#pragma once

#include <optional>
#include <span>
#include <string>

#include "readers/python/layouts/extract/extract_layout.h"

namespace snag::python {

inline constexpr int kWrongUsage = 2;

// RELEASE PYTHON [ASYNCIO], as both programs here take it.
struct InterpreterArguments {
  std::string release;  // "3.8.18"
  Version version;
  InterpreterFiles files;
};

// nullopt, with the usage on stderr, where the arguments (argv[0] included) are not of that form.
[[nodiscard]] std::optional<InterpreterArguments> parse_interpreter(std::span<char*> arguments);

// The layout, or nullopt with the reason on stderr.
[[nodiscard]] std::optional<Layout> extract_or_say_why(const InterpreterArguments& interpreter);

}  // namespace snag::python
