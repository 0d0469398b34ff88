#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "readers/process/elf_headers.h"

namespace snag {

struct ElfSymbol {
  Address address;  // as linked: add the load bias
  std::uint64_t size = 0;
};

// Copies the bytes at an address as linked; false where there are none. From the file, or from memory.
using ReadLinked = std::function<bool(Address linked, std::span<std::byte> into)>;

// A defined symbol, by the tables of the dynamic linker alone (PT_DYNAMIC, DT_GNU_HASH): they are there whatever was
// stripped, and one name takes some six small reads. `bias`: what the dynamic linker may have added to the tables'
// addresses already; 0 for a file.
[[nodiscard]] std::optional<ElfSymbol> find_in_gnu_hash(const ReadLinked& read, const ElfProgram& program,
                                                        std::uint64_t bias, std::string_view name);

}  // namespace snag
