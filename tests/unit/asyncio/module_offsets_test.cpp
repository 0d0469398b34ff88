#include "readers/asyncio/module_offsets.h"

#include <array>
#include <vector>

#include <catch2/catch.hpp>

namespace snag::asyncio {
namespace {

// The section .AsyncioDebug of CPython 3.14.10 and of 3.15.2 for x86-64, as `readelf -x` shows it.
using Words = std::array<std::uint64_t, 13>;
constexpr Words kWordsOf31410{168, 136, 96, 108, 109, 128, 152, 225864, 10880, 936, 864, 872, 880};
constexpr Words kWordsOf3152{168, 136, 96, 108, 109, 128, 152, 226240, 10856, 1104, 1024, 1032, 1048};

Result<ModuleOffsets> parse(const Words& words) { return parse_module_offsets(std::as_bytes(std::span(words))); }

// What the row of the table says of the same.
ModuleOffsets of_row(std::uint8_t minor) {
  const auto& row = *python::find_layout({.major = 3, .minor = minor});
  return {.task_name = *row.task.name,
          .task_coroutine = *row.task.coroutine,
          .running_loop = *row.asyncio.running_loop,
          .running_task = *row.asyncio.running_task};
}

TEST_CASE("what _asyncio says of itself is what the rows say, by debug information") {
  const auto of_14 = parse(kWordsOf31410);
  REQUIRE(of_14);
  CHECK(*of_14 == of_row(14));
  const auto of_15 = parse(kWordsOf3152);
  REQUIRE(of_15);
  CHECK(*of_15 == of_row(15));
}

TEST_CASE("every way of cutting them off is told") {
  const auto bytes = std::as_bytes(std::span(kWordsOf31410));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto parsed = parse_module_offsets(bytes.first(size));
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().kind == ErrorKind::kInconsistent);
  }
}

TEST_CASE("no member can lie outside its struct, whatever stands there") {
  constexpr std::array<std::uint64_t, 6> kHostile{4,           1U << 20U,   1ULL << 31U,
                                                  1ULL << 32U, 1ULL << 63U, ~std::uint64_t{7}};
  for (const std::size_t used : {1U, 5U, 10U, 11U}) {
    for (const std::uint64_t value : kHostile) {
      CAPTURE(used, value);
      Words words = kWordsOf31410;
      words.at(used) = value;
      const auto parsed = parse(words);
      REQUIRE_FALSE(parsed);
      CHECK(parsed.error().kind == ErrorKind::kOutOfBounds);
    }
  }
}

TEST_CASE("a struct of no size or an absurd one is refused") {
  for (const std::size_t size : {0U, 9U}) {
    for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1} << 32U, ~std::uint64_t{0}}) {
      CAPTURE(size, value);
      Words words = kWordsOf31410;
      words.at(size) = value;
      CHECK_FALSE(parse(words));
    }
  }
}

}  // namespace
}  // namespace snag::asyncio
