// snag-layout-extract RELEASE PYTHON ASYNCIO: prints the row of layout offsets for one interpreter.
//
//   snag-layout-extract 3.8.18 lib/libpython3.8.so.1.0 lib/python3.8/lib-dynload/_asyncio.*.so > rows/cpython_3_8.inc

#include <cstdio>
#include <optional>
#include <span>
#include <string>

#include "readers/python/layouts/extract/extract_layout.h"

namespace {

constexpr int kWrongUsage = 2;

// "3.8.18" → 3.8
std::optional<snag::python::Version> version_of(const char* release) {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned patch = 0;
  char rest = 0;
  // NOLINTNEXTLINE(cert-err34-c): numbers too large are refused by the bound below
  if (std::sscanf(release, "%3u.%3u.%3u%c", &major, &minor, &patch, &rest) != 3) return std::nullopt;
  if (major > 255 || minor > 255) return std::nullopt;
  return snag::python::Version{.major = static_cast<std::uint8_t>(major), .minor = static_cast<std::uint8_t>(minor)};
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
  const auto version = argc == 4 ? version_of(arguments[1]) : std::nullopt;
  if (!version) {
    std::fputs("usage: snag-layout-extract RELEASE PYTHON ASYNCIO, as in 3.8.18 libpython3.8.so.1.0 _asyncio.so\n",
               stderr);
    return kWrongUsage;
  }
  const auto layout = snag::python::extract_layout(*version, {.python = arguments[2], .asyncio = arguments[3]});
  if (!layout) {
    std::fprintf(stderr, "snag-layout-extract: %s\n", snag::describe(layout.error()).c_str());
    return 1;
  }
  std::fputs(snag::python::row_text(*layout, arguments[1]).c_str(), stdout);
  return 0;
}
