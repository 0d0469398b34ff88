#include "readers/python/layouts/extract/command_line.h"

#include <cstdio>

namespace snag::python {
namespace {

// "3.8.18" → 3.8
std::optional<Version> version_of(const char* release) {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned patch = 0;
  char rest = 0;
  // NOLINTNEXTLINE(cert-err34-c): numbers too large are refused by the bound below
  if (std::sscanf(release, "%3u.%3u.%3u%c", &major, &minor, &patch, &rest) != 3) return std::nullopt;
  if (major > 255 || minor > 255) return std::nullopt;
  return Version{.major = static_cast<std::uint8_t>(major), .minor = static_cast<std::uint8_t>(minor)};
}

}  // namespace

std::optional<InterpreterArguments> parse_interpreter(std::span<char*> arguments) {
  const bool counted = arguments.size() == 3 || arguments.size() == 4;
  const auto version = counted ? version_of(arguments[1]) : std::nullopt;
  if (!version) {
    std::fprintf(stderr, "usage: %s RELEASE PYTHON [ASYNCIO], as in 3.8.18 libpython3.8.so.1.0 _asyncio.so\n",
                 arguments.empty() ? "snag-layout-extract" : arguments[0]);
    return std::nullopt;
  }
  return InterpreterArguments{.release = arguments[1],
                              .version = *version,
                              .files = {.python = arguments[2], .asyncio = arguments.size() == 4 ? arguments[3] : ""}};
}

std::optional<Layout> extract_or_say_why(const InterpreterArguments& interpreter) {
  auto layout = extract_layout(interpreter.version, interpreter.files);
  if (layout) return *layout;
  std::fprintf(stderr, "%s: %s\n", interpreter.files.python.c_str(), describe(layout.error()).c_str());
  return std::nullopt;
}

}  // namespace snag::python
