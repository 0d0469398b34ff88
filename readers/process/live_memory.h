#pragma once

#include <cstddef>
#include <cstdint>

#include "readers/base/ids.h"
#include "readers/process/remote_memory.h"

namespace snag {

// Pieces per system call. IOV_MAX is 1024; with this many, both lists take 4 KiB of our stack, and the cost of the call
// itself (0.6 µs against 0.2 µs a piece) no longer shows.
inline constexpr std::size_t kMaxPieces = 128;
// One read of more than this is a size that was not checked: the largest legal one is a data-stack chunk or a line
// table.
inline constexpr std::size_t kMaxReadBytes = std::size_t{1} << 30U;
// The end of user space on x86-64 with four-level page tables; Python never asks for addresses beyond it.
inline constexpr std::uint64_t kUserSpaceEnd = std::uint64_t{1} << 47U;

// Whether the `bytes` from `from` on lie in user space, without overflow.
[[nodiscard]] constexpr bool in_user_space(Address from, std::size_t bytes) {
  return from.value < kUserSpaceEnd && bytes <= kUserSpaceEnd - from.value;
}

// A running process, read by process_vm_readv(2): no stop, no descriptor kept. The kernel checks the permission at each
// call. It cannot see that a pid was reused: that is ProcessIdentity's business.
class LiveMemory final : public RemoteMemory {
 public:
  explicit LiveMemory(Pid pid) : pid_(pid) {}

  [[nodiscard]] Pid pid() const { return pid_; }
  [[nodiscard]] Result<void> read(Address from, std::span<std::byte> into, const char* what) const override;
  [[nodiscard]] Result<std::size_t> read_many(std::span<const Piece> pieces, const char* what) const override;

 private:
  Pid pid_;
};

}  // namespace snag
