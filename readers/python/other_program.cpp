#include "readers/python/other_program.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "readers/process/loaded_elf.h"
#include "readers/python/runtime.h"
#include "readers/python/runtime_version.h"

namespace snag::python {
namespace {

// A file that is mapped, by the beginning of its name, and what a process is that has it.
struct Mark {
  std::string_view file;
  bool whole;  // the name is just this
  const char* program;
};
constexpr std::array kMarks{
    Mark{.file = "micropython", .whole = false, .program = "MicroPython, not CPython"},
    Mark{.file = "node", .whole = true, .program = "a Node.js program"},
    Mark{.file = "nodejs", .whole = true, .program = "a Node.js program"},
    Mark{.file = "libnode.so", .whole = false, .program = "a Node.js program"},
    Mark{.file = "libjvm.so", .whole = true, .program = "a Java program"},
    Mark{.file = "libcoreclr.so", .whole = true, .program = "a .NET program"},
    Mark{.file = "ruby", .whole = false, .program = "a Ruby program"},
    Mark{.file = "perl", .whole = false, .program = "a Perl program"},
    Mark{.file = "php", .whole = false, .program = "a PHP program"},
    Mark{.file = "sh", .whole = true, .program = "a shell"},
    Mark{.file = "dash", .whole = true, .program = "a shell"},
    Mark{.file = "bash", .whole = true, .program = "a shell"},
    Mark{.file = "zsh", .whole = false, .program = "a shell"},
    Mark{.file = "fish", .whole = true, .program = "a shell"},
    Mark{.file = "busybox", .whole = false, .program = "BusyBox"},
};

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

Error refusal(ErrorKind kind, std::string detail) {
  return {.kind = kind, .what = "_PyRuntime", .detail = std::move(detail)};
}

// "2.7" of "libpython2.7.so.1.0"; "" where no number follows the mark.
std::string version_after(std::string_view name, std::string_view mark) {
  if (!name.starts_with(mark)) return {};
  name.remove_prefix(mark.size());
  name = name.substr(0, name.find_first_not_of("0123456789."));
  while (name.ends_with('.')) name.remove_suffix(1);
  return std::string(name);
}

std::optional<Error> find_pypy(std::span<const Mapping> mappings) {
  for (const auto& mapping : mappings) {
    const auto name = base_name(mapping.path);
    if (!mapping.is_file() || (!name.starts_with("libpypy") && !name.starts_with("pypy"))) continue;
    const auto version = version_after(name, name.starts_with("lib") ? "libpypy" : "pypy");
    return refusal(ErrorKind::kNotPython, "it is PyPy" + (version.empty() ? version : " " + version) +
                                              ", which Snag does not read: only CPython");
  }
  return std::nullopt;
}

// Before 3.7 there was no _PyRuntime, and this variable instead.
std::optional<Error> find_old_cpython(const RemoteMemory& memory, std::span<const Mapping> mappings) {
  for (const auto& mapping : mappings) {
    if (!mapping.is_file() || !mapping.executable) continue;
    const auto elf = find_loaded_elf(memory, mappings_of_file(mappings, mapping));
    if (!elf || !find_exported(memory, *elf, "_PyThreadState_Current")) continue;
    const auto name = base_name(mapping.path);
    auto version = version_after(name, name.starts_with("lib") ? "libpython" : "python");
    version = version.empty() ? "of before 3.7" : version;
    return refusal(ErrorKind::kUnsupported, "CPython " + version + " is not supported; " + supported_versions());
  }
  return std::nullopt;
}

// The first file that is mapped: the kernel puts the executable lowest.
const Mapping* executable_of(std::span<const Mapping> mappings) {
  const auto found = std::find_if(mappings.begin(), mappings.end(), [](const auto& m) { return m.is_file(); });
  return found == mappings.end() ? nullptr : &*found;
}

// Its own name, extension modules of its standard library, or its messages give a CPython away.
bool has_stripped_cpython(const RemoteMemory& memory, std::span<const Mapping> mappings) {
  for (const auto& mapping : mappings) {
    const auto name = base_name(mapping.path);
    if (!mapping.is_file() || !mapping.executable) continue;
    if (name.starts_with("python3") || name.starts_with("libpython3")) return true;
    if (mapping.path.find("/lib-dynload/") != std::string::npos) return true;
  }
  const Mapping* executable = executable_of(mappings);
  return executable != nullptr && has_cpython_constants(mappings_of_file(mappings, *executable), memory);
}

bool is_go(const ElfOpener& open, std::span<const Mapping> mappings) {
  const Mapping* executable = executable_of(mappings);
  if (executable == nullptr) return false;
  auto image = open(*executable);
  return image && (image->find_section(".go.buildinfo") || image->find_section(".note.go.buildid"));
}

}  // namespace

Error describe_other_program(const ElfOpener& open, const RemoteMemory& memory, std::span<const Mapping> mappings) {
  if (auto pypy = find_pypy(mappings)) return *std::move(pypy);
  if (auto old = find_old_cpython(memory, mappings)) return *std::move(old);
  for (const auto& mapping : mappings) {
    if (!mapping.is_file()) continue;
    const auto name = base_name(mapping.path);
    const auto* mark = std::find_if(kMarks.begin(), kMarks.end(), [&](const Mark& candidate) {
      return candidate.whole ? name == candidate.file : name.starts_with(candidate.file);
    });
    if (mark != kMarks.end()) return refusal(ErrorKind::kNotPython, std::string("it is ") + mark->program);
  }
  if (is_go(open, mappings)) return refusal(ErrorKind::kNotPython, "it is a Go program");
  if (has_stripped_cpython(memory, mappings)) {
    return refusal(
        ErrorKind::kUnsupported,
        "it has a CPython in it, but was stripped of every symbol and section that tells where its runtime is: "
        "run it unstripped, or linked with -rdynamic");
  }
  return refusal(ErrorKind::kNotPython, "not a CPython process: none of its files has a Python runtime");
}

}  // namespace snag::python
