#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <elf.h>

#include "readers/base/address.h"
#include "readers/base/ids.h"
#include "readers/base/result.h"
#include "readers/process/elf_notes.h"
#include "readers/process/mappings.h"

namespace snag {

// NT_PRSTATUS: a thread, by its number in the PID namespace of the process itself.
struct CoreThread {
  Tid tid;
  std::uint64_t thread_pointer = 0;  // fs_base: on x86-64 what pthread_self() returns in that thread
};

// What a core file's notes say of the process.
struct CoreNotes {
  Pid pid;                                 // 0: not told
  std::vector<CoreThread> threads;         // the kernel's first is the one that the signal ended
  std::optional<int> signal;               // that ended it; absent where it was only copied (gcore)
  std::optional<Address> program_headers;  // AT_PHDR: they lie in the executable
  // NT_FILE, ascending and disjoint, without permissions. The inode is a number of ours, the same for the same path.
  std::vector<Mapping> mappings;
};

// kInconsistent or kOutOfBounds for notes that no kernel or debugger writes.
[[nodiscard]] Result<CoreNotes> read_core_notes(const ReadAt& read, std::span<const Elf64_Phdr> segments);

}  // namespace snag
