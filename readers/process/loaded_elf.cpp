#include "readers/process/loaded_elf.h"

#include <algorithm>
#include <vector>

#include "readers/process/elf_symbols.h"

namespace snag {
namespace {

constexpr std::uint64_t kPage = 4096;

constexpr std::uint64_t page_of(std::uint64_t value) { return value & ~(kPage - 1); }

// Whether the file's segment lies in memory where this bias puts it.
bool lies_there(const ElfSegment& segment, std::span<const Mapping> mappings, std::uint64_t bias) {
  const Address begin = {page_of(segment.address.value) + bias};
  return std::any_of(mappings.begin(), mappings.end(), [&](const Mapping& mapping) {
    return mapping.contains(begin) &&
           mapping.file_offset + (begin.value - mapping.begin.value) == page_of(segment.file_offset);
  });
}

Result<ElfProgram> read_program(const RemoteMemory& memory, Address begin) {
  auto header = memory.read_value<Elf64_Ehdr>(begin, "ELF header");
  if (!header) return fail(header);
  if (auto done = check_elf_header(*header); !done) return fail(done);
  std::vector<Elf64_Phdr> headers(header->e_phnum);
  auto done = memory.read(begin + header->e_phoff, std::as_writable_bytes(std::span(headers)), "ELF program headers");
  if (!done) return fail(done);
  return parse_program_headers(headers);
}

}  // namespace

Result<Address> load_bias(std::span<const ElfSegment> segments, std::span<const Mapping> of_this_file) {
  const ElfSegment& first = segments.front();
  std::optional<Address> best;
  std::ptrdiff_t most = 0;
  for (const Mapping& mapping : of_this_file) {
    if (mapping.file_offset != page_of(first.file_offset)) continue;
    const std::uint64_t bias = mapping.begin.value - page_of(first.address.value);
    // A second copy of the first page, or a file read through mmap, explains fewer segments. A program may have
    // replaced some of its segments by anonymous memory (huge pages), so not all need to be there.
    const auto found = std::count_if(segments.begin(), segments.end(), [&](const ElfSegment& segment) {
      return lies_there(segment, of_this_file, bias);
    });
    if (found <= most) continue;
    most = found;
    best = Address{bias};
  }
  if (!best) {
    return fail(Error{.kind = ErrorKind::kInconsistent, .what = "load bias", .detail = "no mapping fits the ELF file"});
  }
  return *best;
}

Result<LoadedElf> find_loaded_elf(const RemoteMemory& memory, std::span<const Mapping> of_this_file) {
  for (const Mapping& mapping : of_this_file) {
    if (mapping.file_offset != 0) continue;
    auto program = read_program(memory, mapping.begin);
    if (!program) continue;
    auto bias = load_bias(program->segments, of_this_file);
    if (bias) return LoadedElf{.bias = *bias, .program = *std::move(program)};
  }
  return fail(Error{.kind = ErrorKind::kInconsistent, .what = "ELF header in memory"});
}

std::optional<Address> find_exported(const RemoteMemory& memory, const LoadedElf& elf, std::string_view name) {
  const auto read = [&](Address linked, std::span<std::byte> into) {
    return memory.read(linked + elf.bias.value, into, "dynamic symbols").has_value();
  };
  const auto symbol = find_in_gnu_hash(read, elf.program, elf.bias.value, name);
  if (!symbol) return std::nullopt;
  return symbol->address + elf.bias.value;
}

}  // namespace snag
