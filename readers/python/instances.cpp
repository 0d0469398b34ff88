#include "readers/python/instances.h"

#include <array>

#include "readers/process/read_each.h"

namespace snag::python {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
// From 3.11 instances keep words before the object: values, dict, and the two of the garbage collector's header
// (Include/internal/pycore_object.h: _PyObject_ValuesPointer and the like). Free-threaded builds have no such header.
constexpr std::size_t kWordsBefore = 4;
constexpr std::size_t kValuesBefore = 0;  // index among them
std::size_t dict_before(const Layout& layout) {
  const bool free_threaded = !layout.object.reference_count.has_value();
  return free_threaded ? kWordsBefore - 1 : 1;
}
// Py_TPFLAGS_MANAGED_DICT and, from 3.13, Py_TPFLAGS_INLINE_VALUES (Include/object.h).
constexpr std::uint64_t kManagedDict = 1U << 4U;
constexpr std::uint64_t kInlineValues = 1U << 2U;
// PyHeapTypeObject from 3.10 on (Include/cpython/object.h): the type, tables of 4, 36, 3, 10 and 2 pointers, three
// names, then ht_cached_keys.
constexpr std::uint64_t kCachedKeysBehindType = (4 + 36 + 3 + 10 + 2 + 3) * kWord;
// struct _dictvalues of 3.13: capacity, size, embedded, valid, a byte each; the values are aligned.
constexpr std::uint64_t kValuesInStruct = kWord;
constexpr std::uint64_t kValidInStruct = 3;

bool has_managed_dict(const Dialect& dialect, std::uint64_t flags) {
  return dialect.attributes != AttributeStorage::kDict && (flags & kManagedDict) != 0;
}

}  // namespace

std::optional<InstanceReader::Class> InstanceReader::read_class(Address type) const {
  const auto& at = runtime_->layout.type;
  std::vector<std::byte> copy(at.size.bytes());
  const auto& memory = objects_->memory();
  if (!memory.read(type, copy, "PyTypeObject")) return std::nullopt;
  Class read{.flags = load<std::uint64_t>(copy, at.flags.bytes()),
             .basic_size = load<std::uint64_t>(copy, at.basic_size.bytes()),
             .dict_offset = load<std::int64_t>(copy, at.dict_offset.bytes()),
             .shared_keys = {}};
  if (!has_managed_dict(runtime_->dialect, read.flags)) return read;
  const auto keys = memory.read_pointer(type + at.size.bytes() + kCachedKeysBehindType, "ht_cached_keys");
  if (!keys) return std::nullopt;
  read.shared_keys = *keys;
  return read;
}

const InstanceReader::Class* InstanceReader::class_of(Address type) {
  auto known = classes_.find(type);
  if (known == classes_.end()) known = classes_.emplace(type, read_class(type)).first;
  return known->second ? &*known->second : nullptr;
}

const InstanceReader::Places& InstanceReader::places_in(Address keys) {
  const auto known = places_.find(keys);
  if (known != places_.end()) return known->second;
  Places places;
  for (const auto attribute : attributes_) {
    const auto index = objects_->key_index(keys, attribute);
    places.push_back(index ? *index : std::nullopt);
  }
  return places_.emplace(keys, std::move(places)).first->second;
}

// By the object's type and the words before it.
void InstanceReader::locate(Instance& instance, Address type, std::span<const std::uint64_t> before) const {
  const auto known = classes_.find(type);
  if (known == classes_.end() || !known->second) return;
  const Class& its_class = *known->second;
  if (!has_managed_dict(runtime_->dialect, its_class.flags)) {
    // Objects of variable size, whose dict lies at their end, have a negative offset: ints and tuples of a subclass.
    const bool has_dict = its_class.dict_offset > 0;
    if (has_dict) instance.dict_at = instance.object + static_cast<std::uint64_t>(its_class.dict_offset);
    return;
  }
  instance.keys = its_class.shared_keys;
  const std::uint64_t before_dict = before[dict_before(runtime_->layout)];
  switch (runtime_->dialect.attributes) {
    case AttributeStorage::kDict:
      return;
    case AttributeStorage::kValuesBefore:
      instance.values = Address{before[kValuesBefore]};
      instance.dict = Address{before_dict};
      return;
    case AttributeStorage::kTaggedBefore:
      if ((before_dict & 1U) != 0) {
        instance.values = Address{before_dict + 1};
      } else {
        instance.dict = Address{before_dict};
      }
      return;
    case AttributeStorage::kInline:
      instance.dict = Address{before_dict};
      if (instance.dict.is_null() && (its_class.flags & kInlineValues) != 0) {
        instance.values = instance.object + its_class.basic_size;
      }
      return;
  }
}

