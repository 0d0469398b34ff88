#include "readers/python/gil_place.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace snag::python {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
// How far a patch release may have moved it, to either side. The releases known moved it by 8 to 120 bytes.
constexpr std::size_t kReach = 512;

// struct _gil_runtime_state (Include/internal/pycore_gil.h, 3.7 to 3.11): the switch interval in microseconds, the last
// holder, whether it is locked. What lies around it are pointers, counts and flags: none has an interval before a
// pointer before a flag.
constexpr std::uint64_t kShortestInterval = 1;
constexpr std::uint64_t kLongestInterval = 60'000'000;
constexpr std::uint64_t kEndOfUserSpace = std::uint64_t{1} << 47U;

bool looks_like_gil(std::span<const std::byte> bytes, std::size_t holder, std::size_t locked) {
  const auto interval = load<std::uint64_t>(bytes, holder - kWord);
  const auto thread = load<std::uint64_t>(bytes, holder);
  const auto flag = load<std::int32_t>(bytes, locked);
  constexpr std::uint64_t kFirstPage = 4096;
  const bool is_thread = thread >= kFirstPage && thread < kEndOfUserSpace && thread % kWord == 0;
  return interval >= kShortestInterval && interval <= kLongestInterval && is_thread && (flag == 0 || flag == 1);
}

}  // namespace

void settle_gil_place(const RemoteMemory& memory, Address runtime, Layout& layout) {
  auto& state = layout.runtime_state;
  if (!state.gil_last_holder.has_value() || !state.gil_locked.has_value()) return;
  const std::size_t expected = (*state.gil_last_holder).bytes();
  const std::size_t to_flag = (*state.gil_locked).bytes() - expected;
  const std::size_t begin = expected > kReach + kWord ? expected - kReach - kWord : 0;
  std::array<std::byte, 2 * kReach + 4 * kWord> bytes{};
  const auto copy = std::span(bytes);
  std::optional<std::size_t> found;
  std::size_t count = 0;
  if (memory.read(runtime + begin, copy, "_PyRuntimeState.ceval.gil")) {
    if (looks_like_gil(copy, expected - begin, expected - begin + to_flag)) return;
    for (std::size_t at = kWord; at + to_flag + kWord <= copy.size(); at += kWord) {
      if (!looks_like_gil(copy, at, at + to_flag)) continue;
      found = begin + at;
      ++count;
    }
  }
  if (count == 1) {
    state.gil_last_holder = MaybeOffset(static_cast<std::uint32_t>(*found));
    state.gil_locked = MaybeOffset(static_cast<std::uint32_t>(*found + to_flag));
  } else {
    state.gil_last_holder = MaybeOffset(kAbsent);
    state.gil_locked = MaybeOffset(kAbsent);
  }
}

}  // namespace snag::python
