#pragma once

#include "readers/process/live_memory.h"

namespace snag {

// This process's own memory, for unit tests that build what they read. It goes through the kernel, so that a bad
// address is an error here as it is with a target, never a crash.
class OwnMemory final : public RemoteMemory {
 public:
  OwnMemory();

  [[nodiscard]] Result<void> read(Address from, std::span<std::byte> into, const char* what) const override;
  [[nodiscard]] Result<std::size_t> read_many(std::span<const Piece> pieces, const char* what) const override;

 private:
  LiveMemory live_;
};

// Where an object of this process lies, for OwnMemory.
[[nodiscard]] inline Address address_of(const void* object) { return {reinterpret_cast<std::uintptr_t>(object)}; }

}  // namespace snag
