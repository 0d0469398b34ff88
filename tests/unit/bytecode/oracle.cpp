#include "tests/unit/bytecode/oracle.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "readers/python/bytecode/opcodes.h"

namespace snag::test {
namespace {

// "3.11" as the interpreter says of itself.
std::optional<python::Version> version_of(const std::string& command) {
  std::FILE* pipe = popen((command + " -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null").c_str(), "r");
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

std::filesystem::path other_root() {
  if (const char* root = std::getenv("SNAG_SID_ROOT")) return root;
  if (const char* cache = std::getenv("XDG_CACHE_HOME")) return std::filesystem::path(cache) / "snag/sid";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "/" : home) / ".cache/snag/sid";
}

// An interpreter of another root, by that root's own dynamic linker and libraries: that needs no privilege, and the
// scripts lie where they are. The root is left as it is, without caches of bytecode.
std::string in_other_root(const std::filesystem::path& root, const std::string& python) {
  const std::string usr = (root / "usr").string();
  return "PYTHONHOME='" + usr + "' PYTHONDONTWRITEBYTECODE=1 '" + (root / "lib64/ld-linux-x86-64.so.2").string() +
         "' --library-path '" + usr + "/lib/x86_64-linux-gnu' '" + usr + "/bin/" + python + "'";
}

}  // namespace

std::vector<Interpreter> interpreters() {
  std::vector<Interpreter> found;
  const auto add = [&](const std::string& command, const std::string& name) {
    const auto version = version_of(command);
    if (version && python::find_opcodes(*version) != nullptr) found.push_back({command, name, *version});
  };
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(pyenv_root() / "versions", none)) {
    add((entry.path() / "bin/python3").string(), entry.path().filename().string());
  }
  add("/usr/bin/python3", "/usr/bin/python3");
  for (const char* version : {"3.14", "3.15"}) {
    add(in_other_root(other_root(), std::string("python") + version), std::string(version) + " (other root)");
  }
  std::ranges::sort(found, {}, &Interpreter::version);
  for (std::uint8_t minor = 7; minor <= 15; ++minor) {
    const python::Version version{3, minor};
    if (std::ranges::find(found, version, &Interpreter::version) != found.end()) continue;
    std::printf("skipped: this machine has no Python 3.%d (looked in %s, /usr/bin and %s)\n", minor,
                pyenv_root().c_str(), other_root().c_str());
  }
  return found;
}

Oracle::Oracle(const Interpreter& interpreter, const std::string& script, const std::string& environment) {
  const std::string command = environment + " " + interpreter.command + " -W ignore " SNAG_TEST_SOURCE_DIR "/" + script;
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
