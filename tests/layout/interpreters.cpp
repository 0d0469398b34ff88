#include "tests/layout/interpreters.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

namespace snag::python {
namespace {

namespace fs = std::filesystem;

constexpr std::uint8_t kOldestMinor = 7;
constexpr std::uint8_t kNewestMinor = 15;

// The _asyncio of an interpreter's library folder; not that of a debug build, whose ABI tag ends in d.
std::optional<std::string> asyncio_in(const fs::path& library, const std::string& digits) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(library / "lib-dynload", error)) {
    const std::string name = entry.path().filename().string();
    // "37m": 3.7 still says by which allocator it was built
    const bool ours =
        name.starts_with("_asyncio.cpython-" + digits + "-") || name.starts_with("_asyncio.cpython-" + digits + "m-");
    if (ours) return entry.path().string();
  }
  return std::nullopt;
}

fs::path pyenv_versions() {
  if (const char* root = std::getenv("PYENV_ROOT")) return fs::path(root) / "versions";
  const char* home = std::getenv("HOME");
  return fs::path(home == nullptr ? "/" : home) / ".pyenv" / "versions";
}

// Where tests/interpreters/roots.py lays the roots of other suites.
fs::path other_roots() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return fs::path(cache) / "snag";
  const char* home = std::getenv("HOME");
  return fs::path(home == nullptr ? "/" : home) / ".cache" / "snag";
}

}  // namespace

std::vector<Interpreter> find_interpreters() {
  std::vector<Interpreter> found;
  for (std::uint8_t minor = kOldestMinor; minor <= kNewestMinor; ++minor) {
    const std::string digits = "3" + std::to_string(minor);
    const std::string dotted = "3." + std::to_string(minor);
    const auto add = [&](const std::string& name, const fs::path& python, const fs::path& library) {
      if (!fs::exists(python) || !fs::exists(library)) return;
      // Debian builds asyncio into the program from 3.14 on.
      const std::string asyncio = asyncio_in(library, digits).value_or(python.string());
      found.push_back({.name = name,
                       .version = {.major = 3, .minor = minor},
                       .files = {.python = python.string(), .asyncio = asyncio}});
    };
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(pyenv_versions(), error)) {
      const std::string name = entry.path().filename().string();
      // "3.13.0", and neither "3.13t-dev" nor the environments that pyenv keeps beside them
      if (!name.starts_with(dotted + ".") || name.find_first_not_of("0123456789.") != std::string::npos) continue;
      const fs::path lib = entry.path() / "lib";
      fs::path shared = lib / ("libpython" + dotted + ".so.1.0");
      if (!fs::exists(shared)) shared = lib / ("libpython" + dotted + "m.so.1.0");
      add(name, fs::exists(shared) ? shared : entry.path() / "bin" / ("python" + dotted), lib / ("python" + dotted));
    }
    add(dotted + " of the distribution", fs::path("/usr/bin") / ("python" + dotted),
        fs::path("/usr/lib") / ("python" + dotted));
    for (const char* suite : {"trixie", "sid"}) {
      const fs::path usr = other_roots() / suite / "usr";
      add(dotted + " of Debian " + suite, usr / "bin" / ("python" + dotted), usr / "lib" / ("python" + dotted));
    }
  }
  return found;
}

}  // namespace snag::python
