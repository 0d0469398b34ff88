#include "readers/python/debug_offsets.h"

#include <array>
#include <cstring>
#include <vector>

#include <catch2/catch.hpp>

#include "readers/python/layouts/layout_members.h"

namespace snag::python {
namespace {

// The section .PyRuntime of a CPython 3.13.0 for x86-64, behind cookie, version and free_threaded, as `readelf -x`
// shows it.
constexpr std::array<std::uint64_t, 70> kWordsOf3130{
    283320, 608,  632,                                                           // runtime_state
    194968, 7272, 7264, 7344, 7400, 7656, 7640, 7648, 16,  7752, 0, 7768, 7760,  // interpreter_state
    304,    0,    8,    16,   72,   152,  160,  232,  32,                        // thread_state
    80,     8,    0,    56,   72,   70,                                          // interpreter_frame
    208,    112,  120,  128,  136,  68,   52,   96,   104, 200,                  // code_object
    16,     8,                                                                   // pyobject
    416,    24,   88,   168,                                                     // type_object
    32,     24,   16,                                                            // tuple_object
    40,     24,   16,                                                            // list_object
    48,     32,   40,                                                            // dict_object
    24,     16,                                                                  // float_object
    32,     16,   24,                                                            // long_object
    40,     16,   32,                                                            // bytes_object
    64,     32,   16,   40,                                                      // unicode_object
    240,    200,                                                                 // gc
};

// The same of others, with version and free_threaded.
constexpr std::array<std::uint64_t, 72> kWordsOf31315t{
    51187696, 1,   328384, 608, 632, 215616, 7272, 7264, 7344, 7400, 7664, 7648, 7656, 16, 7760, 0,   7784, 7776,
    312,      0,   8,      16,  72,  152,    160,  232,  32,   80,   8,    0,    56,   72, 70,   224, 128,  136,
    144,      152, 84,     68,  112, 120,    216,  32,   24,   432,  40,   104,  184,  48, 40,   32,  56,   40,
    32,       64,  48,     56,  40,  32,     48,   32,   40,   56,   32,   48,   80,   48, 32,   56,  248,  200};
constexpr std::array<std::uint64_t, 94> kWordsOf31410{
    51251952, 0,    316616, 784,  808, 225864, 7280, 7272, 7344, 7360, 7408, 7688, 7672, 7680, 16,  7784,
    0,        7800, 7792,   7992, 0,   832,    0,    8,    16,   72,   152,  160,  232,  32,   88,  8,
    0,        56,   80,     74,   64,  0,      216,  112,  120,  128,  136,  68,   52,   96,   104, 208,
    0,        16,   8,      416,  24,  88,     168,  40,   32,   16,   40,   24,   16,   200,  24,  40,
    32,       48,   32,     40,   24,  16,     32,   16,   24,   40,   16,   32,   64,   32,   16,  40,
    264,      192,  160,    24,   72,  67,     0,    8,    24,   304,  8076, 0,    4,    512};
constexpr std::array<std::uint64_t, 110> kWordsOf3152{
    51315440, 0,    346568, 912, 936, 226240, 7272, 7264, 7336, 7352, 7400, 7592, 7576, 7584, 16, 7736, 0,   7752, 7744,
    7944,     0,    888,    0,   8,   16,     72,   80,   88,   96,   176,  184,  256,  32,   36, 40,   136, 288,  0,
    88,       8,    0,      56,  80,  74,     64,   0,    216,  112,  120,  128,  136,  68,   52, 96,   104, 208,  0,
    16,       8,    424,    24,  88,  168,    32,   288,  944,  888,  40,   32,   16,   40,   24, 16,   200, 24,   40,
    32,       48,   32,     40,  24,  16,     32,   16,   24,   40,   16,   32,   64,   32,   16, 40,   56,  176,  112,
    120,      1120, 104,    160, 24,  72,     67,   0,    8,    24,   344,  8028, 0,    4,    512};

constexpr std::uint64_t kHexOf3130 = 0x030D00F0;
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kFreeThreadedAt = 16;
constexpr std::size_t kWordsAt = 24;

// Word numbers in kWordsOf3130.
constexpr std::size_t kInterpreterSize = 3;
constexpr std::size_t kGilHolder = 15;
constexpr std::size_t kThreadSize = 16;
constexpr std::size_t kThreadNext = 18;
constexpr std::size_t kCodeSize = 31;
constexpr std::size_t kListItemCount = 52;
constexpr std::size_t kIntSize = 58;
constexpr std::size_t kIntTag = 59;
constexpr std::size_t kIntDigits = 60;
constexpr std::size_t kTextSize = 64;
constexpr std::size_t kAsciiSize = 67;

class Bytes {
 public:
  Bytes() {
    std::memcpy(bytes_.data(), "xdebugpy", 8);
    put(kVersionAt, kHexOf3130);
    put(kFreeThreadedAt, 0);
    for (std::size_t word = 0; word < kWordsOf3130.size(); ++word) set(word, kWordsOf3130[word]);
  }
  Bytes& put(std::size_t at, std::uint64_t value) {
    std::memcpy(&bytes_.at(at), &value, sizeof value);
    return *this;
  }
  Bytes& set(std::size_t word, std::uint64_t value) { return put(kWordsAt + word * 8, value); }
  [[nodiscard]] std::span<const std::byte> all() const { return bytes_; }

