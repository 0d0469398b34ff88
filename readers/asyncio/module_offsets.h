#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "readers/base/result.h"
#include "readers/process/elf_image.h"
#include "readers/process/mappings.h"
#include "readers/python/layout.h"

namespace snag::asyncio {

// _Py_AsyncioModuleDebugOffsets: from 3.14 on, the ELF section .AsyncioDebug of the file that _asyncio lies in tells
// where the members of its own structs lie (Modules/_asynciomodule.c). 13 words, statically initialised.
inline constexpr std::size_t kModuleOffsetsBytes = 104;

// What Snag uses of them, each within its struct.
struct ModuleOffsets {
  python::Offset task_name;
  python::Offset task_coroutine;
  python::Offset running_loop;  // of _PyThreadStateImpl, as all below
  python::Offset running_task;
  friend bool operator==(const ModuleOffsets&, const ModuleOffsets&) = default;
};

// kInconsistent: cut off; kOutOfBounds: an offset lies outside of its struct, or the struct is absurdly large.
[[nodiscard]] Result<ModuleOffsets> parse_module_offsets(std::span<const std::byte> bytes);

// Finds them among a target's files: in an extension module _asyncio, or in `runtime_file`, which has the interpreter
// and may have its modules built in. nullopt: it has not loaded _asyncio, or is too old.
[[nodiscard]] Result<std::optional<ModuleOffsets>> find_module_offsets(const ElfOpener& open,
                                                                       std::string_view runtime_file,
                                                                       std::span<const Mapping> mappings);

// The same, for a reader that does not know where the target's files are.
using ModuleOffsetsSource = std::function<std::optional<ModuleOffsets>()>;

}  // namespace snag::asyncio
