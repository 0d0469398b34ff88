#include "readers/python/gil_place.h"

#include "tests/unit/python/made_memory.h"

namespace snag::test {
namespace {

using python::Layout;

constexpr Address kRuntime{0x100000};
constexpr std::uint64_t kThread = 0x7f0000001000;
constexpr std::uint64_t kInterval = 5000;  // microseconds, CPython's own

// A _PyRuntimeState whose GIL lies so many bytes behind where the row has it.
void make(ImageMemory& memory, const Layout& layout, std::int64_t moved, std::int32_t locked = 1) {
  const auto holder = static_cast<std::size_t>(std::int64_t{(*layout.runtime_state.gil_last_holder).bytes()} + moved);
  Struct runtime(8192);
  runtime.put(holder - 8, kInterval).put(holder, kThread).put(holder + 8, locked);
  REQUIRE(memory.add(kRuntime, runtime.bytes()));
}

const Layout& row(std::uint8_t minor) { return *python::find_layout({.major = 3, .minor = minor}); }

constexpr std::array<std::uint8_t, 5> kWithGilInRuntime{7, 8, 9, 10, 11};

TEST_CASE("a GIL that is where the row says stays there") {
  for (const std::uint8_t minor : kWithGilInRuntime) {
    for (const std::int32_t locked : {0, 1}) {
      CAPTURE(int{minor}, locked);
      Layout layout = row(minor);
      ImageMemory memory;
      make(memory, layout, 0, locked);
      python::settle_gil_place(memory, kRuntime, layout);
      CHECK(layout == row(minor));
    }
  }
}

TEST_CASE("a GIL that a patch release moved is found") {
  for (const std::uint8_t minor : kWithGilInRuntime) {
    for (const std::int64_t moved : {-64, -8, 8, 16, 120, 400}) {
      CAPTURE(int{minor}, moved);
      Layout layout = row(minor);
      const auto expected = std::int64_t{(*layout.runtime_state.gil_last_holder).bytes()} + moved;
      ImageMemory memory;
      make(memory, layout, moved);
      python::settle_gil_place(memory, kRuntime, layout);
      REQUIRE(layout.runtime_state.gil_last_holder.has_value());
      CHECK((*layout.runtime_state.gil_last_holder).bytes() == expected);
      CHECK((*layout.runtime_state.gil_locked).bytes() == expected + 8);
    }
  }
}

TEST_CASE("where none is found, or two, no place is told") {
  const Layout& known = row(8);
  Layout layout = known;
  ImageMemory nothing;
  REQUIRE(nothing.add(kRuntime, Struct(8192).bytes()));
  python::settle_gil_place(nothing, kRuntime, layout);
  CHECK_FALSE(layout.runtime_state.gil_last_holder.has_value());
  CHECK_FALSE(layout.runtime_state.gil_locked.has_value());

  layout = known;
  ImageMemory twice;
  make(twice, known, 64);
  const Address second = kRuntime + *known.runtime_state.gil_last_holder + 160;
  REQUIRE(twice.change_value(second, kInterval));
  REQUIRE(twice.change_value(second + 8, kThread));
  python::settle_gil_place(twice, kRuntime, layout);
  CHECK_FALSE(layout.runtime_state.gil_last_holder.has_value());

  layout = known;
  ImageMemory unreadable;
  python::settle_gil_place(unreadable, kRuntime, layout);
  CHECK_FALSE(layout.runtime_state.gil_last_holder.has_value());
}

TEST_CASE("from 3.12 on the GIL is the interpreter's, and nothing is looked for") {
  Layout layout = row(12);
  python::settle_gil_place(ImageMemory(), kRuntime, layout);
  CHECK(layout == row(12));
}

}  // namespace
}  // namespace snag::test
