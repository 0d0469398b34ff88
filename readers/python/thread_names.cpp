#include "readers/python/thread_names.h"

#include <array>
#include <map>
#include <string_view>
#include <unordered_map>

#include "readers/process/read_each.h"
#include "readers/python/instances.h"

namespace snag::python {
namespace {

constexpr std::array<std::string_view, 2> kAttributes{"_name", "_ident"};
// Py_TPFLAGS_UNICODE_SUBCLASS (Include/object.h): a str, or an instance of a subclass.
constexpr std::uint64_t kIsStr = std::uint64_t{1} << 28U;

// A Thread object, and the state among those asked for that it is the thread of.
struct Known {
  std::size_t state;
  Address thread;
};

Result<std::optional<Address>> active_threads(const ObjectReader& objects, Address interpreter) {
  const auto& memory = objects.memory();
  auto modules = memory.read_pointer(interpreter + objects.layout().interpreter_state.modules, "sys.modules");
  if (!modules) return fail(modules);
  if (modules->is_null()) return std::optional<Address>();  // the interpreter begins or ends
  auto module = objects.find(*modules, "threading");
  if (!module || !*module) return module;
  auto names = memory.read_pointer(**module + objects.layout().small_objects.module_dict, "md_dict");
  if (!names) return fail(names);
  return objects.find(*names, "_active");
}

// The values of ints; of those that cannot be read, 0, which is nobody's ident.
Result<std::vector<Address>> idents(const ObjectReader& objects, std::span<const Address> integers) {
  std::vector<std::array<std::byte, kMaxIntegerBytes>> copies(integers.size());
  const std::size_t bytes = objects.integer_bytes();
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < integers.size(); ++i) pieces.push_back({.from = integers[i], .into = std::span(copies[i]).first(bytes)});
  auto whole = read_each(objects.memory(), pieces, "ident");
  if (!whole) return fail(whole);
  std::vector<Address> values(integers.size());
  for (std::size_t i = 0; i < integers.size(); ++i) {
    const auto value = (*whole)[i] ? objects.integer(std::span<const std::byte>(copies[i])) : std::nullopt;
    if (value && *value > 0) values[i] = Address{static_cast<std::uint64_t>(*value)};
  }
  return values;
}

Result<std::vector<Known>> known_threads(const ObjectReader& objects, Address interpreter,
                                         const std::unordered_multimap<Address, std::size_t, AddressHash>& wanted) {
  std::vector<Known> known;
  auto active = active_threads(objects, interpreter);
  if (!active) return fail(active);
  if (!*active) return known;
  auto entries = objects.dict(**active);
  if (!entries) return fail(entries);
  std::vector<Address> keys;
  for (const auto& entry : *entries) keys.push_back(entry.key);
  auto values = idents(objects, keys);
  if (!values) return fail(values);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto [begin, end] = wanted.equal_range((*values)[i]);
    for (auto state = begin; state != end; ++state) {
      known.push_back({.state = state->second, .thread = (*entries)[i].value});
    }
  }
  return known;
}

// Whether an object is a str, by its type's flags; types are looked up once.
class StrTypes {
 public:
  explicit StrTypes(const ObjectReader& objects) : objects_(&objects) {}
  [[nodiscard]] bool is_str(Address object) {
    const auto type = objects_->type_of(object);
    if (!type) return false;
    const auto known = types_.find(*type);
    if (known != types_.end()) return known->second;
    const auto flags =
        objects_->memory().read_value<std::uint64_t>(*type + objects_->layout().type.flags, "PyTypeObject.tp_flags");
    return types_.emplace(*type, flags && (*flags & kIsStr) != 0).first->second;
  }

 private:
  const ObjectReader* objects_;
  std::unordered_map<Address, bool, AddressHash> types_;
};

Result<void> name_threads(const ObjectReader& objects, const Runtime& runtime, std::span<const ThreadState> states,
                          std::span<const Known> known, std::vector<std::string>& names) {
  std::vector<Address> threads;
  for (const auto& one : known) threads.push_back(one.thread);
  InstanceReader reader(objects, runtime, kAttributes);
  auto before = reader.read(threads);
  if (!before) return fail(before);
  std::vector<Address> own;
  for (std::size_t i = 0; i < known.size(); ++i) own.push_back((*before)[i * kAttributes.size() + 1]);
  auto says = idents(objects, own);
  if (!says) return fail(says);
  StrTypes types(objects);
  std::vector<std::string> texts(known.size());
  for (std::size_t i = 0; i < known.size(); ++i) {
    const Address name = (*before)[i * kAttributes.size()];
    if (name.is_null() || (*says)[i] != states[known[i].state].pthread || !types.is_str(name)) continue;
    if (auto text = objects.string(name)) texts[i] = std::move(*text);
  }
  auto after = reader.read(threads);
  if (!after) return fail(after);
  for (std::size_t i = 0; i < known.size(); ++i) {
    const std::size_t at = i * kAttributes.size();
    if ((*before)[at] == (*after)[at]) names[known[i].state] = std::move(texts[i]);
  }
  return {};
}

}  // namespace

std::vector<std::string> thread_names(const ObjectReader& objects, const Runtime& runtime,
                                      std::span<const ThreadState> states) {
  std::vector<std::string> names(states.size());
  std::map<Address, std::unordered_multimap<Address, std::size_t, AddressHash>> interpreters;
  for (std::size_t i = 0; i < states.size(); ++i) interpreters[states[i].interpreter].emplace(states[i].pthread, i);
  for (const auto& [interpreter, wanted] : interpreters) {
    const auto known = known_threads(objects, interpreter, wanted);
    // An interpreter that begins, ends or changes just now leaves its threads without a name, and the others theirs.
    if (known) static_cast<void>(name_threads(objects, runtime, states, *known, names));
  }
  return names;
}

}  // namespace snag::python