Result<void> InstanceReader::locate(std::span<Instance> instances) {
  std::vector<std::array<std::uint64_t, kWordsBefore>> before(instances.size());
  std::vector<std::uint64_t> types(instances.size());
  const bool has_words = runtime_->dialect.attributes != AttributeStorage::kDict;
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < instances.size(); ++i) {
    const Address object = instances[i].object;
    pieces.push_back(
        {.from = object + runtime_->layout.object.type, .into = std::as_writable_bytes(std::span(&types[i], 1))});
    const auto words = has_words ? std::span(before[i]) : std::span<std::uint64_t>();
    pieces.push_back({.from = object - words.size_bytes(), .into = std::as_writable_bytes(words)});
  }
  auto whole = read_each(objects_->memory(), pieces, "PyObject");
  if (!whole) return fail(whole);
  for (std::size_t i = 0; i < instances.size(); ++i) {
    if (!(*whole)[i * 2] || !(*whole)[i * 2 + 1]) continue;
    if (class_of(Address{types[i]}) != nullptr) locate(instances[i], Address{types[i]}, before[i]);
  }
  return {};
}

// From dicts to values in the order of shared keys, where the dict has those.
Result<void> InstanceReader::follow_dicts(std::span<Instance> instances) const {
  std::vector<Piece> pieces;
  for (auto& instance : instances) {
    const auto into = std::as_writable_bytes(std::span(&instance.dict.value, instance.dict_at.is_null() ? 0 : 1));
    pieces.push_back({.from = instance.dict_at, .into = into});
  }
  auto whole = read_each(objects_->memory(), pieces, "__dict__");
  if (!whole) return fail(whole);
  pieces.clear();
  for (auto& instance : instances) {
    const std::size_t has_dict = instance.dict.is_null() ? 0 : 1;
    pieces.push_back({.from = instance.dict + runtime_->layout.dict.keys,
                      .into = std::as_writable_bytes(std::span(&instance.keys.value, has_dict))});
    pieces.push_back({.from = instance.dict + runtime_->layout.dict.values,
                      .into = std::as_writable_bytes(std::span(&instance.values.value, has_dict))});
  }
  whole = read_each(objects_->memory(), pieces, "PyDictObject");
  if (!whole) return fail(whole);
  return {};
}

Address InstanceReader::found_in(Address dict, std::string_view attribute) const {
  const auto found = objects_->find(dict, attribute);
  return found && *found ? **found : Address{};
}

Result<std::vector<Address>> InstanceReader::read(std::span<const Address> objects) {
  std::vector<Instance> instances;
  for (const Address object : objects) instances.push_back({.object = object});
  if (auto done = locate(instances); !done) return fail(done);
  if (auto done = follow_dicts(instances); !done) return fail(done);
  const std::size_t count = attributes_.size();
  std::vector<Address> values(instances.size() * count);
  std::vector<std::uint8_t> valid(instances.size(), 1);
  std::vector<Piece> pieces;
  const bool in_struct = runtime_->dialect.attributes == AttributeStorage::kInline;
  for (std::size_t i = 0; i < instances.size(); ++i) {
    const auto& [object, dict_at, dict, keys, begin] = instances[i];
    const std::size_t has_values = begin.is_null() ? 0 : 1;
    pieces.push_back({.from = begin + kValidInStruct,
                      .into = std::as_writable_bytes(std::span(&valid[i], in_struct ? has_values : 0))});
    for (std::size_t j = 0; j < count; ++j) {
      const auto place = has_values != 0 ? places_in(keys)[j] : std::nullopt;
      const Address at = begin + (in_struct ? kValuesInStruct : 0) + place.value_or(0) * kWord;
      pieces.push_back({.from = at, .into = std::as_writable_bytes(std::span(&values[i * count + j], place ? 1 : 0))});
    }
  }
  auto whole = read_each(objects_->memory(), pieces, "values of __dict__");
  if (!whole) return fail(whole);
  for (std::size_t i = 0; i < instances.size(); ++i) {
    for (std::size_t j = 0; j < count; ++j) {
      auto& value = values[i * count + j];
      if (valid[i] == 0 || !(*whole)[i * (count + 1)] || !(*whole)[i * (count + 1) + 1 + j]) value = {};
      if (instances[i].values.is_null() && !instances[i].dict.is_null()) {
        value = found_in(instances[i].dict, attributes_[j]);
      }
    }
  }
  return values;
}

}  // namespace snag::python
