#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "readers/python/objects.h"
#include "readers/python/runtime.h"

namespace snag::python {

// Reads attributes of instances of Python classes, of many at once: wherever the version, and the instance's own
// history, keep them (Dialect::attributes). Only what lies in the instance itself: no class attributes, slots or
// properties.
//
// A reader is for one look: what it learns of classes and shared keys holds only while they live.
class InstanceReader {
 public:
  InstanceReader(const ObjectReader& objects, const Runtime& runtime, std::span<const std::string_view> attributes)
      : objects_(&objects), runtime_(&runtime), attributes_(attributes) {}

  // For each object, one after another, the value of each attribute; null where it has none or cannot be read. Some 1
  // µs an object. Fails only where every read would.
  [[nodiscard]] Result<std::vector<Address>> read(std::span<const Address> objects);

 private:
  // Where the attributes stand among the keys that the instances of a class share; nullopt: not among them.
  using Places = std::vector<std::optional<std::size_t>>;
  struct Class {
    std::uint64_t flags = 0;
    std::uint64_t basic_size = 0;
    std::int64_t dict_offset = 0;
    Address shared_keys;
  };
  // One object on its way.
  struct Instance {
    Address object;
    Address dict_at = {};  // where the pointer to its dict lies; null: it needs none, or has none
    Address dict = {};
    Address keys = {};    // shared ones
    Address values = {};  // in the order of the keys
  };

  [[nodiscard]] Result<void> locate(std::span<Instance> instances);
  void locate(Instance& instance, Address type, std::span<const std::uint64_t> before) const;
  [[nodiscard]] Result<void> follow_dicts(std::span<Instance> instances) const;
  [[nodiscard]] const Class* class_of(Address type);
  [[nodiscard]] std::optional<Class> read_class(Address type) const;
  [[nodiscard]] const Places& places_in(Address keys);
  [[nodiscard]] Address found_in(Address dict, std::string_view attribute) const;

  const ObjectReader* objects_;
  const Runtime* runtime_;
  std::span<const std::string_view> attributes_;
  std::unordered_map<Address, std::optional<Class>, AddressHash> classes_;
  std::unordered_map<Address, Places, AddressHash> places_;
};

}  // namespace snag::python
