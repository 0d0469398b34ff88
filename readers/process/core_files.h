#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "readers/process/core_file.h"
#include "readers/process/elf_image.h"

namespace snag {

// The files that the process of a core had mapped, as they are now. Each is held against what the core holds of it (its
// build id, else its first page), and refused when it is another one. What is found wrong is kept, to be told.
class CoreFiles {
 public:
  // `executable`: where the executable is now; empty: where the core says. The core must outlive this.
  CoreFiles(const CoreFile& core, std::string executable);

  // kUnreadable when it is missing or has changed, kUnsupported when it is no ELF file, kNotPermitted; each but
  // kUnsupported with a sentence that names the file.
  [[nodiscard]] Result<ElfImage> open(const Mapping& mapping);
  // What lies at an address of the mapping as long as nobody writes there. kUnreadable beyond the file's end.
  [[nodiscard]] Result<void> read(const Mapping& mapping, Address from, std::span<std::byte> into, const char* what);

  // Of the executable; null when the core does not say which of its files that is.
  [[nodiscard]] const Mapping* executable() const { return mapped_executable_; }
  // Sentences on the files that were wanted and could not be had, the executable's first.
  [[nodiscard]] std::vector<std::string> refused() const;
  // Names of the files that were used though the core holds nothing to tell whether they are still the same.
  [[nodiscard]] std::vector<std::string> unchecked() const;

 private:
  [[nodiscard]] bool is_executable(std::uint64_t inode) const {
    return mapped_executable_ != nullptr && mapped_executable_->inode == inode;
  }
  [[nodiscard]] const std::string& path_of(const Mapping& mapping) const;
  [[nodiscard]] const Mapping* held_beginning(const Mapping& mapping) const;
  [[nodiscard]] std::optional<std::string> difference(const ElfImage& image, const Mapping& beginning) const;
  [[nodiscard]] Error refuse(const Mapping& mapping, const Error& why, std::string sentence);
  [[nodiscard]] Result<ElfImage>& opened(const Mapping& mapping);

  const CoreFile* core_;
  std::string executable_;
  const Mapping* mapped_executable_ = nullptr;
  std::map<std::uint64_t, Result<ElfImage>> images_;  // these three by inode
  std::map<std::uint64_t, std::string> refused_;
  std::map<std::uint64_t, std::string> unchecked_;
};

}  // namespace snag
