#include "readers/process/elf_notes.h"

#include <array>
#include <cstring>
#include <string_view>
#include <vector>

namespace snag {
namespace {

// The kernel writes four to eight notes a thread into a core file, and 65,536 threads are more than Snag follows.
constexpr std::size_t kMaxNotes = std::size_t{1} << 19U;
// Of a note's owner, with its end: "LINUX" is the longest that is asked for.
constexpr std::size_t kMaxOwner = 8;
// A build id is 20 bytes, and its note one of a few in a segment of some hundred.
constexpr std::size_t kMaxBuildId = 64;
constexpr std::uint64_t kMaxBuildIdSegment = std::uint64_t{64} << 10U;

std::string hexadecimal(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text.push_back(kDigits[std::to_integer<unsigned>(byte) >> 4U]);
    text.push_back(kDigits[std::to_integer<unsigned>(byte) & 15U]);
  }
  return text;
}

// The owner's name without its end; empty when it is none of interest. Nullopt: it cannot be read.
std::optional<std::string> read_owner(const ReadAt& read, std::uint64_t offset, std::uint32_t size) {
  std::array<char, kMaxOwner> name{};
  if (size == 0 || size > name.size()) return std::string();
  if (!read(offset, std::as_writable_bytes(std::span(name).first(size)))) return std::nullopt;
  return std::string(name.data(), ::strnlen(name.data(), size));
}

}  // namespace

bool for_each_note(const ReadAt& read, const Elf64_Phdr& segment, const std::function<bool(const ElfNote&)>& take) {
  // elf(5): 4, also where p_align says 0 or 1; NT_GNU_PROPERTY's segments have 8.
  const std::uint64_t alignment = segment.p_align == 8 ? 8 : 4;
  const auto aligned = [&](std::uint64_t bytes) { return (bytes + alignment - 1) & ~(alignment - 1); };
  std::uint64_t at = 0;  // within the segment
  for (std::size_t count = 0; segment.p_filesz - at >= sizeof(Elf64_Nhdr); ++count) {
    Elf64_Nhdr head;
    if (count == kMaxNotes || !read(segment.p_offset + at, std::as_writable_bytes(std::span(&head, 1)))) return false;
    // Sums of 32-bit sizes: they do not overflow.
    const std::uint64_t contents = aligned(sizeof head + head.n_namesz);
    if (contents + head.n_descsz > segment.p_filesz - at) return false;
    auto owner = read_owner(read, segment.p_offset + at + sizeof head, head.n_namesz);
    if (!owner) return false;
    if (!take({.type = head.n_type,
               .owner = *std::move(owner),
               .offset = segment.p_offset + at + contents,
               .size = head.n_descsz})) {
      return true;
    }
    at += std::min(aligned(contents + head.n_descsz), segment.p_filesz - at);
  }
  return true;
}

std::optional<std::string> find_build_id(const ReadAt& read, std::span<const Elf64_Phdr> segments) {
  std::optional<std::string> found;
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_NOTE || segment.p_filesz > kMaxBuildIdSegment) continue;
    const auto take = [&](const ElfNote& note) {
      if (note.type != NT_GNU_BUILD_ID || note.owner != ELF_NOTE_GNU) return true;
      if (note.size == 0 || note.size > kMaxBuildId) return true;
      std::vector<std::byte> bytes(note.size);
      if (read(note.offset, bytes)) found = hexadecimal(bytes);
      return !found;
    };
    if (for_each_note(read, segment, take) && found) return found;
  }
  return std::nullopt;
}

}  // namespace snag
