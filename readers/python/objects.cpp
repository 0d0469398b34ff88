#include "readers/python/objects.h"

#include <algorithm>
#include <array>

#include "readers/python/utf8.h"

namespace snag::python {
namespace {

constexpr std::size_t kPageSize = 4096;
constexpr std::size_t kPointer = sizeof(std::uint64_t);
constexpr const char* kEllipsis = "\xE2\x80\xA6";  // U+2026

Error inconsistent(const char* what, Address where, std::string detail = {}) {
  return {.kind = ErrorKind::kInconsistent, .what = what, .where = where, .detail = std::move(detail)};
}

Error out_of_bounds(const char* what, Address where, std::size_t wanted) {
  return {.kind = ErrorKind::kOutOfBounds, .what = what, .where = where, .wanted = wanted};
}

// PyASCIIObject.state: kind, and right behind it compact and ascii. What lies before them differs.
struct UnicodeState {
  unsigned kind;  // bytes a code point: 1, 2 or 4
  bool compact;
  bool ascii;
};

UnicodeState unicode_state(std::span<const std::byte> head, Bit kind) {
  constexpr unsigned kBitsPerByte = 8;
  const unsigned word =
      std::uint32_t{load<std::uint16_t>(head, kind.bits() / kBitsPerByte)} >> (kind.bits() % kBitsPerByte);
  return {.kind = word & 7U, .compact = (word & 8U) != 0, .ascii = (word & 16U) != 0};
}

}  // namespace

Result<Address> ObjectReader::type_of(Address object) const {
  return memory_->read_pointer(object + layout_->object.type, "PyObject.ob_type");
}

Result<std::string> ObjectReader::c_string(Address text) const {
  std::string result;
  std::array<std::byte, 64> block{};
  while (result.size() < 255) {
    const std::size_t left_in_page = kPageSize - text.value % kPageSize;  // the next page may not be mapped
    const auto part = std::span(block).first(std::min(block.size(), left_in_page));
    if (auto done = memory_->read(text, part, "char*"); !done) return fail(done);
    const auto end = std::find(part.begin(), part.end(), std::byte{0});
    for (auto byte = part.begin(); byte != end; ++byte) result.push_back(static_cast<char>(*byte));
    if (end != part.end()) break;
    text = text + part.size();
  }
  if (result.size() > 255) result.resize(255);
  return result;
}

Result<std::string> ObjectReader::type_name(Address type) const {
  auto name = memory_->read_pointer(type + layout_->type.name, "PyTypeObject.tp_name");
  if (!name) return fail(name);
  return c_string(*name);
}

Result<std::string> ObjectReader::type_name_of(Address object) const {
  auto type = type_of(object);
  if (!type) return fail(type);
  return type_name(*type);
}

Result<std::string> ObjectReader::string(Address unicode) const {
  std::array<std::byte, 64> head{};
  const auto& at = layout_->unicode;
  if (auto done = memory_->read(unicode, std::span(head).first(at.ascii_size.bytes()), "PyUnicodeObject"); !done) {
    return fail(done);
  }
  const auto length = load<std::uint64_t>(head, at.length.bytes());
  const auto state = unicode_state(head, at.kind);
  if (!state.compact || (state.kind != 1 && state.kind != 2 && state.kind != 4)) {
    return fail(inconsistent("PyUnicodeObject.state", unicode, "not a compact string"));
  }
  const std::size_t wanted = std::min<std::uint64_t>(length, kMaxStringBytes) * state.kind;
  std::vector<std::byte> text(wanted);
  const Address data = unicode + (state.ascii ? at.ascii_size : at.compact_size).bytes();
  if (auto done = memory_->read(data, text, "PyUnicodeObject data"); !done) return fail(done);
  return to_utf8(text, state.kind) + (length > kMaxStringBytes ? kEllipsis : "");
}

ObjectReader::IntegerHead ObjectReader::integer_head(std::span<const std::byte> copy) const {
  const auto& at = layout_->small_objects;
  if (at.long_tag.has_value()) {  // 3.12: sign in the low two bits (0 +, 1 zero, 2 -), count of digits from bit 3
    const auto tag = load<std::uint64_t>(copy, (*at.long_tag).bytes());
    return {.digits = (tag & 3U) == 1 ? 0 : tag >> 3U, .negative = (tag & 3U) == 2};
  }
  // Before: Py_ssize_t ob_size, negative for a negative number.
  const auto size = load<std::int64_t>(copy, layout_->object.item_count.bytes());
  const auto magnitude = static_cast<std::uint64_t>(size);
  return {.digits = size < 0 ? 0 - magnitude : magnitude, .negative = size < 0};
}

std::size_t ObjectReader::small_integer_bytes() const {
  const std::size_t size = layout_->small_objects.long_digits.bytes() + sizeof(std::uint32_t);
  return std::min(size, kMaxSmallIntegerBytes);
}

std::optional<std::int64_t> ObjectReader::small_integer(std::span<const std::byte> copy) const {
  const auto head = integer_head(copy);
  if (head.digits > 1) return std::nullopt;
  if (head.digits == 0) return 0;
  const auto digit = std::int64_t{load<std::uint32_t>(copy, layout_->small_objects.long_digits.bytes())};
  return head.negative ? -digit : digit;
}

Result<std::int64_t> ObjectReader::integer(Address object) const {
  std::array<std::byte, kMaxIntegerBytes> copy{};
  // An int of one digit may end at the end of a page: first what every int has, then the digits that this one has.
  const auto first = std::span(copy).first(small_integer_bytes());
  if (auto done = memory_->read(object, first, "PyLongObject"); !done) return fail(done);
  if (auto value = small_integer(copy)) return *value;
  const auto head = integer_head(copy);
  if (head.digits > kMaxLongDigits) return fail(out_of_bounds("PyLongObject digits", object, head.digits));
  const auto both = std::span(copy).first(integer_bytes());
  if (auto done = memory_->read(object, both, "PyLongObject"); !done) return fail(done);
  auto value = integer(std::span<const std::byte>(copy));
  if (!value) return fail(inconsistent("PyLongObject", object));
  return *value;
}

std::size_t ObjectReader::integer_bytes() const {
  return small_integer_bytes() + (kMaxLongDigits - 1) * sizeof(std::uint32_t);
}

std::optional<std::int64_t> ObjectReader::integer(std::span<const std::byte> copy) const {
  if (auto value = small_integer(copy)) return value;
  const auto head = integer_head(copy);
  if (head.digits > kMaxLongDigits) return std::nullopt;
  const auto digit = [&](std::size_t i) {
    return std::int64_t{load<std::uint32_t>(copy, layout_->small_objects.long_digits.bytes() + i * 4) & 0x3FFFFFFFU};
  };
  const std::int64_t value = digit(0) | (digit(1) << 30);
  return head.negative ? -value : value;
}

Result<double> ObjectReader::real(Address object) const {
  return memory_->read_value<double>(object + layout_->small_objects.float_value, "PyFloatObject.ob_fval");
}

Result<std::vector<Address>> ObjectReader::tuple(Address object) const {
  auto count = memory_->read_value<std::uint64_t>(object + layout_->object.item_count, "PyTupleObject.ob_size");
  if (!count) return fail(count);
  if (*count > kMaxTupleItems) return fail(out_of_bounds("PyTupleObject.ob_size", object, *count));
  std::vector<Address> items(*count);
  auto done = memory_->read(object + layout_->small_objects.tuple_items, std::as_writable_bytes(std::span(items)),
                            "PyTupleObject.ob_item");
  if (!done) return fail(done);
  return items;
}

Result<std::vector<std::byte>> ObjectReader::bytes(Address object, std::size_t limit) const {
  auto count = memory_->read_value<std::uint64_t>(object + layout_->object.item_count, "PyBytesObject.ob_size");
  if (!count) return fail(count);
  if (*count > limit) return fail(out_of_bounds("PyBytesObject.ob_size", object, *count));
  std::vector<std::byte> content(*count);
  auto done = memory_->read(object + layout_->small_objects.bytes_value, content, "PyBytesObject.ob_sval");
  if (!done) return fail(done);
  return content;
}

Result<ObjectReader::KeyTable> ObjectReader::key_table(Address keys) const {
  const auto& at = layout_->dict_keys;
  std::array<std::byte, 64> head{};
  if (auto done = memory_->read(keys, std::span(head).first(at.indices.bytes()), "PyDictKeysObject"); !done) {
    return fail(done);
  }
  const auto count = load<std::int64_t>(head, at.entry_count.bytes());
  if (count < 0 || static_cast<std::uint64_t>(count) > kMaxDictEntries) {
    return fail(out_of_bounds("PyDictKeysObject.dk_nentries", keys, static_cast<std::size_t>(count)));
  }
  KeyTable table{
      .entries = {}, .entry_count = static_cast<std::size_t>(count), .entry_size = 3 * kPointer, .key_at = kPointer};
  std::uint64_t index_bytes = 0;
  if (at.log2_size.has_value()) {
    const auto log2_bytes = load<std::uint8_t>(head, (*at.log2_index_bytes).bytes());
    const auto kind = load<std::uint8_t>(head, (*at.kind).bytes());
    if (log2_bytes > 40 || kind > 2) return fail(inconsistent("PyDictKeysObject.dk_log2_index_bytes", keys));
    index_bytes = std::uint64_t{1} << log2_bytes;
    if (kind != 0) {  // DICT_KEYS_UNICODE, DICT_KEYS_SPLIT: entries {key, value}, no hash
      table.entry_size = 2 * kPointer;
      table.key_at = 0;
    }
  } else {
    const auto slots = load<std::uint64_t>(head, (*at.slot_count).bytes());
    if (slots > kMaxDictEntries * 2) return fail(out_of_bounds("PyDictKeysObject.dk_size", keys, slots));
    index_bytes = slots * (slots <= 0xFF ? 1U : slots <= 0xFFFF ? 2U : 4U);  // DK_IXSIZE
  }
  table.entries = keys + at.indices + index_bytes;
  return table;
}

Result<std::vector<ObjectReader::DictEntry>> ObjectReader::dict(Address object) const {
  auto keys = memory_->read_pointer(object + layout_->dict.keys, "PyDictObject.ma_keys");
  if (!keys) return fail(keys);
  auto values = memory_->read_pointer(object + layout_->dict.values, "PyDictObject.ma_values");
  if (!values) return fail(values);
  if (!values->is_null()) {
    return fail({.kind = ErrorKind::kUnsupported, .what = "PyDictObject.ma_values", .where = object});
  }
  auto table = key_table(*keys);
  if (!table) return fail(table);
  auto entries = entries_of(*table);
  if (!entries) return fail(entries);
  std::erase_if(*entries, [](const DictEntry& entry) { return entry.key.is_null() || entry.value.is_null(); });
  return entries;
}

Result<std::vector<ObjectReader::DictEntry>> ObjectReader::entries_of(const KeyTable& table) const {
  std::vector<std::byte> raw(table.entry_count * table.entry_size);
  if (auto done = memory_->read(table.entries, raw, "PyDictKeysObject entries"); !done) return fail(done);
  std::vector<DictEntry> entries;
  for (std::size_t i = 0; i < table.entry_count; ++i) {
    const std::size_t begin = i * table.entry_size + table.key_at;
    entries.push_back(
        {.key = {load<std::uint64_t>(raw, begin)}, .value = {load<std::uint64_t>(raw, begin + kPointer)}});
  }
  return entries;
}

Result<std::optional<Address>> ObjectReader::find_identity(Address dict_object, Address key) const {
  auto entries = dict(dict_object);
  if (!entries) return fail(entries);
  for (const auto& entry : *entries) {
    if (entry.key == key) return std::optional(entry.value);
  }
  return std::optional<Address>();
}

Result<std::optional<Address>> ObjectReader::find(Address dict_object, std::string_view key) const {
  auto entries = dict(dict_object);
  if (!entries) return fail(entries);
  auto place = find_key(*entries, key);
  if (!place) return fail(place);
  if (*place == entries->size()) return std::optional<Address>();
  return std::optional((*entries)[*place].value);
}

Result<std::optional<std::size_t>> ObjectReader::key_index(Address keys, std::string_view key) const {
  auto table = key_table(keys);
  if (!table) return fail(table);
  auto entries = entries_of(*table);
  if (!entries) return fail(entries);
  auto place = find_key(*entries, key);
  if (!place) return fail(place);
  if (*place == entries->size()) return std::optional<std::size_t>();
  return std::optional(*place);
}

Result<std::size_t> ObjectReader::find_key(std::span<const DictEntry> entries, std::string_view key) const {
  // Keys are compared by their head in bulk; only a key of the right length has its text read.
  constexpr std::size_t kBatch = 256;
  const auto& at = layout_->unicode;
  std::vector<std::byte> heads(kBatch * at.ascii_size.bytes());
  std::vector<Piece> pieces;
  for (std::size_t first = 0; first < entries.size();) {
    const std::size_t count = std::min(kBatch, entries.size() - first);
    pieces.clear();
    for (std::size_t i = 0; i < count; ++i) {
      pieces.push_back({.from = entries[first + i].key,
                        .into = std::span(heads).subspan(i * at.ascii_size.bytes(), at.ascii_size.bytes())});
    }
    auto done = memory_->read_many(pieces, "dict keys");
    if (!done) return fail(done);
    const std::size_t readable = std::min(*done, count);
    for (std::size_t i = 0; i < readable; ++i) {
      if (load<std::uint64_t>(pieces[i].into, at.length.bytes()) != key.size()) continue;
      auto text = string(entries[first + i].key);
      if (text && *text == key) return first + i;
    }
    // The key that stopped the read is not as long as a str's head is, and so none: on with the one behind it.
    first += readable < count ? readable + 1 : count;
  }
  return entries.size();
}

}  // namespace snag::python
