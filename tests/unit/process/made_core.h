#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <elf.h>
#include <sys/procfs.h>
#include <sys/user.h>

#include "tests/unit/process/child.h"

namespace snag::test {

// A core file of the test's own making: as the kernel lays it out, or as it never would.
class MadeCore {
 public:
  struct File {
    std::uint64_t begin;
    std::uint64_t end;
    std::uint64_t page;  // offset in pages
    std::string path;
  };

  Elf64_Ehdr header = {};
  std::vector<Elf64_Phdr> segments;  // PT_LOAD
  std::string notes;
  std::string contents;  // of the segments

  MadeCore() {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_CORE;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
  }

  template <class T>
  static std::string bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
  }

  MadeCore& note(std::uint32_t type, std::string_view description, std::string_view owner = "CORE") {
    const Elf64_Nhdr head = {.n_namesz = static_cast<Elf64_Word>(owner.size() + 1),
                             .n_descsz = static_cast<Elf64_Word>(description.size()),
                             .n_type = type};
    notes += bytes_of(head);
    notes.append(owner).push_back('\0');
    notes.resize((notes.size() + 3) & ~std::size_t{3});
    notes.append(description);
    notes.resize((notes.size() + 3) & ~std::size_t{3});
    return *this;
  }

  MadeCore& thread(int tid, std::uint64_t thread_pointer, short signal = 0) {
    elf_prstatus status = {};
    status.pr_pid = tid;
    status.pr_cursig = signal;
    user_regs_struct registers = {};
    registers.fs_base = thread_pointer;
    std::memcpy(&status.pr_reg, &registers, sizeof registers);
    return note(NT_PRSTATUS, bytes_of(status));
  }

  MadeCore& process(int pid) {
    elf_prpsinfo info = {};
    info.pr_pid = pid;
    return note(NT_PRPSINFO, bytes_of(info));
  }

  MadeCore& executable_at(std::uint64_t program_headers) {
    const Elf64_auxv_t entry = {.a_type = AT_PHDR, .a_un = {.a_val = program_headers}};
    return note(NT_AUXV, bytes_of(entry));
  }

  MadeCore& files(const std::vector<File>& mapped) {
    std::string text = bytes_of(std::uint64_t{mapped.size()}) + bytes_of(std::uint64_t{4096});
    for (const File& file : mapped) text += bytes_of(file.begin) + bytes_of(file.end) + bytes_of(file.page);
    for (const File& file : mapped) text += file.path + '\0';
    return note(NT_FILE, text);
  }

  // Memory of `size` bytes, of which `held` were written. Offsets are put right by bytes().
  MadeCore& memory(std::uint64_t address, std::uint64_t size, std::string_view held, std::uint32_t flags = PF_R) {
    segments.push_back({.p_type = PT_LOAD,
                        .p_flags = flags,
                        .p_offset = contents.size(),
                        .p_vaddr = address,
                        .p_paddr = 0,
                        .p_filesz = held.size(),
                        .p_memsz = size,
                        .p_align = 4096});
    contents.append(held);
    return *this;
  }

  [[nodiscard]] std::string bytes() const {
    Elf64_Ehdr head = header;
    if (head.e_phnum == 0) head.e_phnum = static_cast<Elf64_Half>(segments.size() + 1);
    const std::uint64_t notes_at = sizeof head + (segments.size() + 1) * sizeof(Elf64_Phdr);
    const Elf64_Phdr notes_segment = {.p_type = PT_NOTE,
                                      .p_flags = 0,
                                      .p_offset = notes_at,
                                      .p_vaddr = 0,
                                      .p_paddr = 0,
                                      .p_filesz = notes.size(),
                                      .p_memsz = 0,
                                      .p_align = 4};
    std::string text = bytes_of(head) + bytes_of(notes_segment);
    for (Elf64_Phdr segment : segments) {
      segment.p_offset += notes_at + notes.size();
      text += bytes_of(segment);
    }
    return text + notes + contents;
  }

  [[nodiscard]] std::string write(const TemporaryDirectory& folder, const std::string& name = "core") const {
    folder.write(name, bytes());
    return folder.path() + "/" + name;
  }
};

}  // namespace snag::test
