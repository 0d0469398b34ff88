#include <array>

#include <catch2/catch.hpp>

#include "readers/python/layouts/layout_members.h"

namespace snag::python {
namespace {

constexpr Version python(std::uint8_t minor) { return {.major = 3, .minor = minor}; }

TEST_CASE("every supported version has a row, and no other has") {
  for (std::uint8_t minor = 7; minor <= 15; ++minor) {
    const Layout* layout = find_layout(python(minor));
    REQUIRE(layout != nullptr);
    CHECK(layout->version == python(minor));
  }
  for (std::uint8_t minor = 13; minor <= 15; ++minor) {
    const Layout* layout = find_layout(python(minor), true);
    REQUIRE(layout != nullptr);
    CHECK(layout->version == python(minor));
    CHECK(layout->free_threaded);
  }
  CHECK(find_layout(python(6)) == nullptr);
  CHECK(find_layout(python(16)) == nullptr);
  CHECK(find_layout(python(12), true) == nullptr);
  CHECK(find_layout({.major = 2, .minor = 7}) == nullptr);
  CHECK(find_layout({.major = 4, .minor = 8}) == nullptr);
}

TEST_CASE("a word of a frame is the object it refers to, or none") {
  const Dialect plain = dialect_of(python(13));
  CHECK(referent(plain, 0x7F0010).value == 0x7F0010);
  const Dialect tagged = dialect_of(python(15));
  CHECK(referent(tagged, 0x7F0010).value == 0x7F0010);
  CHECK(referent(tagged, 0x7F0011).value == 0x7F0010);  // borrowed, or immortal
  CHECK(referent(tagged, 0x1).is_null());               // PyStackRef_NULL
  CHECK(referent(tagged, 0x0).is_null());
  CHECK(referent(tagged, 7U << 2U | 3U).is_null());  // the integer 7
  CHECK(referent(tagged, 0x7F0012).is_null());       // 3.15: PyStackRef_Wrap() of what is no object
}

TEST_CASE("the way to the innermost frame follows the version") {
  struct Expected {
    std::uint8_t minor;
    FrameChain frame_chain;
    InstructionIndex instruction_index;
    LineTableKind line_table;
    std::optional<std::uint8_t> first_shim_owner;
  };
  const std::array expected{
      Expected{7, FrameChain::kFrameObjects, InstructionIndex::kBytes, LineTableKind::kLnotab, std::nullopt},
      Expected{8, FrameChain::kFrameObjects, InstructionIndex::kBytes, LineTableKind::kLnotab, std::nullopt},
      Expected{9, FrameChain::kFrameObjects, InstructionIndex::kBytes, LineTableKind::kLnotab, std::nullopt},
      Expected{10, FrameChain::kFrameObjects, InstructionIndex::kUnits, LineTableKind::kLineDeltas, std::nullopt},
      Expected{11, FrameChain::kCFrame, InstructionIndex::kPointer, LineTableKind::kLocations, std::nullopt},
      Expected{12, FrameChain::kCFrame, InstructionIndex::kPointer, LineTableKind::kLocations, std::uint8_t{3}},
      Expected{13, FrameChain::kCurrentFrame, InstructionIndex::kPointer, LineTableKind::kLocations, std::uint8_t{3}},
      Expected{14, FrameChain::kCurrentFrame, InstructionIndex::kPointer, LineTableKind::kLocations, std::uint8_t{3}},
      Expected{15, FrameChain::kCurrentFrame, InstructionIndex::kPointer, LineTableKind::kLocations, std::uint8_t{3}},
  };
  for (const Expected& version : expected) {
    const Dialect dialect = dialect_of(python(version.minor));
    CHECK(dialect.frame_chain == version.frame_chain);
    CHECK(dialect.instruction_index == version.instruction_index);
    CHECK(dialect.line_table == version.line_table);
    CHECK(dialect.first_shim_owner == version.first_shim_owner);
    CHECK(dialect.tagged_references == (version.minor >= 14));
    CHECK(dialect.running_states.has_value() == (version.frame_chain == FrameChain::kFrameObjects));
  }
}

std::size_t index_of(std::string_view group, std::string_view name) {
  std::size_t at = 0;
  while (kLayoutMembers.at(at).group != group || kLayoutMembers.at(at).name != name) ++at;
  return at;
}

TEST_CASE("members exist in the rows of the versions that have them") {
  struct Life {
    std::string_view group;
    std::string_view name;
    int first;
    int last;
  };
  constexpr std::array kLives{
      Life{"cframe", "current_frame", 11, 12},
      Life{"runtime_state", "gil_locked", 7, 11},
      Life{"interpreter_state", "gil", 12, 15},
      Life{"runtime_state", "gc_collecting", 7, 8},
      Life{"interpreter_state", "gc_collecting", 9, 15},
      Life{"thread_state", "native_thread_id", 11, 15},
      Life{"thread_state", "datastack_chunk", 11, 15},
      Life{"stack_chunk", "data", 11, 15},
      Life{"frame", "owner", 11, 15},
      Life{"frame", "state", 7, 10},
      Life{"frame", "value_stack", 7, 10},
      Life{"code", "qualname", 11, 15},
      Life{"code", "cell_names", 7, 10},
      Life{"code", "exception_table", 11, 15},
      Life{"code", "first_traceable", 11, 15},
      Life{"coroutine", "code", 7, 11},
      Life{"dict_keys", "slot_count", 7, 10},
      Life{"dict_keys", "kind", 11, 15},
      Life{"small_objects", "long_tag", 12, 15},
      Life{"asyncio", "current_tasks", 12, 13},
      Life{"asyncio", "running_loop", 13, 15},
      Life{"asyncio", "running_task", 14, 15},
      Life{"thread_state", "base_frame", 15, 15},
      Life{"task", "name", 8, 15},
      Life{"task", "coroutine", 7, 15},
      Life{"object", "reference_count", 7, 15},
  };
  for (std::uint8_t minor = 7; minor <= 15; ++minor) {
    const LayoutValues values = values_of(*find_layout(python(minor)));
    for (const Life& life : kLives) {
      INFO("3." << int{minor} << " " << life.group << "." << life.name);
      CHECK(values.at(index_of(life.group, life.name)).has_value() == (life.first <= minor && minor <= life.last));
    }
  }
}

TEST_CASE("a layout taken apart into values and made again is the same") {
  for (std::uint8_t minor = 7; minor <= 15; ++minor) {
    const Layout& layout = *find_layout(python(minor));
    const auto again = layout_of(layout.version, layout.free_threaded, values_of(layout));
    REQUIRE(again.has_value());
    CHECK(*again == layout);
    CHECK(differences(*again, layout).empty());
  }
}

TEST_CASE("values without a member that every version has are refused by its name") {
  const Layout& layout = *find_layout(python(12));
  for (std::size_t at = 0; at < kMemberCount; ++at) {
    LayoutValues values = values_of(layout);
    values[at].reset();
    const auto made = layout_of(layout.version, layout.free_threaded, values);
    const LayoutMember& member = kLayoutMembers[at];
    if (member.kind == MemberKind::kMaybeOffset) {
      CHECK(made.has_value());
    } else {
      REQUIRE_FALSE(made.has_value());
      CHECK(made.error().detail == "missing: " + std::string(member.group) + "." + std::string(member.name));
    }
  }
}

TEST_CASE("every single value is part of the check sum") {
  const Layout& layout = *find_layout(python(13));
  for (std::size_t at = 0; at < kMemberCount; ++at) {
    LayoutValues values = values_of(layout);
    values[at] = values[at].value_or(0) + 1;
    const auto changed = layout_of(layout.version, layout.free_threaded, values);
    REQUIRE(changed.has_value());
    CHECK(check_sum(*changed) != check_sum(layout));
    const auto found = differences(layout, *changed);
    REQUIRE(found.size() == 1);
    CHECK(found.front().member.name == kLayoutMembers[at].name);
  }
  Layout renamed = layout;
  renamed.version = python(12);
  CHECK(check_sum(renamed) != check_sum(layout));
}

// 3.13, with PyThreadState.next at another place.
LayoutValues with_next_at(std::uint32_t offset) {
  LayoutValues values = values_of(*find_layout(python(13)));
  values[index_of("thread_state", "next")] = offset;
  return values;
}

TEST_CASE("a member between words is told") {
  const LayoutMember* member = first_misaligned(with_next_at(12));
  REQUIRE(member != nullptr);
  CHECK(member->name == "next");
}

TEST_CASE("a member that does not lie whole in its struct is told") {
  const std::uint32_t size = find_layout(python(13))->thread_state.size.bytes();
  CHECK(first_outside_struct(with_next_at(size - 8)) == nullptr);
  for (const std::uint32_t offset : {size - 4, size, 0xFFFF'FFF8U}) {
    const LayoutMember* member = first_outside_struct(with_next_at(offset));
    REQUIRE(member != nullptr);
    CHECK(member->name == "next");
  }
}

TEST_CASE("two members on one place are told") {
  const LayoutMember* member = first_overlapping(with_next_at(find_layout(python(13))->thread_state.interp.bytes()));
  REQUIRE(member != nullptr);
  CHECK(member->name == "interp");
}

}  // namespace
}  // namespace snag::python
