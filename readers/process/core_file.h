#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "readers/base/address.h"
#include "readers/base/result.h"
#include "readers/process/core_notes.h"
#include "readers/process/unique_descriptor.h"

namespace snag {

// A PT_LOAD of a core: memory of the process, of which the file holds a part, or nothing.
struct CoreSegment {
  Address begin;
  Address end;  // one past the last byte
  std::uint64_t file_offset = 0;
  std::uint64_t file_size = 0;  // bytes from `begin` on that were written; the file may have been cut off before them
  bool writable = false;
  bool executable = false;
};

// Where the bytes from an address on are to be found; the same for all `bytes` of them.
struct CorePlace {
  enum class Kind {
    kHeld,     // in the core, at file_offset
    kCut,      // were written, but the core file ends before them
    kLeftOut,  // never written: unchanged pages of a mapped file (coredump_filter), or no memory at all
    kLost,     // never written though the process may have changed them
  };
  Kind kind = Kind::kLeftOut;
  std::uint64_t bytes = 0;  // at least 1
  std::uint64_t file_offset = 0;
};

// An ELF core file of an x86-64 process, as the kernel or gdb writes it. Somebody else made it: every size and count in
// it is bounded, and it is read piece by piece with pread, whatever its own size.
class CoreFile {
 public:
  // kUnsupported when it is no core file of x86-64, kInconsistent and kOutOfBounds when corrupt, kUnreadable when there
  // is no such regular file, kNotPermitted.
  [[nodiscard]] static Result<CoreFile> open(const std::filesystem::path& path);

  // By what the notes say; 0 where they do not.
  [[nodiscard]] Pid pid() const { return notes_.pid; }
  [[nodiscard]] const CoreNotes& notes() const { return notes_; }
  // NT_FILE with the permissions of the segments; of what has no segment (gdb leaves out what it does not write) it is
  // taken that it may be executable.
  [[nodiscard]] const std::vector<Mapping>& mappings() const { return notes_.mappings; }
  // Ascending and disjoint.
  [[nodiscard]] std::span<const CoreSegment> segments() const { return segments_; }
  [[nodiscard]] CorePlace find(Address address) const;
  // Bytes of memory that the core itself holds; false when not all of them are there.
  [[nodiscard]] bool read_held(Address from, std::span<std::byte> into) const;
  [[nodiscard]] bool read_file(std::uint64_t offset, std::span<std::byte> into) const;
  // By how many bytes the file is shorter than its segments say; 0: whole.
  [[nodiscard]] std::uint64_t missing_bytes() const;

 private:
  CoreFile(UniqueDescriptor file, std::uint64_t size, std::vector<CoreSegment> segments, CoreNotes notes);

  UniqueDescriptor file_;
  std::uint64_t size_;
  std::vector<CoreSegment> segments_;
  CoreNotes notes_;
};

}  // namespace snag
