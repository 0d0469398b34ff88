#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "readers/process/elf_image.h"
#include "readers/process/mappings.h"
#include "readers/process/remote_memory.h"
#include "readers/python/layout.h"

namespace snag::python {

// A CPython runtime in a target's memory, found and proved: its interpreters and threads were followed once and point
// back to each other.
struct Runtime {
  Address address;  // of _PyRuntime
  Version version;
  std::string version_text;   // "3.11.2"; "3.8" where the patch level is not written in memory
  std::string layout_source;  // "_Py_DebugOffsets" or "table 3.11"
  std::string file;           // the ELF file that holds it, as the target names it
  Layout layout;
  Dialect dialect;
};

// Looks through the target's mapped ELF files (the executable, then libpython, then what else is executable) for the
// section .PyRuntime or the dynamic symbol _PyRuntime.
// kNotPython: none has it; kUnsupported: it has one, of a version or build without a proved layout.
[[nodiscard]] Result<Runtime> find_runtime(const ElfOpener& open, const RemoteMemory& memory,
                                           std::span<const Mapping> mappings);

// Whether the runtime is still there: follows interpreter → threads → interpreter. A wrong layout does not survive it.
[[nodiscard]] Result<void> prove_threads(const RemoteMemory& memory, const Runtime& runtime);

// The same as find_runtime, for a runtime whose place and version are known: chooses the layout and proves it on the
// memory.
[[nodiscard]] Result<Runtime> prove_runtime(const RemoteMemory& memory, Address runtime, Version version);

}  // namespace snag::python
