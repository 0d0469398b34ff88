#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <elf.h>

#include "readers/base/address.h"
#include "readers/base/result.h"

namespace snag {

// Executables have some ten to fifteen.
inline constexpr std::size_t kMaxProgramHeaders = 256;

// A PT_LOAD.
struct ElfSegment {
  Address address;  // as linked: add the load bias
  std::uint64_t file_offset = 0;
  std::uint64_t file_size = 0;
  std::uint64_t memory_size = 0;
  bool executable = false;
};

// What the program headers say: they are there in memory as well as in the file, and also when everything that linkers
// and debuggers use was stripped.
struct ElfProgram {
  std::vector<ElfSegment> segments;  // ascending addresses; never empty
  std::optional<Elf64_Phdr> dynamic;
  std::vector<Elf64_Phdr> notes;
};

// Whether it is the header of an x86-64 executable or shared object, and asks for no more segments than one has:
// kUnsupported or kOutOfBounds where not.
[[nodiscard]] Result<void> check_elf_header(const Elf64_Ehdr& header);
// kInconsistent where they cannot be those of something that the kernel has loaded.
[[nodiscard]] Result<ElfProgram> parse_program_headers(std::span<const Elf64_Phdr> headers);

}  // namespace snag
