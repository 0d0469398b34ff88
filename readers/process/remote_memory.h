#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>

#include "readers/base/address.h"
#include "readers/base/result.h"

namespace snag {

// One piece of a scattered read: `into.size()` bytes from `from`.
struct Piece {
  Address from;
  std::span<std::byte> into;
};

// The one seam to a target's memory: live, core file, this process, or a recorded image. There is no write.
class RemoteMemory {
 public:
  RemoteMemory() = default;
  RemoteMemory(const RemoteMemory&) = delete;
  RemoteMemory& operator=(const RemoteMemory&) = delete;
  virtual ~RemoteMemory() = default;

  // All or nothing. kUnreadable when any byte is not mapped, kNoSuchProcess when the target has ended, kNotPermitted.
  [[nodiscard]] virtual Result<void> read(Address from, std::span<std::byte> into, const char* what) const = 0;

  // Copies the pieces in their order, with one system call for up to kMaxPieces of them. Returns how many leading
  // pieces are whole; it stops at the first piece that is not readable. Fails only where read() would fail for every
  // address.
  [[nodiscard]] virtual Result<std::size_t> read_many(std::span<const Piece> pieces, const char* what) const = 0;

  template <class T>
  [[nodiscard]] Result<T> read_value(Address from, const char* what) const {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    auto done = read(from, std::as_writable_bytes(std::span(&value, 1)), what);
    if (!done) return fail(done);
    return value;
  }

  [[nodiscard]] Result<Address> read_pointer(Address from, const char* what) const {
    auto value = read_value<std::uint64_t>(from, what);
    if (!value) return fail(value);
    return Address{*value};
  }
};

// Takes a T out of bytes that were copied before; the caller has checked that they are there.
template <class T>
[[nodiscard]] T load(std::span<const std::byte> bytes, std::size_t offset) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, bytes.subspan(offset, sizeof(T)).data(), sizeof(T));
  return value;
}

}  // namespace snag
