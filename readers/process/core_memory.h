#pragma once

#include "readers/process/core_files.h"
#include "readers/process/remote_memory.h"

namespace snag {

// The memory of the process of a core file. What the core does not hold because it was never written to it (text,
// constants) comes from the mapped files; what the process may have changed never does.
class CoreMemory final : public RemoteMemory {
 public:
  // Both must outlive this.
  CoreMemory(const CoreFile& core, CoreFiles& files) : core_(&core), files_(&files) {}

  [[nodiscard]] Result<void> read(Address from, std::span<std::byte> into, const char* what) const override;
  [[nodiscard]] Result<std::size_t> read_many(std::span<const Piece> pieces, const char* what) const override;

 private:
  const CoreFile* core_;
  CoreFiles* files_;
};

}  // namespace snag
