// Built-in objects in memory that is made as CPython's headers say: Include/cpython/{unicodeobject,longintrepr}.h,
// Objects/dict-common.h, Include/internal/pycore_dict.h.

#include "readers/python/objects.h"

#include <string>
#include <vector>

#include "tests/unit/python/made_memory.h"

namespace snag::python {
namespace {

using test::Struct;

constexpr Address kObject{0x10000};
constexpr std::array kEveryVersion{Version{3, 8},  Version{3, 9},  Version{3, 10},
                                   Version{3, 11}, Version{3, 12}, Version{3, 13}};

// A compact str: kind 1, 2 or 4 bytes a code point; `bits` beyond the kind as in PyASCIIObject.state.
template <class Unit>
Struct make_string(const Layout& layout, const std::vector<Unit>& units, bool ascii = false) {
  const std::size_t head = (ascii ? layout.unicode.ascii_size : layout.unicode.compact_size).bytes();
  Struct made(head + (units.size() + 1) * sizeof(Unit));
  const auto state = static_cast<std::uint32_t>(sizeof(Unit) << 2U) | 1U << 5U | (ascii ? 1U << 6U : 0U);
  made.put(layout.unicode.length, std::uint64_t{units.size()}).put(layout.unicode.state, state);
  for (std::size_t i = 0; i < units.size(); ++i) made.put(head + i * sizeof(Unit), units[i]);
  return made;
}

Struct make_ascii(const Layout& layout, std::string_view text) {
  return make_string(layout, std::vector<std::uint8_t>(text.begin(), text.end()), true);
}

// An int of 30-bit digits, least significant first.
Struct make_integer(const Layout& layout, const std::vector<std::uint32_t>& digits, bool negative) {
  const auto& at = layout.small_objects;
  Struct made(at.long_digits.bytes() + std::max<std::size_t>(digits.size(), 1) * 4);
  const auto count = static_cast<std::int64_t>(digits.size());
  if (at.long_tag.has_value()) {
    const std::uint64_t sign = digits.empty() ? 1 : negative ? 2 : 0;
    made.put(*at.long_tag, static_cast<std::uint64_t>(count) << 3U | sign);
  } else {
    made.put(layout.object.item_count, negative ? -count : count);
  }
  for (std::size_t i = 0; i < digits.size(); ++i) made.put(at.long_digits.bytes() + i * 4, digits[i]);
  return made;
}

// Reads what was made, and nothing beside it: what lies behind is not mapped.
template <class Read>
auto read_made(Version version, const Struct& made, Read read) {
  ImageMemory memory;
  REQUIRE(memory.add(kObject, made.bytes()));
  return read(ObjectReader(memory, *find_layout(version)));
}

template <class Make>
void check_string(Make make, const std::string& expected) {
  for (const Version version : kEveryVersion) {
    CAPTURE(int{version.minor});
    const auto text = read_made(version, make(*find_layout(version)),
                                [](const ObjectReader& objects) { return objects.string(kObject); });
    REQUIRE(text);
    CHECK(*text == expected);
  }
}

TEST_CASE("a str of each kind is read as UTF-8") {
  check_string([](const Layout& at) { return make_ascii(at, "report"); }, "report");
  check_string([](const Layout& at) { return make_ascii(at, ""); }, "");
  check_string([](const Layout& at) { return make_string<std::uint8_t>(at, {'c', 0xE9}); }, "c\xC3\xA9");
  check_string(
      [](const Layout& at) {
        return make_string<std::uint16_t>(at, {0x416, 0x20AC});
      },
      "\xD0\x96\xE2\x82\xAC");
  check_string([](const Layout& at) { return make_string<std::uint32_t>(at, {'a', 0x1F40D}); }, "a\xF0\x9F\x90\x8D");
}

TEST_CASE("a lone surrogate is written out, and what no str can hold becomes U+FFFD") {
  check_string([](const Layout& at) { return make_string<std::uint16_t>(at, {0xDC80, 'x'}); }, "\\udc80x");
  check_string([](const Layout& at) { return make_string<std::uint32_t>(at, {0x110000}); }, "\xEF\xBF\xBD");
}

TEST_CASE("a long str is cut, and says so") {
  const std::string text(kMaxStringBytes * 2, 'x');
  check_string([&](const Layout& at) { return make_ascii(at, text); }, text.substr(0, kMaxStringBytes) + "…");
  check_string([&](const Layout& at) { return make_ascii(at, text.substr(0, kMaxStringBytes)); },
               text.substr(0, kMaxStringBytes));
}

TEST_CASE("a str whose length is absurd is not read beyond the bound") {
  for (const Version version : kEveryVersion) {
    const auto& layout = *find_layout(version);
    auto made = make_ascii(layout, std::string(kMaxStringBytes, 'x'));
    made.put(layout.unicode.length, ~std::uint64_t{0});
    const auto text = read_made(version, made, [](const ObjectReader& objects) { return objects.string(kObject); });
    REQUIRE(text);
    CHECK(*text == std::string(kMaxStringBytes, 'x') + "…");
  }
}

TEST_CASE("a str that is not compact, or of no kind, is refused") {
  const auto& layout = *find_layout({3, 12});
  for (const std::uint32_t state : {0U, 1U << 2U, 3U << 2U | 1U << 5U, 7U << 2U | 1U << 5U}) {
    auto made = make_ascii(layout, "report");
    made.put(layout.unicode.state, state);
    const auto text = read_made({3, 12}, made, [](const ObjectReader& objects) { return objects.string(kObject); });
    REQUIRE_FALSE(text);
    CHECK(text.error().kind == ErrorKind::kInconsistent);
  }
}

struct Integer {
  std::vector<std::uint32_t> digits;
  bool negative;
  std::int64_t value;
};

TEST_CASE("an int of up to two digits is read, negative ones too") {
  const std::vector<Integer> integers{
      {{}, false, 0},
      {{1}, false, 1},
      {{1}, true, -1},
      {{0x3FFFFFFF}, false, 1073741823},
      {{0x3FFFFFFF}, true, -1073741823},
      {{0, 1}, false, 1073741824},
      {{5, 3}, true, -(std::int64_t{3} * 1073741824 + 5)},
      {{0x3FFFFFFF, 0x3FFFFFFF}, false, (std::int64_t{1} << 60) - 1},
  };
  for (const Version version : kEveryVersion) {
    for (const auto& integer : integers) {
      CAPTURE(int{version.minor}, integer.value);
      const auto made = make_integer(*find_layout(version), integer.digits, integer.negative);
      const auto value = read_made(version, made, [](const ObjectReader& objects) { return objects.integer(kObject); });
      REQUIRE(value);
      CHECK(*value == integer.value);
    }
  }
}

TEST_CASE("an int of more digits is refused, however many it claims") {
  for (const Version version : kEveryVersion) {
    CAPTURE(int{version.minor});
    const auto& layout = *find_layout(version);
    auto made = make_integer(layout, {1, 2, 3}, false);
    const auto integer = [](const ObjectReader& objects) { return objects.integer(kObject); };
    CHECK(read_made(version, made, integer).error().kind == ErrorKind::kOutOfBounds);
    made.put(layout.object.item_count, std::int64_t{1} << 62);
    CHECK(read_made(version, made, integer).error().kind == ErrorKind::kOutOfBounds);
    made.put(layout.object.item_count, std::numeric_limits<std::int64_t>::min());
    CHECK(read_made(version, made, integer).error().kind == ErrorKind::kOutOfBounds);
  }
}

TEST_CASE("a count is taken from a copy of the int's head, where it has one digit") {
  for (const Version version : kEveryVersion) {
    CAPTURE(int{version.minor});
    const auto& layout = *find_layout(version);
    const ImageMemory none;
    const ObjectReader objects(none, layout);
    CHECK(objects.small_integer(make_integer(layout, {7}, false).bytes()) == 7);
    CHECK(objects.small_integer(make_integer(layout, {7}, true).bytes()) == -7);
    CHECK(objects.small_integer(make_integer(layout, {}, false).bytes()) == 0);
    CHECK_FALSE(objects.small_integer(make_integer(layout, {7, 7}, false).bytes()));
  }
}

TEST_CASE("a tuple or bytes object that claims more than its bound is refused before anything is allocated") {
  const auto& layout = *find_layout({3, 11});
  Struct made(64);
  made.put(layout.object.item_count, ~std::uint64_t{0});
  ImageMemory memory;
  REQUIRE(memory.add(kObject, made.bytes()));
  const ObjectReader objects(memory, layout);
  CHECK(objects.tuple(kObject).error().kind == ErrorKind::kOutOfBounds);
  CHECK(objects.bytes(kObject, 1024).error().kind == ErrorKind::kOutOfBounds);
}

TEST_CASE("a C string is read up to its NUL, its bound, or the end of what is mapped") {
  const auto& layout = *find_layout({3, 11});
  ImageMemory memory;
  Struct page(4096);
  page.put_text(4096 - 4, std::string_view("int\0", 4));
  page.put_text(0, std::string(1000, 'n'));
  REQUIRE(memory.add(kObject, page.bytes()));
  const ObjectReader objects(memory, layout);
  CHECK(*objects.c_string(kObject + 4092) == "int");  // the next page is not mapped
  CHECK(objects.c_string(kObject)->size() == 255);
  CHECK(objects.c_string(kObject + 8192).error().kind == ErrorKind::kUnreadable);
}

struct Entry {
  Address key;
  Address value;
};

constexpr Address kKeys{0x20000};

// A dict of eight slots of one byte; `with_hash`: entries {hash, key, value}, as every dict's were to 3.10 and a
// general one's are now. Entry by entry as they were put in, deleted ones null.
void add_dict(ImageMemory& memory, const Layout& layout, const std::vector<Entry>& entries, bool with_hash) {
  const auto& at = layout.dict_keys;
  constexpr std::size_t kSlots = 8;
  const std::size_t entry_bytes = with_hash ? 24 : 16;
  Struct keys(at.indices.bytes() + kSlots + entries.size() * entry_bytes);
  if (at.slot_count.has_value()) {
    keys.put(*at.slot_count, std::uint64_t{kSlots});
  } else {
    keys.put(*at.log2_size, std::uint8_t{3}).put(*at.log2_index_bytes, std::uint8_t{3});
    keys.put(*at.kind, std::uint8_t{with_hash ? std::uint8_t{0} : std::uint8_t{1}});
  }
  keys.put(at.entry_count, std::uint64_t{entries.size()});
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::size_t begin = at.indices.bytes() + kSlots + i * entry_bytes + (with_hash ? 8 : 0);
    if (with_hash) keys.put(begin - 8, std::uint64_t{0xABCDEF});
    keys.put(begin, entries[i].key).put(begin + 8, entries[i].value);
  }
  REQUIRE(memory.add(kKeys, keys.bytes()));
  Struct dict(layout.dict.values.bytes() + 8);
  dict.put(layout.dict.used, std::uint64_t{entries.size()}).put(layout.dict.keys, kKeys.value);
  REQUIRE(memory.add(kObject, dict.bytes()));
}

constexpr Address kName{0x30000};
constexpr Address kPath{0x31000};
constexpr Address kNumber{0x32000};

void check_dict(Version version, bool with_hash) {
  CAPTURE(int{version.minor}, with_hash);
  const auto& layout = *find_layout(version);
  ImageMemory memory;
  add_dict(memory, layout, {{kPath, Address{0x99}}, {{}, {}}, {kNumber, Address{0x66}}, {kName, Address{0x77}}},
           with_hash);
  REQUIRE(memory.add(kName, make_ascii(layout, "__name__").bytes()));
  REQUIRE(memory.add(kPath, make_ascii(layout, "__path__").bytes()));
  REQUIRE(memory.add(kNumber, make_integer(layout, {8}, false).bytes()));
  const ObjectReader objects(memory, layout);
  CHECK(objects.dict(kObject)->size() == 3);
  CHECK(objects.find(kObject, "__path__").value() == Address{0x99});
  CHECK_FALSE(objects.find(kObject, "__main__").value());
  CHECK(objects.find_identity(kObject, kNumber).value() == Address{0x66});
  CHECK_FALSE(objects.find_identity(kObject, Address{0x99}).value());
}

TEST_CASE("a dict of each kind is read, without what was deleted from it") {
  for (const Version version : kEveryVersion) {
    check_dict(version, true);
    if (version.minor >= 11) check_dict(version, false);
  }
}

TEST_CASE("a str key is found behind an int key that ends where its page does") {
  const auto& layout = *find_layout({3, 12});
  ImageMemory memory;
  add_dict(memory, layout, {{kNumber, Address{0x66}}, {kName, Address{0x77}}}, true);
  REQUIRE(memory.add(kNumber, make_integer(layout, {8}, false).bytes()));
  REQUIRE(memory.add(kName, make_ascii(layout, "__name__").bytes()));
  CHECK(ObjectReader(memory, layout).find(kObject, "__name__").value() == Address{0x77});
}

TEST_CASE("a dict that shares its keys is not read wrongly but refused") {
  const auto& layout = *find_layout({3, 12});
  ImageMemory memory;
  add_dict(memory, layout, {}, false);
  REQUIRE(memory.change_value(kObject + layout.dict.values, std::uint64_t{0x40000}));
  CHECK(ObjectReader(memory, layout).dict(kObject).error().kind == ErrorKind::kUnsupported);
}

TEST_CASE("hostile sizes of a dict are refused before anything is allocated") {
  for (const Version version : kEveryVersion) {
    CAPTURE(int{version.minor});
    const auto& layout = *find_layout(version);
    const auto& at = layout.dict_keys;
    ImageMemory memory;
    add_dict(memory, layout, {{kName, Address{0x77}}}, true);
    const ObjectReader objects(memory, layout);
    for (const std::int64_t count :
         {std::int64_t{-1}, std::int64_t{1} << 40, std::numeric_limits<std::int64_t>::min()}) {
      REQUIRE(memory.change_value(kKeys + at.entry_count, count));
      CHECK(objects.dict(kObject).error().kind == ErrorKind::kOutOfBounds);
    }
    REQUIRE(memory.change_value(kKeys + at.entry_count, std::int64_t{1}));
    if (at.slot_count.has_value()) {
      REQUIRE(memory.change_value(kKeys + *at.slot_count, ~std::uint64_t{0}));
    } else {
      REQUIRE(memory.change_value(kKeys + *at.log2_index_bytes, std::uint8_t{0xFF}));
    }
    CHECK_FALSE(objects.dict(kObject));
  }
}

TEST_CASE("a dict that is its own key table ends") {
  const auto& layout = *find_layout({3, 12});
  Struct cycle(128);
  cycle.put(layout.dict.keys, kObject.value);
  ImageMemory memory;
  REQUIRE(memory.add(kObject, cycle.bytes()));
  const ObjectReader objects(memory, layout);
  CHECK_NOTHROW(objects.dict(kObject));
  CHECK_NOTHROW(objects.find(kObject, "x"));
}

TEST_CASE("the name of a type is read through the object, and a broken link says which") {
  const auto& layout = *find_layout({3, 12});
  constexpr Address kType{0x40000};
  ImageMemory memory;
  Struct object(16);
  object.put(layout.object.type, kType.value);
  REQUIRE(memory.add(kObject, object.bytes()));
  Struct type(layout.type.size.bytes() + 64);
  type.put(layout.type.name, kType.value + layout.type.size.bytes())
      .put_text(layout.type.size.bytes(), "_asyncio.Task");
  REQUIRE(memory.add(kType, type.bytes()));
  const ObjectReader objects(memory, layout);
  CHECK(*objects.type_name_of(kObject) == "_asyncio.Task");
  memory.unmap(kType, 1);
  memory.unmap(kType + layout.type.name, 8);
  const auto failed = objects.type_name_of(kObject);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().where == kType + layout.type.name);
}

}  // namespace
}  // namespace snag::python
