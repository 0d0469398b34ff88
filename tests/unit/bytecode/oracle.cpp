#include "tests/unit/bytecode/oracle.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "readers/python/bytecode/opcodes.h"

namespace snag::test {
namespace {

// "3.11" as `python3` at this path says of itself.
std::optional<python::Version> version_of(const std::string& path) {
  const std::string command = path + " -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null";
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  char line[32] = {};
  const bool answered = std::fgets(line, sizeof line, pipe) != nullptr;
  pclose(pipe);
  if (!answered) return std::nullopt;
  char* rest = nullptr;
  const auto major = static_cast<std::uint8_t>(std::strtoul(line, &rest, 10));
  return python::Version{major, static_cast<std::uint8_t>(std::strtoul(rest, nullptr, 10))};
}

std::filesystem::path pyenv_root() {
  if (const char* root = std::getenv("PYENV_ROOT")) return root;
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "/" : home) / ".pyenv";
}

}  // namespace

std::vector<Interpreter> interpreters() {
  std::vector<Interpreter> found;
  const auto add = [&](const std::string& path, const std::string& name) {
    const auto version = version_of(path);
    if (version && python::find_opcodes(*version) != nullptr) found.push_back({path, name, *version});
  };
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(pyenv_root() / "versions", none)) {
    add((entry.path() / "bin/python3").string(), entry.path().filename().string());
  }
  add("/usr/bin/python3", "/usr/bin/python3");
  std::ranges::sort(found, {}, &Interpreter::version);
  for (std::uint8_t minor = 8; minor <= 13; ++minor) {
    const python::Version version{3, minor};
    if (std::ranges::find(found, version, &Interpreter::version) == found.end()) {
      std::printf("skipped: this machine has no Python 3.%d\n", minor);
    }
  }
  return found;
}

Oracle::Oracle(const Interpreter& interpreter, const std::string& script) {
  const std::string command = interpreter.path + " -W ignore " SNAG_TEST_SOURCE_DIR "/" + script;
  pipe_.reset(popen(command.c_str(), "r"));
}

bool Oracle::read(void* to, std::size_t size) { return size == 0 || std::fread(to, size, 1, pipe_.get()) == 1; }

std::optional<Record> Oracle::next() {
  std::uint32_t count = 0;
  if (!read(&count, sizeof count)) return std::nullopt;
  Record record(count);
  for (Field& field : record) {
    std::uint32_t size = 0;
    if (!read(&size, sizeof size)) return std::nullopt;
    field.resize(size);
    if (!read(field.data(), size)) return std::nullopt;
  }
  return record;
}

int Oracle::finish() { return pclose(pipe_.release()); }

}  // namespace snag::test
