#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include <elf.h>

namespace snag {

// All of `into` from this offset on, or false.
using ReadAt = std::function<bool(std::uint64_t offset, std::span<std::byte> into)>;

struct ElfNote {
  std::uint32_t type = 0;
  std::string owner;         // "CORE", "LINUX", "GNU"; empty for a longer one, which is none that is asked for
  std::uint64_t offset = 0;  // of its contents
  std::uint32_t size = 0;    // bytes
};

// Calls `take` with each note of one PT_NOTE until it returns false. Only the heads are read, so that the notes of a
// core file (some kilobytes a thread) never lie in memory as a whole; gelf_getnote() would want that. False: what
// follows the last note taken is none, lies beyond the segment, or there are more than kMaxNotes.
[[nodiscard]] bool for_each_note(const ReadAt& read, const Elf64_Phdr& segment,
                                 const std::function<bool(const ElfNote&)>& take);

// NT_GNU_BUILD_ID in lower-case hexadecimal, from the first of the segments that has one.
[[nodiscard]] std::optional<std::string> find_build_id(const ReadAt& read, std::span<const Elf64_Phdr> segments);

}  // namespace snag
