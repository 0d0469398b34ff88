#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "readers/process/elf_headers.h"
#include "readers/process/mappings.h"
#include "readers/process/remote_memory.h"

namespace snag {

// An ELF file as it lies in the target's memory, where it is what the target runs: whatever has happened since to the
// file, its name, or our right to open it.
struct LoadedElf {
  Address bias;  // what to add to an address as linked
  ElfProgram program;
};

// By the headers in the file's first page, which linkers put into a segment. kInconsistent where they are not mapped.
[[nodiscard]] Result<LoadedElf> find_loaded_elf(const RemoteMemory& memory, std::span<const Mapping> of_this_file);

// Where a defined dynamic symbol lies in the target's memory.
[[nodiscard]] std::optional<Address> find_exported(const RemoteMemory& memory, const LoadedElf& elf,
                                                   std::string_view name);

// What to add to an address as linked, given all mappings of that file. Every PT_LOAD is matched by its file offset:
// the lowest executable mapping would be wrong, since libffi's trampolines map a page of the executable a second time.
// kInconsistent when no mapping fits.
[[nodiscard]] Result<Address> load_bias(std::span<const ElfSegment> segments, std::span<const Mapping> of_this_file);

}  // namespace snag
