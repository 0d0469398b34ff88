#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "readers/python/layout.h"

// What the compiler holds a row to. A row states its check sum, which every value goes into, and must be possible as
// the layout of C structs. The same rules are applied at run time to a layout that a target's _Py_DebugOffsets had a
// say in.

namespace snag::python {

enum class MemberKind : std::uint8_t { kSize, kOffset, kMaybeOffset, kBit };

// One member of the lists in layout.h.
struct LayoutMember {
  std::string_view group;
  std::string_view name;
  MemberKind kind;
  std::uint32_t width;  // bytes that it occupies at least, in any version; a power of two: also its alignment
};

namespace detail {

template <class T>
inline constexpr MemberKind kKindOf = MemberKind::kOffset;
template <>
inline constexpr MemberKind kKindOf<Size> = MemberKind::kSize;
template <>
inline constexpr MemberKind kKindOf<Bit> = MemberKind::kBit;
template <>
inline constexpr MemberKind kKindOf<MaybeOffset> = MemberKind::kMaybeOffset;

struct NarrowMember {
  std::string_view group;
  std::string_view name;
  std::uint32_t width;
};

// Every member is a word of 8 bytes but these (CPython's headers, 3.7 to 3.15).
inline constexpr std::array kNarrowMembers{
    NarrowMember{"runtime_state", "gil_locked", 4},
    NarrowMember{"runtime_state", "gc_collecting", 4},
    NarrowMember{"interpreter_state", "gc_collecting", 4},
    NarrowMember{"gil_state", "locked", 4},
    NarrowMember{"frame", "instruction", 4},  // an int to 3.10
    NarrowMember{"frame", "owner", 1},
    NarrowMember{"frame", "state", 1},
    NarrowMember{"frame", "stack_top", 4},  // an int from 3.10 on
    NarrowMember{"frame", "bytecode_index", 4},
    NarrowMember{"code", "first_line", 4},
    NarrowMember{"code", "instructions", 1},  // char[] from 3.11 on
    NarrowMember{"code", "variable_count", 4},
    NarrowMember{"code", "local_count", 4},
    NarrowMember{"code", "stack_size", 4},
    NarrowMember{"code", "flags", 4},
    NarrowMember{"code", "argument_count", 4},
    NarrowMember{"coroutine", "frame_state", 1},
    NarrowMember{"unicode", "state", 4},
    NarrowMember{"unicode", "kind", 1},
    NarrowMember{"dict_keys", "log2_size", 1},
    NarrowMember{"dict_keys", "log2_index_bytes", 1},
    NarrowMember{"dict_keys", "kind", 1},
    NarrowMember{"dict_keys", "indices", 1},
    NarrowMember{"small_objects", "long_digits", 4},
    NarrowMember{"small_objects", "bytes_value", 1},
    NarrowMember{"task", "state", 4},
};

inline constexpr std::uint32_t kWordBytes = 8;

constexpr std::uint32_t width_of(std::string_view group, std::string_view name) {
  for (const NarrowMember& member : kNarrowMembers) {
    if (member.group == group && member.name == name) return member.width;
  }
  return kWordBytes;
}

constexpr std::optional<std::uint32_t> value_of(Size size) { return size.bytes(); }
constexpr std::optional<std::uint32_t> value_of(Offset offset) { return offset.bytes(); }
constexpr std::optional<std::uint32_t> value_of(Bit bit) { return bit.bits(); }
constexpr std::optional<std::uint32_t> value_of(MaybeOffset offset) {
  if (!offset.has_value()) return std::nullopt;
  return (*offset).bytes();
}

}  // namespace detail

// Calls visit(group, name, kind) for every member, in the order of the lists.
template <class Visit>
constexpr void for_each_member(Visit visit) {
#define SNAG_MEMBER(type, member) visit(kGroup, std::string_view(#member), detail::kKindOf<type>);
#define SNAG_GROUP(LIST, Struct, group)         \
  {                                             \
    constexpr std::string_view kGroup = #group; \
    LIST(SNAG_MEMBER)                           \
  }
  SNAG_LAYOUT_GROUPS(SNAG_GROUP)
#undef SNAG_GROUP
#undef SNAG_MEMBER
}

inline constexpr std::size_t kMemberCount = [] {
  std::size_t count = 0;
  for_each_member([&count](std::string_view, std::string_view, MemberKind) { ++count; });
  return count;
}();

inline constexpr std::array<LayoutMember, kMemberCount> kLayoutMembers = [] {
  std::array<LayoutMember, kMemberCount> members{};
  std::size_t at = 0;
  for_each_member([&](std::string_view group, std::string_view name, MemberKind kind) {
    members[at++] = {.group = group, .name = name, .kind = kind, .width = detail::width_of(group, name)};
  });
  return members;
}();

// What a layout says of each of kLayoutMembers, in the same order.
using LayoutValues = std::array<std::optional<std::uint32_t>, kMemberCount>;

constexpr LayoutValues values_of(const Layout& layout) {
  LayoutValues values{};
  std::size_t at = 0;
#define SNAG_MEMBER(type, member) values[at++] = detail::value_of(part.member);
#define SNAG_GROUP(LIST, Struct, group) \
  {                                     \
    const Struct& part = layout.group;  \
    LIST(SNAG_MEMBER)                   \
  }
  SNAG_LAYOUT_GROUPS(SNAG_GROUP)
#undef SNAG_GROUP
#undef SNAG_MEMBER
  return values;
}

// FNV-1a, 64 bits, over the version and every value; absence counts as a value of its own. It guards against slips of
// an editor or a merge, not against intent.
constexpr std::uint64_t check_sum(const Layout& layout) {
  constexpr std::uint64_t kBasis = 0xCBF29CE484222325ULL;
  constexpr std::uint64_t kPrime = 0x100000001B3ULL;
  constexpr std::uint64_t kAbsentWord = 0xFFFFFFFFFFULL;
  std::uint64_t hash = kBasis;
  const auto add = [&hash](std::uint64_t word) {
    constexpr unsigned kBytes = 5;  // one more than a value has, for kAbsentWord
    for (unsigned byte = 0; byte < kBytes; ++byte) hash = (hash ^ ((word >> (8U * byte)) & 0xFFU)) * kPrime;
  };
  add(layout.version.major);
  add(layout.version.minor);
  add(layout.free_threaded ? 1 : 0);
  for (const auto& value : values_of(layout)) add(value ? *value : kAbsentWord);
  return hash;
}

// Members of these groups come from several C structs: they may coincide.
inline constexpr std::array<std::string_view, 2> kMixedGroups{"small_objects", "asyncio"};

constexpr bool is_one_struct(std::string_view group) {
  for (const std::string_view mixed : kMixedGroups) {
    if (mixed == group) return false;
  }
  return true;
}

// Where a member lies, in bytes.
constexpr std::uint32_t bytes_of(const LayoutMember& member, std::uint32_t value) {
  constexpr std::uint32_t kBitsPerByte = 8;
  return member.kind == MemberKind::kBit ? value / kBitsPerByte : value;
}

// The rules. Each returns the first member that breaks it; null: none does.

// A member's offset is a multiple of its width, as the x86-64 System V ABI lays structs out.
constexpr const LayoutMember* first_misaligned(const LayoutValues& values) {
  for (std::size_t at = 0; at < kMemberCount; ++at) {
    const LayoutMember& member = kLayoutMembers[at];
    if (values[at] && bytes_of(member, *values[at]) % member.width != 0) return &member;
  }
  return nullptr;
}

// A member lies within its struct, where the layout tells the struct's size: a copy of `size` bytes holds it whole.
constexpr const LayoutMember* first_outside_struct(const LayoutValues& values) {
  for (std::size_t size_at = 0; size_at < kMemberCount; ++size_at) {
    const LayoutMember& size = kLayoutMembers[size_at];
    if (size.kind != MemberKind::kSize || size.name != "size") continue;
    for (std::size_t at = size_at + 1; at < kMemberCount && kLayoutMembers[at].group == size.group; ++at) {
      const LayoutMember& member = kLayoutMembers[at];
      if (values[at] && std::uint64_t{bytes_of(member, *values[at])} + member.width > *values[size_at]) return &member;
    }
  }
  return nullptr;
}

constexpr bool is_whole_member(const LayoutMember& member) {
  return member.kind == MemberKind::kOffset || member.kind == MemberKind::kMaybeOffset;
}

// Two members of one struct do not overlap. Bit fields lie in a member that the layout names too.
constexpr const LayoutMember* first_overlapping(const LayoutValues& values) {
  for (std::size_t left = 0; left < kMemberCount; ++left) {
    const LayoutMember& member = kLayoutMembers[left];
    if (!values[left] || !is_whole_member(member) || !is_one_struct(member.group)) continue;
    for (std::size_t right = left + 1; right < kMemberCount && kLayoutMembers[right].group == member.group; ++right) {
      const LayoutMember& other = kLayoutMembers[right];
      if (!values[right] || !is_whole_member(other)) continue;
      const bool apart = std::uint64_t{*values[left]} + member.width <= *values[right] ||
                         std::uint64_t{*values[right]} + other.width <= *values[left];
      if (!apart) return &other;
    }
  }
  return nullptr;
}

}  // namespace snag::python
