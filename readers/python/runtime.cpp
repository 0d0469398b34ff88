#include "readers/python/runtime.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>

#include "readers/process/elf_image.h"
#include "readers/process/loaded_elf.h"
#include "readers/python/debug_offsets.h"
#include "readers/python/gil_place.h"
#include "readers/python/objects.h"
#include "readers/python/other_program.h"
#include "readers/python/runtime_version.h"

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

std::optional<std::uint32_t> version_word_at(const RemoteMemory& memory, std::optional<Address> place) {
  if (!place) return std::nullopt;
  auto word = memory.read_value<std::uint64_t>(*place, "Py_Version");
  if (!word) return std::nullopt;
  return static_cast<std::uint32_t>(*word);
}

// By what is loaded alone: that is the truth also where the file was deleted, replaced or may not be opened, and takes
// a few reads of memory.
std::optional<Candidate> look_into_memory(const RemoteMemory& memory, std::span<const Mapping> of_file) {
  auto elf = find_loaded_elf(memory, of_file);
  if (!elf) return std::nullopt;
  auto runtime = find_exported(memory, *elf, "_PyRuntime");
  if (!runtime) return std::nullopt;
  return Candidate{.runtime = *runtime,
                   .version_word = version_word_at(memory, find_exported(memory, *elf, "Py_Version"))};
}

// By the file, for programs that do not export the runtime: its section, or the symbol table that debuggers use.
std::optional<Candidate> look_into_file(const ElfImage& image, std::span<const Mapping> of_file,
                                        const RemoteMemory& memory) {
  auto symbol = image.find_dynamic_symbol("_PyRuntime");
  auto section = image.find_section(".PyRuntime");
  if (!symbol && !section) return std::nullopt;
  auto bias = load_bias(image.segments(), of_file);
  if (!bias) return std::nullopt;
  std::optional<Address> version;
  if (auto found = image.find_dynamic_symbol("Py_Version")) version = found->address + bias->value;
  return Candidate{.runtime = (symbol ? symbol->address : section->address) + bias->value,
                   .version_word = version_word_at(memory, version)};
}

using Look = std::function<std::optional<Candidate>(const Mapping& file, std::span<const Mapping> of_file)>;

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

// Follows interpreter → threads → interpreter. A wrong layout does not survive it.
Result<void> prove(const RemoteMemory& memory, const Runtime& runtime) {
  const auto& layout = runtime.layout;
  auto interpreter =
      memory.read_pointer(runtime.address + layout.runtime_state.interpreters_head, "_PyRuntime.interpreters.head");
  if (!interpreter) return fail(interpreter);
  if (interpreter->is_null()) {
    return fail({.kind = ErrorKind::kNotPython,
                 .what = "_PyRuntime.interpreters.head",
                 .where = runtime.address,
                 .detail = "no interpreter: Python has not started yet in it, or has ended"});
  }
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

// Objects begin as the layout says: sys.modules is a dict, whose type's type is `type`, which is its own type. It is
// not so where CPython was built with Py_TRACE_REFS, as debug builds of 3.7 were.
Result<void> prove_objects(const RemoteMemory& memory, const Runtime& runtime) {
  const auto& layout = runtime.layout;
  const ObjectReader objects(memory, layout);
  auto interpreter =
      memory.read_pointer(runtime.address + layout.runtime_state.interpreters_head, "_PyRuntime.interpreters.head");
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

// What was found in this file, with the version that it says or that names tell.
Result<Runtime> prove_candidate(const RemoteMemory& memory, const Candidate& found, const Mapping& file,
                                std::span<const Mapping> mappings) {
  std::optional<Numbers> numbers;
  if (found.version_word) {
    numbers = numbers_of(*found.version_word);
  } else if (auto version = version_by_names(file, mappings, memory)) {
    numbers = Numbers{.version = *version, .text = dotted(*version)};
  }
  if (!numbers) return fail(unsupported(found.runtime, "the version of CPython could not be found out"));
  auto runtime = prove_runtime(memory, found.runtime, numbers->version);
  if (!runtime) return runtime;
  runtime->version_text = numbers->text;
  runtime->file = file.path;
  return runtime;
}

}  // namespace

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
  if (auto done = prove(memory, runtime); !done) return fail(done);
  if (auto done = prove_objects(memory, runtime); !done) return fail(done);
  settle_gil_place(memory, address, runtime.layout);
  return runtime;
}

Result<Runtime> find_runtime(const ElfOpener& open, const RemoteMemory& memory, std::span<const Mapping> mappings) {
  const auto by_memory = [&](const Mapping& /*file*/, std::span<const Mapping> of_file) {
    return look_into_memory(memory, of_file);
  };
  const auto by_file = [&](const Mapping& file, std::span<const Mapping> of_file) {
    auto image = open(file);
    return image ? look_into_file(*image, of_file, memory) : std::nullopt;
  };
  const auto files = files_to_try(mappings);
  std::optional<Error> first_error;
  // Some hundred files may be mapped, and opening them all takes far longer than looking into what is loaded.
  for (const auto& look : {Look(by_memory), Look(by_file)}) {
    for (const auto& file : files) {
      const auto found = look(file, mappings_of_file(mappings, file));
      if (!found) continue;
      auto runtime = prove_candidate(memory, *found, file, mappings);
      if (runtime) return runtime;
      if (!first_error) first_error = runtime.error();
    }
  }
  if (first_error) return fail(*first_error);
  return fail(describe_other_program(open, memory, mappings));
}

}  // namespace snag::python
