#include "readers/process/elf_headers.h"

#include <algorithm>
#include <cstring>

#include "readers/process/live_memory.h"

namespace snag {
namespace {

Error elf_error(ErrorKind kind, std::string detail) {
  return {.kind = kind, .what = "ELF file", .detail = std::move(detail)};
}

}  // namespace

Result<void> check_elf_header(const Elf64_Ehdr& header) {
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return fail(elf_error(ErrorKind::kUnsupported, "no ELF file"));
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != EM_X86_64) {
    return fail(elf_error(ErrorKind::kUnsupported, "not for x86-64: Snag reads 64-bit x86 processes only"));
  }
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
    return fail(elf_error(ErrorKind::kUnsupported, "neither an executable nor a shared object"));
  }
  if (header.e_phnum > kMaxProgramHeaders) {
    return fail(elf_error(ErrorKind::kOutOfBounds, "more segments than an executable has"));
  }
  if (header.e_phnum != 0 && header.e_phentsize != sizeof(Elf64_Phdr)) {
    return fail(elf_error(ErrorKind::kInconsistent, "truncated or corrupt"));
  }
  return {};
}

Result<ElfProgram> parse_program_headers(std::span<const Elf64_Phdr> headers) {
  ElfProgram program;
  for (const Elf64_Phdr& header : headers) {
    if (header.p_type == PT_DYNAMIC) program.dynamic = header;
    if (header.p_type == PT_NOTE) program.notes.push_back(header);
    if (header.p_type != PT_LOAD) continue;
    if (header.p_filesz > header.p_memsz || !in_user_space({header.p_vaddr}, header.p_memsz)) {
      return fail(elf_error(ErrorKind::kInconsistent, "truncated or corrupt"));
    }
    program.segments.push_back({.address = {header.p_vaddr},
                                .file_offset = header.p_offset,
                                .file_size = header.p_filesz,
                                .memory_size = header.p_memsz,
                                .executable = (header.p_flags & PF_X) != 0});
  }
  std::sort(program.segments.begin(), program.segments.end(),
            [](const ElfSegment& left, const ElfSegment& right) { return left.address < right.address; });
  if (program.segments.empty()) return fail(elf_error(ErrorKind::kInconsistent, "truncated or corrupt"));
  return program;
}

}  // namespace snag
