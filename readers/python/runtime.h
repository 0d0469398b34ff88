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

// "3.8 to 3.13 are": those with a proved layout, as refusals of others name them.
[[nodiscard]] std::string supported_versions();

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

// Looks through the target's mapped ELF files (libpython, then the executable, then what else is executable) for the
// dynamic symbol _PyRuntime, first in what is loaded, then in the files, there also for the section .PyRuntime.
// kNotPython: none has it, or it has not started; the detail says what else it is, where that can be known.
// kUnsupported: it has one, of a version or build without a proved layout.
[[nodiscard]] Result<Runtime> find_runtime(const ElfOpener& open, const RemoteMemory& memory,
                                           std::span<const Mapping> mappings);

// The same, for a runtime whose place and version are known: chooses the layout and proves it on the memory.
[[nodiscard]] Result<Runtime> prove_runtime(const RemoteMemory& memory, Address runtime, Version version);

}  // namespace snag::python
