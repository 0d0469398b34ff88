#pragma once

#include <compare>
#include <cstdint>

namespace snag {

// A place in the target's address space. It is never dereferenced here: only RemoteMemory can read what lies there.
struct Address {
  std::uint64_t value = 0;

  [[nodiscard]] constexpr bool is_null() const { return value == 0; }
  friend constexpr auto operator<=>(const Address&, const Address&) = default;
  // Wraps around like the target's own arithmetic: an absurd sum is an address that cannot be read, not an error here.
  friend constexpr Address operator+(Address address, std::uint64_t bytes) { return {address.value + bytes}; }
  friend constexpr Address operator-(Address address, std::uint64_t bytes) { return {address.value - bytes}; }
};

struct AddressHash {
  std::size_t operator()(Address address) const noexcept {
    // Objects are 16-byte aligned: the low bits say nothing. Multiplier: 2^64 / golden ratio.
    return static_cast<std::size_t>((address.value >> 4U) * 0x9E3779B97F4A7C15ULL);
  }
};

}  // namespace snag
