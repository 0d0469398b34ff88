#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "readers/base/address.h"
#include "readers/base/ids.h"
#include "readers/base/result.h"
#include "readers/process/elf_headers.h"
#include "readers/process/elf_symbols.h"
#include "readers/process/mappings.h"
#include "readers/process/proc_root.h"

namespace snag {

struct ElfSection {
  Address address;  // as linked: add the load bias
  std::uint64_t file_offset = 0;
  std::uint64_t size = 0;    // bytes in memory
  bool has_contents = true;  // false: SHT_NOBITS, zeros that take no place in the file
};

// What identifies an open file, for caches.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t modified_ns = 0;
  friend constexpr auto operator<=>(const FileIdentity&, const FileIdentity&) = default;
};

// An x86-64 ELF file, executable or shared. The file is somebody else's and may change under us: it is read with pread
// (a mapped file that shrinks would end us with SIGBUS), every size in it is bounded, and what does not hold is an
// error. Not for several threads at once.
class ElfImage {
 public:
  ElfImage(ElfImage&&) noexcept;
  ElfImage& operator=(ElfImage&&) noexcept;
  ~ElfImage();

  // By name: ".PyRuntime", ".AsyncioDebug".
  [[nodiscard]] std::optional<ElfSection> find_section(std::string_view name) const;
  // A defined symbol of the dynamic linker's tables (they survive strip and lost section headers), or else of .symtab.
  [[nodiscard]] std::optional<ElfSymbol> find_dynamic_symbol(std::string_view name) const;
  // Bytes at an address as linked, from the file: initial contents, before relocation. kUnreadable where the file has
  // none (also .bss).
  [[nodiscard]] Result<void> read(Address address, std::span<std::byte> into, const char* what) const;
  template <class T>
  [[nodiscard]] Result<T> read_value(Address address, const char* what) const {
    T value;
    auto done = read(address, std::as_writable_bytes(std::span(&value, 1)), what);
    if (!done) return fail(done);
    return value;
  }

  // NT_GNU_BUILD_ID in lower-case hexadecimal.
  [[nodiscard]] std::optional<std::string> build_id() const;
  [[nodiscard]] std::span<const ElfSegment> segments() const;  // ascending addresses; never empty
  [[nodiscard]] const FileIdentity& file() const;
  // Open for as long as the image lives: for those who hand the file on (libdw).
  [[nodiscard]] int descriptor() const;

 private:
  struct State;
  explicit ElfImage(std::unique_ptr<State> state);
  friend Result<ElfImage> open_elf_descriptor(int descriptor);
  std::unique_ptr<State> state_;
};

// kUnsupported when it is no x86-64 ELF64 executable or shared object (or no regular file), kInconsistent when corrupt
// or truncated, kNotPermitted, kUnreadable when there is no such file.
[[nodiscard]] Result<ElfImage> open_elf(const std::filesystem::path& path);
// Takes the descriptor over, also when it fails.
[[nodiscard]] Result<ElfImage> open_elf_descriptor(int descriptor);
// The file behind a mapping of the target, whatever mount namespace that lives in, and also when it was deleted:
// through /proc/PID/root/PATH (links resolved within the target's root), /proc/PID/map_files (needs CAP_SYS_ADMIN or
// CAP_CHECKPOINT_RESTORE), /proc/PID/exe. A file that has taken its name since is never returned: device and inode must
// be the mapping's, or, where file systems show others in maps than in stat (overlay, btrfs), the file must begin as
// what is loaded does.
[[nodiscard]] Result<ElfImage> open_mapped_elf(const ProcRoot& root, Pid pid, const Mapping& mapping);
// How the file behind a mapping is opened: by the function above for a live process, by CoreFiles for a core.
using ElfOpener = std::function<Result<ElfImage>(const Mapping&)>;

}  // namespace snag