 private:
  std::array<std::byte, 584> bytes_{};
};

template <std::size_t kCount>
std::vector<std::byte> bytes_of(const std::array<std::uint64_t, kCount>& words) {
  std::vector<std::byte> bytes(8 + kCount * 8);
  std::memcpy(bytes.data(), "xdebugpy", 8);
  std::memcpy(bytes.data() + 8, words.data(), kCount * 8);
  return bytes;
}

Result<Layout> complete(std::span<const std::byte> bytes, const Layout& row) {
  const auto offsets = DebugOffsets::parse(bytes);
  if (!offsets) return fail(offsets);
  return layout_from_debug_offsets(*offsets, row);
}

const Layout& row() { return *find_layout({.major = 3, .minor = 13}); }

ErrorKind kind_of_failure(std::span<const std::byte> bytes) {
  const auto parsed = DebugOffsets::parse(bytes);
  REQUIRE_FALSE(parsed.has_value());
  CHECK_FALSE(complete(bytes, row()).has_value());
  CHECK_FALSE(parsed.error().detail.empty());
  return parsed.error().kind;
}

std::string detail_of_layout_failure(const Bytes& bytes) {
  REQUIRE(DebugOffsets::parse(bytes.all()).has_value());
  const auto layout = complete(bytes.all(), row());
  REQUIRE_FALSE(layout.has_value());
  return layout.error().detail;
}

TEST_CASE("the offsets that 3.13.0 states are found under CPython's names") {
  const auto offsets = DebugOffsets::parse(Bytes().all());
  REQUIRE(offsets.has_value());
  CHECK(offsets->version() == Version{.major = 3, .minor = 13});
  CHECK(offsets->hex_version() == kHexOf3130);
  CHECK(offsets->find("runtime_state", "interpreters_head") == 632U);
  CHECK(offsets->find("thread_state", "current_frame") == 72U);
  CHECK(offsets->find("gc", "collecting") == 200U);
  CHECK(offsets->find("set_object", "used") == std::nullopt);
}

TEST_CASE("3.13.0's own offsets and the row agree") {
  const auto layout = complete(Bytes().all(), row());
  REQUIRE(layout.has_value());
  CHECK(differences(*layout, row()).empty());
}

TEST_CASE("bytes behind the struct are ignored") {
  const Bytes bytes;
  std::vector<std::byte> longer(bytes.all().begin(), bytes.all().end());
  longer.resize(888, std::byte{0xFF});
  CHECK(DebugOffsets::parse(longer).has_value());
}

// A patch release that put 16 bytes into PyInterpreterState, behind the GIL pointer.
Bytes with_larger_interpreter_state() {
  constexpr std::array<std::size_t, 11> kMoved{kInterpreterSize, 4, 5, 6, 7, 8, 9, 10, 12, 14, kGilHolder};
  Bytes bytes;
  for (const std::size_t word : kMoved) bytes.set(word, kWordsOf3130.at(word) + 16);
  return bytes;
}

TEST_CASE("the target's offsets win over the row, the rest stays the row's") {
  const auto layout = complete(with_larger_interpreter_state().all(), row());
  REQUIRE(layout.has_value());
  Layout expected = row();
  expected.interpreter_state = {.size = Size(194968 + 16),
                                .next = Offset(7264 + 16),
                                .id = Offset(7272 + 16),
                                .threads_head = Offset(7344 + 16),
                                .modules = Offset(7656 + 16),
                                .gil = MaybeOffset(16),
                                .gc_collecting = MaybeOffset(7400 + 16 + 200)};
  CHECK(differences(*layout, expected).empty());
}

TEST_CASE("a struct that is moved and only told in part is refused, not guessed") {
  // PyThreadState.next at 24: `prev` and `interp` could still be right, but nobody tells where `dict` is.
  CHECK_THAT(detail_of_layout_failure(Bytes().set(kThreadNext, 24)), Catch::StartsWith("thread_state.dict is unknown"));
}

TEST_CASE("every way of cutting the bytes off is told") {
  const Bytes bytes;
  for (std::size_t size = 0; size < bytes.all().size(); ++size) {
    CHECK(kind_of_failure(bytes.all().first(size)) == ErrorKind::kInconsistent);
  }
}

TEST_CASE("without the cookie it is no CPython runtime") {
  Bytes bytes;
  bytes.put(0, 0);
  CHECK(kind_of_failure(bytes.all()) == ErrorKind::kNotPython);
}

TEST_CASE("a build is with or without the GIL, and nothing else") {
  CHECK(kind_of_failure(Bytes().put(kFreeThreadedAt, 2).all()) == ErrorKind::kInconsistent);
}

TEST_CASE("offsets of one build do not complete the row of the other") {
  const auto layout = complete(Bytes().put(kFreeThreadedAt, 1).all(), row());
  REQUIRE_FALSE(layout.has_value());
  CHECK(layout.error().kind == ErrorKind::kInconsistent);
}

// What a patch release moved is the target's to tell; what nobody has moved since the row was written is in both.
void check_completes(std::span<const std::byte> bytes, Version version, bool free_threaded) {
  const auto offsets = DebugOffsets::parse(bytes);
  REQUIRE(offsets.has_value());
  CHECK(offsets->version() == version);
  CHECK(offsets->free_threaded() == free_threaded);
  const Layout& known = *find_layout(version, free_threaded);
  const auto layout = layout_from_debug_offsets(*offsets, known);
  REQUIRE(layout.has_value());
  for (const auto& difference : differences(known, *layout)) {
    FAIL_CHECK(describe(difference));
  }
}

TEST_CASE("the offsets that 3.13.15t, 3.14.10 and 3.15.2 state are those of the rows") {
  check_completes(bytes_of(kWordsOf31315t), {.major = 3, .minor = 13}, true);
  check_completes(bytes_of(kWordsOf31410), {.major = 3, .minor = 14}, false);
  check_completes(bytes_of(kWordsOf3152), {.major = 3, .minor = 15}, false);
}

TEST_CASE("fields that only a free-threaded build has are not those of the other") {
  const auto offsets = DebugOffsets::parse(bytes_of(kWordsOf31410));
  REQUIRE(offsets.has_value());
  CHECK(offsets->find("code_object", "co_tlbc") == std::nullopt);
  CHECK(offsets->find("interpreter_frame", "tlbc_index") == std::nullopt);
  CHECK(offsets->find("interpreter_frame", "stackpointer") == 64U);
}

TEST_CASE("versions without a known list of fields are refused") {
  for (const std::uint64_t hex : {0x030C01F0U, 0x031000F0U, 0x031300F0U, 0x040D00F0U, 0x0U, 0xFFFFFFFFU}) {
    CHECK(kind_of_failure(Bytes().put(kVersionAt, hex).all()) == ErrorKind::kUnsupported);
  }
  CHECK(kind_of_failure(Bytes().put(kVersionAt, 0x1'030D'00F0).all()) == ErrorKind::kInconsistent);
}

TEST_CASE("alphas, betas and release candidates are refused, patch releases are not") {
  for (const std::uint64_t hex : {0x030D00A6U, 0x030D00B4U, 0x030D00C2U}) {
    const Bytes bytes = Bytes().put(kVersionAt, hex);
    CHECK(kind_of_failure(bytes.all()) == ErrorKind::kUnsupported);
    CHECK_THAT(DebugOffsets::parse(bytes.all()).error().detail, Catch::Contains("pre-release"));
  }
  CHECK(DebugOffsets::parse(Bytes().put(kVersionAt, 0x030D0BF0).all()).has_value());  // 3.13.11
}

TEST_CASE("no field can point out of its struct, whatever stands there") {
  constexpr std::array<std::uint64_t, 6> kHostile{4U << 20U,         1ULL << 31U, 1ULL << 32U,
                                                  (1ULL << 32U) + 8, 1ULL << 63U, ~std::uint64_t{7}};
  for (std::size_t word = 0; word < kWordsOf3130.size(); ++word) {
    for (const std::uint64_t value : kHostile) {
      const bool state_size = word == 0 || word == kInterpreterSize;
      if (state_size && value == kHostile.front()) continue;  // just within the bound
      CHECK(kind_of_failure(Bytes().set(word, value).all()) == ErrorKind::kOutOfBounds);
    }
  }
}

TEST_CASE("structs of no size or an absurd one are refused") {
  for (const std::size_t word : {std::size_t{0}, kInterpreterSize, kThreadSize, kCodeSize}) {
    CHECK(kind_of_failure(Bytes().set(word, 0).all()) == ErrorKind::kOutOfBounds);
    CHECK(kind_of_failure(Bytes().set(word, 5U << 20U).all()) == ErrorKind::kOutOfBounds);
  }
  CHECK(kind_of_failure(Bytes().set(kThreadSize, kMaxStructBytes + 8).all()) == ErrorKind::kOutOfBounds);
}

TEST_CASE("offsets between words are refused") {
  CHECK(kind_of_failure(Bytes().set(kThreadNext, 12).all()) == ErrorKind::kOutOfBounds);
  CHECK(kind_of_failure(Bytes().set(kThreadSize, 305).all()) == ErrorKind::kOutOfBounds);
}

TEST_CASE("a thread state too small for what the row says of it is refused") {
  // All that the target tells lies within 240 bytes; datastack_top, which the row adds, does not.
  CHECK(detail_of_layout_failure(Bytes().set(kThreadSize, 240)) ==
        "thread_state.datastack_top lies outside its struct");
}

TEST_CASE("members on top of each other are refused") {
  CHECK(detail_of_layout_failure(Bytes().set(kThreadNext, 16)) == "thread_state.interp overlaps another member");
}

TEST_CASE("what is told twice must be told alike") {
  CHECK(detail_of_layout_failure(Bytes().set(kListItemCount, 24)) ==
        "object.item_count is told twice, and differently");
}

TEST_CASE("a GIL that ends before it begins is refused") {
  CHECK(detail_of_layout_failure(Bytes().set(kGilHolder, 8)) == "gil_state.last_holder is negative");
}

TEST_CASE("offsets complete only the row of their own version") {
  const auto layout = complete(Bytes().all(), *find_layout({.major = 3, .minor = 12}));
  REQUIRE_FALSE(layout.has_value());
  CHECK(layout.error().kind == ErrorKind::kInconsistent);
}

// A reader copies the head of a str into 64 bytes on its stack; as many as the target says would have run over them.
TEST_CASE("what a target says of small objects fits the buffers that they are copied into") {
  Bytes bytes;
  REQUIRE(complete(bytes.all(), row()));
  SECTION("the head of a str is too long") { bytes.set(kTextSize, 4096).set(kAsciiSize, 72); }
  SECTION("the head of a str ends before its length") { bytes.set(kAsciiSize, 16); }
  SECTION("the head of a str ends before its state") { bytes.set(kAsciiSize, 32); }
  SECTION("an int's digits lie too far in") { bytes.set(kIntSize, 4096).set(kIntDigits, 44); }
  SECTION("an int's tag lies behind its digits") { bytes.set(kIntSize, 64).set(kIntTag, 40); }
  const auto layout = complete(bytes.all(), row());
  REQUIRE_FALSE(layout);
  CHECK(layout.error().kind == ErrorKind::kOutOfBounds);
}

}  // namespace
}  // namespace snag::python
