#include "readers/python/layouts/extract/debug_info.h"

#include <array>
#include <limits>
#include <utility>

#include <dwarf.h>

namespace snag::python {
namespace {

// Chains of typedef, const and volatile, and nested nameless structs, are a handful deep in CPython.
constexpr int kMaxTypeChain = 16;
constexpr int kMaxNamelessMembers = 64;
constexpr std::uint64_t kBitsPerByte = 8;

struct Located {
  Dwarf_Die type;
  std::uint64_t offset;
};

std::string_view name_of(Dwarf_Die& die) {
  const char* name = dwarf_diename(&die);
  return name == nullptr ? std::string_view() : std::string_view(name);
}

std::optional<Dwarf_Die> type_of(Dwarf_Die& die) {
  Dwarf_Attribute attribute;
  Dwarf_Die type;
  if (dwarf_attr_integrate(&die, DW_AT_type, &attribute) == nullptr) return std::nullopt;
  if (dwarf_formref_die(&attribute, &type) == nullptr) return std::nullopt;
  return type;
}

bool is_complete_aggregate(Dwarf_Die& die) {
  const int tag = dwarf_tag(&die);
  const bool aggregate = tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_enumeration_type;
  return aggregate && dwarf_hasattr(&die, DW_AT_declaration) == 0;
}

// The struct, union or enumeration behind typedefs and qualifiers; none behind pointers, arrays and scalars.
std::optional<Dwarf_Die> aggregate_behind(Dwarf_Die die) {
  for (int step = 0; step < kMaxTypeChain; ++step) {
    if (is_complete_aggregate(die)) return die;
    const int tag = dwarf_tag(&die);
    if (tag != DW_TAG_typedef && tag != DW_TAG_const_type && tag != DW_TAG_volatile_type) return std::nullopt;
    const std::optional<Dwarf_Die> next = type_of(die);
    if (!next) return std::nullopt;
    die = *next;
  }
  return std::nullopt;
}

// Offset of a member in its struct; the members of a union all begin at 0 and do not say so. Bit fields have none.
std::optional<std::uint64_t> offset_in_parent(Dwarf_Die& member) {
  if (dwarf_hasattr(&member, DW_AT_data_bit_offset) != 0) return std::nullopt;
  Dwarf_Attribute attribute;
  Dwarf_Word offset = 0;
  if (dwarf_attr(&member, DW_AT_data_member_location, &attribute) == nullptr) return 0;
  if (dwarf_formudata(&attribute, &offset) != 0) return std::nullopt;
  return offset;
}

// Looks for a member by name, also within nameless structs and unions.
std::optional<Located> find_member(Dwarf_Die aggregate, std::string_view name) {
  std::vector<Located> open{{.type = aggregate, .offset = 0}};
  for (std::size_t at = 0; at < open.size() && at < kMaxNamelessMembers; ++at) {
    const Located parent = open[at];
    Dwarf_Die child;
    Dwarf_Die parent_type = parent.type;
    for (int more = dwarf_child(&parent_type, &child); more == 0; more = dwarf_siblingof(&child, &child)) {
      if (dwarf_tag(&child) != DW_TAG_member) continue;
      const std::string_view child_name = name_of(child);
      if (!child_name.empty() && child_name != name) continue;
      const std::optional<std::uint64_t> offset = offset_in_parent(child);
      const std::optional<Dwarf_Die> type = type_of(child);
      if (!offset || !type) continue;
      const Located found{.type = *type, .offset = parent.offset + *offset};
      if (child_name == name) return found;
      const std::optional<Dwarf_Die> nameless = aggregate_behind(*type);
      if (nameless) open.push_back({.type = *nameless, .offset = found.offset});
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> locate_in(Dwarf_Die aggregate, std::string_view path) {
  if (path.empty()) {
    const int size = dwarf_bytesize(&aggregate);
    if (size < 0) return std::nullopt;
    return static_cast<std::uint64_t>(size);
  }
  std::uint64_t offset = 0;
  std::optional<Dwarf_Die> inside = aggregate;
  while (!path.empty()) {
    if (!inside) return std::nullopt;  // the path goes on behind a pointer or a scalar
    const std::size_t dot = path.find('.');
    const std::optional<Located> member = find_member(*inside, path.substr(0, dot));
    if (!member) return std::nullopt;
    offset += member->offset;
    inside = aggregate_behind(member->type);
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return offset;
}

std::optional<std::uint64_t> bit_field_in(Dwarf_Die aggregate, std::string_view path) {
  const std::size_t dot = path.rfind('.');
  std::optional<Dwarf_Die> inside = aggregate;
  std::uint64_t offset = 0;
  if (dot != std::string_view::npos) {
    const auto parent = find_member(aggregate, path.substr(0, dot));
    if (!parent) return std::nullopt;
    offset = parent->offset;
    inside = aggregate_behind(parent->type);
    path.remove_prefix(dot + 1);
  }
  if (!inside) return std::nullopt;
  Dwarf_Die child;
  for (int more = dwarf_child(&*inside, &child); more == 0; more = dwarf_siblingof(&child, &child)) {
    if (dwarf_tag(&child) != DW_TAG_member || name_of(child) != path) continue;
    Dwarf_Attribute attribute;
    Dwarf_Word bit = 0;
    if (dwarf_attr(&child, DW_AT_data_bit_offset, &attribute) == nullptr) return std::nullopt;
    if (dwarf_formudata(&attribute, &bit) != 0) return std::nullopt;
    return offset * kBitsPerByte + bit;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> enumerator_in(Dwarf_Die enumeration, std::string_view name) {
  Dwarf_Die child;
  for (int more = dwarf_child(&enumeration, &child); more == 0; more = dwarf_siblingof(&child, &child)) {
    if (dwarf_tag(&child) != DW_TAG_enumerator || name_of(child) != name) continue;
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (dwarf_attr(&child, DW_AT_const_value, &attribute) == nullptr) return std::nullopt;
    if (dwarf_formudata(&attribute, &value) != 0) return std::nullopt;
    return value;
  }
  return std::nullopt;
}

// The one answer that all definitions give.
template <class Ask>
Result<std::optional<std::uint32_t>> unanimous(const std::vector<Dwarf_Die>& definitions, std::string_view question,
                                               Ask ask) {
  std::optional<std::uint64_t> answer;
  bool first = true;
  for (const Dwarf_Die& definition : definitions) {
    const std::optional<std::uint64_t> here = ask(definition);
    if (!std::exchange(first, false) && here != answer) {
      return fail(Error{.kind = ErrorKind::kInconsistent,
                        .what = "debug information",
                        .detail = "compilation units do not agree on " + std::string(question)});
    }
    answer = here;
  }
  if (!answer) return std::optional<std::uint32_t>();
  if (*answer > std::numeric_limits<std::uint32_t>::max()) {
    return fail(Error{.kind = ErrorKind::kOutOfBounds, .what = "debug information", .detail = std::string(question)});
  }
  return std::optional(static_cast<std::uint32_t>(*answer));
}

const Dwfl_Callbacks& offline_callbacks() {
  static constexpr Dwfl_Callbacks kCallbacks{.find_elf = dwfl_build_id_find_elf,
                                             .find_debuginfo = dwfl_standard_find_debuginfo,
                                             .section_address = dwfl_offline_section_address,
                                             .debuginfo_path = nullptr};
  return kCallbacks;
}

Failure no_debug_info(const std::string& path) {
  const char* message = dwfl_errmsg(-1);
  return fail(Error{.kind = ErrorKind::kUnsupported,
                    .what = "debug information",
                    .detail = path + ": " + (message == nullptr ? "none" : message)});
}

}  // namespace

Result<DebugInfo> DebugInfo::open(const std::string& path, const std::set<std::string_view>& type_names) {
  DebugInfo info;
  info.session_.reset(dwfl_begin(&offline_callbacks()));
  if (!info.session_) return no_debug_info(path);
  Dwfl_Module* module = dwfl_report_offline(info.session_.get(), path.c_str(), path.c_str(), -1);
  if (module == nullptr || dwfl_report_end(info.session_.get(), nullptr, nullptr) != 0) return no_debug_info(path);
  Dwarf_Addr bias = 0;
  Dwarf* debug = dwfl_module_getdwarf(module, &bias);
  if (debug == nullptr) return no_debug_info(path);
  info.remember_types(debug, type_names);
  // dwz moves what several files share into one more file.
  Dwarf* shared = dwarf_getalt(debug);
  if (shared != nullptr) info.remember_types(shared, type_names);
  return info;
}

void DebugInfo::remember_types(Dwarf* debug, const std::set<std::string_view>& type_names) {
  Dwarf_CU* unit = nullptr;
  Dwarf_Die unit_die;
  while (dwarf_get_units(debug, unit, &unit, nullptr, nullptr, &unit_die, nullptr) == 0) {
    Dwarf_Die die;
    for (int more = dwarf_child(&unit_die, &die); more == 0; more = dwarf_siblingof(&die, &die)) {
      const int tag = dwarf_tag(&die);
      if (tag != DW_TAG_structure_type && tag != DW_TAG_typedef && tag != DW_TAG_enumeration_type) continue;
      const std::string_view name = name_of(die);
      if (!type_names.contains(name)) continue;
      const std::optional<Dwarf_Die> complete = aggregate_behind(die);
      if (complete) definitions_[std::string(name)].push_back(*complete);
    }
  }
}

Result<std::optional<std::uint32_t>> DebugInfo::locate(std::string_view type_name, std::string_view path) const {
  const auto found = definitions_.find(type_name);
  if (found == definitions_.end()) return std::optional<std::uint32_t>();
  const std::string question = std::string(type_name) + "." + std::string(path);
  return unanimous(found->second, question, [path](Dwarf_Die die) { return locate_in(die, path); });
}

Result<std::optional<std::uint32_t>> DebugInfo::locate_bit(std::string_view type_name, std::string_view path) const {
  const auto found = definitions_.find(type_name);
  if (found == definitions_.end()) return std::optional<std::uint32_t>();
  return unanimous(found->second, path, [path](Dwarf_Die die) { return bit_field_in(die, path); });
}

Result<std::optional<std::uint32_t>> DebugInfo::enumerator(std::string_view enumeration, std::string_view name) const {
  const auto found = definitions_.find(enumeration);
  if (found == definitions_.end()) return std::optional<std::uint32_t>();
  return unanimous(found->second, name, [name](Dwarf_Die die) { return enumerator_in(die, name); });
}

}  // namespace snag::python
