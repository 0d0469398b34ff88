#include "readers/python/runtime.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "readers/process/elf_image.h"
#include "readers/python/debug_offsets.h"
#include "readers/python/gil_place.h"
#include "readers/python/objects.h"

namespace snag::python {
namespace {

// Threads that are followed to prove a layout: enough to tell chance from structure.
constexpr int kProvingThreads = 8;

struct Candidate {
  Address runtime;
  std::optional<std::uint32_t> version_word;  // Py_Version: PY_VERSION_HEX, from 3.11 on
};

struct Numbers {
  Version version;
  std::string text;
};

// PY_VERSION_HEX: 0xMMmmpplS, level F for a final release.
Numbers numbers_of(std::uint32_t word) {
  const Version version{.major = static_cast<std::uint8_t>(word >> 24U),
                        .minor = static_cast<std::uint8_t>((word >> 16U) & 0xFFU)};
  return {.version = version,
          .text = std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
                  std::to_string((word >> 8U) & 0xFFU)};
}

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// The number after "python3.", as in libpython3.8.so.1.0, python3.8, /usr/lib/python3.8/lib-dynload.
std::optional<Version> version_in(std::string_view path) {
  constexpr std::string_view kMark = "python3.";
  const auto at = path.rfind(kMark);
  if (at == std::string_view::npos) return std::nullopt;
  std::uint8_t minor = 0;
  const auto digits = path.substr(at + kMark.size());
  if (std::from_chars(digits.data(), digits.data() + digits.size(), minor).ec != std::errc()) return std::nullopt;
  return Version{.major = 3, .minor = minor};
}

// Before 3.11 memory does not say the version; the file names do: first the runtime's own, then those of the standard
// library's extension modules.
std::optional<Version> version_by_names(const Mapping& mapping, std::span<const Mapping> mappings) {
  if (auto version = version_in(base_name(mapping.path))) return version;
  for (const auto& other : mappings) {
    if (!other.is_file()) continue;
    if (auto version = version_in(other.path)) return version;
  }
  return std::nullopt;
}

std::optional<Candidate> look_into(const ElfImage& image, std::span<const Mapping> of_file,
                                   const RemoteMemory& memory) {
  auto symbol = image.find_dynamic_symbol("_PyRuntime");
  auto section = image.find_section(".PyRuntime");
  if (!symbol && !section) return std::nullopt;
  auto bias = load_bias(image, of_file);
  if (!bias) return std::nullopt;
  Candidate found{.runtime = (symbol ? symbol->address : section->address) + bias->value, .version_word = std::nullopt};
  if (auto version = image.find_dynamic_symbol("Py_Version")) {
    auto word = memory.read_value<std::uint64_t>(version->address + bias->value, "Py_Version");
    if (word) found.version_word = static_cast<std::uint32_t>(*word);
  }
  return found;
}

// The first mapping of each file that may hold a runtime, the likeliest first: libpython, a python executable, the
// rest of what is executable (programs that embed it).
std::vector<Mapping> files_to_try(std::span<const Mapping> mappings) {
  std::vector<Mapping> files;
  for (const auto& mapping : mappings) {
    if (!mapping.is_file() || !mapping.executable) continue;
    const auto same = [&](const Mapping& other) {
      return other.device == mapping.device && other.inode == mapping.inode;
    };
    if (std::none_of(files.begin(), files.end(), same)) files.push_back(mapping);
  }
  const auto rank = [](const Mapping& mapping) {
    const auto name = base_name(mapping.path);
    if (name.starts_with("libpython")) return 0;
    return name.starts_with("python") ? 1 : 2;
  };
  std::stable_sort(files.begin(), files.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  return files;
}

std::string dotted(Version version) { return std::to_string(version.major) + "." + std::to_string(version.minor); }

// The versions are known to the table alone: this asks it.
std::string supported_versions() {
  std::optional<Version> first;
  Version last{};
  constexpr std::uint8_t kNoMinor = 100;
  for (Version version{.major = 3, .minor = 0}; version.minor < kNoMinor; ++version.minor) {
    if (find_layout(version) == nullptr) continue;
    if (!first) first = version;
    last = version;
  }
  return first ? dotted(*first) + " to " + dotted(last) + " are" : "no version is";
}

Error unsupported(Address runtime, std::string detail) {
  return {.kind = ErrorKind::kUnsupported, .what = "_PyRuntime", .where = runtime, .detail = std::move(detail)};
}

// What the target says of itself; nullopt before 3.13, which says nothing.
Result<std::optional<DebugOffsets>> own_offsets(const RemoteMemory& memory, Address runtime) {
  std::array<std::byte, kDebugOffsetsBytes> bytes{};
  if (auto done = memory.read(runtime, bytes, "_Py_DebugOffsets"); !done) return fail(done);
  auto offsets = DebugOffsets::parse(bytes);
  if (offsets) return std::optional(*offsets);
  if (offsets.error().kind == ErrorKind::kNotPython) return std::optional<DebugOffsets>();
  return fail(offsets);
}

Result<Address> first_interpreter(const RemoteMemory& memory, const Runtime& runtime) {
  auto interpreter = memory.read_pointer(runtime.address + runtime.layout.runtime_state.interpreters_head,
                                         "_PyRuntime.interpreters.head");
  if (!interpreter || !interpreter->is_null()) return interpreter;
  return fail({.kind = ErrorKind::kNotPython,
               .what = "_PyRuntime.interpreters.head",
               .where = runtime.address,
               .detail = "no interpreter: Python has not started yet, or is ending"});
}

// Objects begin as the layout says: sys.modules is a dict, whose type's type is `type`, which is its own type. It is
// not so where CPython was built with Py_TRACE_REFS, as debug builds of 3.7 were.
Result<void> prove_objects(const RemoteMemory& memory, const Runtime& runtime) {
  const auto& layout = runtime.layout;
  const ObjectReader objects(memory, layout);
  auto interpreter = first_interpreter(memory, runtime);
  if (!interpreter) return fail(interpreter);
  auto modules = memory.read_pointer(*interpreter + layout.interpreter_state.modules, "sys.modules");
  if (!modules) return fail(modules);
  if (modules->is_null()) return {};  // it is just starting
  const auto dict = objects.type_of(*modules);
  const auto type = dict ? objects.type_of(*dict) : dict;
  const auto itself = type ? objects.type_of(*type) : type;
  const auto name = dict ? objects.type_name(*dict) : Result<std::string>(fail(dict));
  if (itself && *itself == *type && name && *name == "dict") return {};
  return fail(unsupported(runtime.address, "its objects do not begin as those of CPython " + dotted(runtime.version) +
                                               " do: a build with Py_TRACE_REFS, or one that was changed; use the "
                                               "regular build"));
}

}  // namespace

Result<void> prove_threads(const RemoteMemory& memory, const Runtime& runtime) {
  const auto& layout = runtime.layout;
  auto interpreter = first_interpreter(memory, runtime);
  if (!interpreter) return fail(interpreter);
  auto thread = memory.read_pointer(*interpreter + layout.interpreter_state.threads_head, "PyInterpreterState.threads");
  if (!thread) return fail(thread);
  for (int count = 0; count < kProvingThreads && !thread->is_null(); ++count) {
    auto back = memory.read_pointer(*thread + layout.thread_state.interp, "PyThreadState.interp");
    if (!back) return fail(back);
    if (*back != *interpreter) {
      return fail(unsupported(runtime.address, "the layout of CPython " + dotted(runtime.version) +
                                                   " does not fit: PyThreadState.interp does not point back"));
    }
    thread = memory.read_pointer(*thread + layout.thread_state.next, "PyThreadState.next");
    if (!thread) return fail(thread);
  }
  return {};
}

Result<Runtime> prove_runtime(const RemoteMemory& memory, Address address, Version version) {
  auto own = own_offsets(memory, address);
  if (!own) return fail(own);
  const bool free_threaded = *own && (*own)->free_threaded();
  const Layout* row = find_layout(version, free_threaded);
  if (row == nullptr) {
    return fail(unsupported(address, "CPython " + dotted(version) + " is not supported; " + supported_versions()));
  }
  Runtime runtime{.address = address,
                  .version = version,
                  .version_text = dotted(version),
                  .layout_source = "table " + dotted(version) + (free_threaded ? "t" : ""),
                  .file = {},
                  .layout = *row,
                  .dialect = dialect_of(version)};
  if (*own) {
    auto layout = layout_from_debug_offsets(**own, *row);
    if (!layout) return fail(layout);
    runtime.layout = *layout;
    runtime.layout_source = "_Py_DebugOffsets";
  }
  if (auto done = prove_threads(memory, runtime); !done) return fail(done);
  if (auto done = prove_objects(memory, runtime); !done) return fail(done);
  settle_gil_place(memory, address, runtime.layout);
  return runtime;
}

Result<Runtime> find_runtime(const ElfOpener& open, const RemoteMemory& memory, std::span<const Mapping> mappings) {
  std::optional<Error> first_error;
  for (const auto& file : files_to_try(mappings)) {
    auto image = open(file);
    if (!image) continue;
    auto found = look_into(*image, mappings_of_file(mappings, file), memory);
    if (!found) continue;
    std::optional<Numbers> numbers;
    if (found->version_word) {
      numbers = numbers_of(*found->version_word);
    } else if (auto version = version_by_names(file, mappings)) {
      numbers = Numbers{.version = *version, .text = dotted(*version)};
    }
    if (!numbers) return fail(unsupported(found->runtime, "the version of CPython could not be found out"));
    auto runtime = prove_runtime(memory, found->runtime, numbers->version);
    if (runtime) {
      runtime->version_text = numbers->text;
      runtime->file = file.path;
      return runtime;
    }
    if (!first_error) first_error = runtime.error();
  }
  if (first_error) return fail(*first_error);
  return fail({.kind = ErrorKind::kNotPython,
               .what = "_PyRuntime",
               .detail = "not a CPython process: none of its files has a Python runtime"});
}

}  // namespace snag::python
