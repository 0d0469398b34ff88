#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "readers/python/debug_offsets.h"
#include "readers/python/layouts/layout_members.h"

namespace snag::python {
namespace {

// A field of _Py_DebugOffsets, as CPython names it.
struct FieldName {
  std::string_view group;
  std::string_view name;
};

// A member of the layout that the target speaks of: its value is `field` + `plus` - `minus`, where those are given.
struct Spoken {
  FieldName member;  // group and name in layout.h
  FieldName field;
  FieldName plus = {};
  FieldName minus = {};
};

constexpr std::array kSpoken{
    Spoken{.member = {"runtime_state", "size"}, .field = {"runtime_state", "size"}},
    Spoken{.member = {"runtime_state", "interpreters_head"}, .field = {"runtime_state", "interpreters_head"}},
    Spoken{.member = {"interpreter_state", "size"}, .field = {"interpreter_state", "size"}},
    Spoken{.member = {"interpreter_state", "next"}, .field = {"interpreter_state", "next"}},
    Spoken{.member = {"interpreter_state", "id"}, .field = {"interpreter_state", "id"}},
    Spoken{.member = {"interpreter_state", "threads_head"}, .field = {"interpreter_state", "threads_head"}},
    Spoken{.member = {"interpreter_state", "modules"}, .field = {"interpreter_state", "imports_modules"}},
    Spoken{.member = {"interpreter_state", "gil"}, .field = {"interpreter_state", "ceval_gil"}},
    Spoken{.member = {"interpreter_state", "gc_collecting"},
           .field = {"interpreter_state", "gc"},
           .plus = {"gc", "collecting"}},
    // The target tells where the GIL's members lie in the interpreter's own GIL; Snag comes by a pointer to a GIL.
    Spoken{.member = {"gil_state", "last_holder"},
           .field = {"interpreter_state", "gil_runtime_state_holder"},
           .minus = {"interpreter_state", "gil_runtime_state"}},
    Spoken{.member = {"gil_state", "locked"},
           .field = {"interpreter_state", "gil_runtime_state_locked"},
           .minus = {"interpreter_state", "gil_runtime_state"}},
    Spoken{.member = {"thread_state", "size"}, .field = {"thread_state", "size"}},
    Spoken{.member = {"thread_state", "next"}, .field = {"thread_state", "next"}},
    Spoken{.member = {"thread_state", "interp"}, .field = {"thread_state", "interp"}},
    Spoken{.member = {"thread_state", "top_frame"}, .field = {"thread_state", "current_frame"}},
    Spoken{.member = {"thread_state", "base_frame"}, .field = {"thread_state", "base_frame"}},
    Spoken{.member = {"thread_state", "thread_id"}, .field = {"thread_state", "thread_id"}},
    Spoken{.member = {"thread_state", "native_thread_id"}, .field = {"thread_state", "native_thread_id"}},
    Spoken{.member = {"thread_state", "datastack_chunk"}, .field = {"thread_state", "datastack_chunk"}},
    Spoken{.member = {"frame", "size"}, .field = {"interpreter_frame", "size"}},
    Spoken{.member = {"frame", "previous"}, .field = {"interpreter_frame", "previous"}},
    Spoken{.member = {"frame", "code"}, .field = {"interpreter_frame", "executable"}},
    Spoken{.member = {"frame", "instruction"}, .field = {"interpreter_frame", "instr_ptr"}},
    Spoken{.member = {"frame", "locals"}, .field = {"interpreter_frame", "localsplus"}},
    Spoken{.member = {"frame", "owner"}, .field = {"interpreter_frame", "owner"}},
    Spoken{.member = {"frame", "stack_top"}, .field = {"interpreter_frame", "stackpointer"}},
    Spoken{.member = {"frame", "bytecode_index"}, .field = {"interpreter_frame", "tlbc_index"}},
    Spoken{.member = {"code", "size"}, .field = {"code_object", "size"}},
    Spoken{.member = {"code", "filename"}, .field = {"code_object", "filename"}},
    Spoken{.member = {"code", "name"}, .field = {"code_object", "name"}},
    Spoken{.member = {"code", "qualname"}, .field = {"code_object", "qualname"}},
    Spoken{.member = {"code", "line_table"}, .field = {"code_object", "linetable"}},
    Spoken{.member = {"code", "first_line"}, .field = {"code_object", "firstlineno"}},
    Spoken{.member = {"code", "argument_count"}, .field = {"code_object", "argcount"}},
    Spoken{.member = {"code", "variable_names"}, .field = {"code_object", "localsplusnames"}},
    Spoken{.member = {"code", "instructions"}, .field = {"code_object", "co_code_adaptive"}},
    Spoken{.member = {"code", "bytecodes"}, .field = {"code_object", "co_tlbc"}},
    Spoken{.member = {"coroutine", "name"}, .field = {"gen_object", "gi_name"}},
    Spoken{.member = {"coroutine", "frame"}, .field = {"gen_object", "gi_iframe"}},
    Spoken{.member = {"coroutine", "frame_state"}, .field = {"gen_object", "gi_frame_state"}},
    Spoken{.member = {"object", "type"}, .field = {"pyobject", "ob_type"}},
    Spoken{.member = {"object", "item_count"}, .field = {"tuple_object", "ob_size"}},
    Spoken{.member = {"object", "item_count"}, .field = {"list_object", "ob_size"}},
    Spoken{.member = {"object", "item_count"}, .field = {"bytes_object", "ob_size"}},
    Spoken{.member = {"type", "size"}, .field = {"type_object", "size"}},
    Spoken{.member = {"type", "name"}, .field = {"type_object", "tp_name"}},
    Spoken{.member = {"type", "basic_size"}, .field = {"type_object", "tp_basicsize"}},
    Spoken{.member = {"type", "dict_offset"}, .field = {"type_object", "tp_dictoffset"}},
    Spoken{.member = {"type", "flags"}, .field = {"type_object", "tp_flags"}},
    Spoken{.member = {"unicode", "length"}, .field = {"unicode_object", "length"}},
    Spoken{.member = {"unicode", "state"}, .field = {"unicode_object", "state"}},
    Spoken{.member = {"unicode", "ascii_size"}, .field = {"unicode_object", "asciiobject_size"}},
    Spoken{.member = {"unicode", "compact_size"}, .field = {"unicode_object", "compactunicodeobject_size"}},
    Spoken{.member = {"dict", "keys"}, .field = {"dict_object", "ma_keys"}},
    Spoken{.member = {"dict", "values"}, .field = {"dict_object", "ma_values"}},
    Spoken{.member = {"small_objects", "tuple_items"}, .field = {"tuple_object", "ob_item"}},
    Spoken{.member = {"small_objects", "list_items"}, .field = {"list_object", "ob_item"}},
    Spoken{.member = {"small_objects", "float_value"}, .field = {"float_object", "ob_fval"}},
    Spoken{.member = {"small_objects", "long_tag"}, .field = {"long_object", "lv_tag"}},
    Spoken{.member = {"small_objects", "long_digits"}, .field = {"long_object", "ob_digit"}},
    Spoken{.member = {"small_objects", "bytes_value"}, .field = {"bytes_object", "ob_sval"}},
};

constexpr std::size_t index_of(FieldName member) {
  std::size_t at = 0;
  while (at < kMemberCount && (kLayoutMembers[at].group != member.group || kLayoutMembers[at].name != member.name))
    ++at;
  return at;
}
static_assert(std::ranges::all_of(kSpoken, [](const Spoken& spoken) { return index_of(spoken.member) < kMemberCount; }),
              "each names a member of layout.h");

// Readers copy the heads of small objects into buffers of their own, and load a member from the copy: it has to end
// before another member begins, or before the end of a struct.
struct Before {
  FieldName member;
  std::uint32_t width;
  FieldName end;
};
constexpr std::array kBefore{
    Before{.member = {"unicode", "length"}, .width = 8, .end = {"unicode", "ascii_size"}},
    Before{.member = {"unicode", "state"}, .width = 4, .end = {"unicode", "ascii_size"}},
    Before{.member = {"small_objects", "long_tag"}, .width = 8, .end = {"small_objects", "long_digits"}},
    Before{.member = {"object", "item_count"}, .width = 8, .end = {"code", "size"}},
};
// And these have to lie within the buffers.
struct AtMost {
  FieldName member;
  std::uint32_t bytes;
};
constexpr std::array kAtMost{
    AtMost{.member = {"unicode", "ascii_size"}, .bytes = kMaxHeadBytes},
    AtMost{.member = {"small_objects", "long_digits"}, .bytes = kMaxSmallIntegerBytes - sizeof(std::uint32_t)},
};
static_assert(std::ranges::all_of(kBefore, [](const Before& one) {
  return index_of(one.member) < kMemberCount && index_of(one.end) < kMemberCount;
}));
static_assert(std::ranges::all_of(kAtMost, [](const AtMost& one) { return index_of(one.member) < kMemberCount; }));

// The first member that no copy would hold; null: none.
const LayoutMember* first_beyond_copy(const LayoutValues& values) {
  for (const Before& one : kBefore) {
    const auto begin = values[index_of(one.member)];
    const auto end = values[index_of(one.end)];
    if (begin && end && std::uint64_t{*begin} + one.width > *end) return &kLayoutMembers[index_of(one.member)];
  }
  for (const AtMost& one : kAtMost) {
    const auto value = values[index_of(one.member)];
    if (value && *value > one.bytes) return &kLayoutMembers[index_of(one.member)];
  }
  return nullptr;
}

Failure refuse(ErrorKind kind, const LayoutMember& member, std::string_view fault) {
  return fail(Error{.kind = kind,
                    .what = "_Py_DebugOffsets",
                    .detail = std::string(member.group) + "." + std::string(member.name) + std::string(fault)});
}

// nullopt: the target's version has no such field. A difference below zero wraps around and is refused by the caller.
std::optional<std::uint64_t> value_of(const Spoken& spoken, const DebugOffsets& offsets) {
  const auto part = [&offsets](FieldName field) -> std::optional<std::uint64_t> {
    if (field.group.empty()) return 0;
    return offsets.find(field.group, field.name);
  };
  const auto field = part(spoken.field);
  const auto plus = part(spoken.plus);
  const auto minus = part(spoken.minus);
  if (!field || !plus || !minus) return std::nullopt;
  return *field + *plus - *minus;
}

using SpokenMembers = std::array<bool, kMemberCount>;

// Puts what the target says into the values of the row, and marks the members that it speaks of.
Result<SpokenMembers> override_values(LayoutValues& values, const DebugOffsets& offsets) {
  SpokenMembers is_spoken{};
  for (const Spoken& spoken : kSpoken) {
    const auto value = value_of(spoken, offsets);
    if (!value) continue;
    const std::size_t at = index_of(spoken.member);
    if (*value > std::numeric_limits<std::uint32_t>::max()) {
      return refuse(ErrorKind::kInconsistent, kLayoutMembers[at], " is negative");
    }
    if (is_spoken[at] && values[at] != *value) {
      return refuse(ErrorKind::kInconsistent, kLayoutMembers[at], " is told twice, and differently");
    }
    values[at] = static_cast<std::uint32_t>(*value);
    is_spoken[at] = true;
  }
  return is_spoken;
}

// A struct of which the target moved a member, and of which the row would have to tell another: it has not got that
// build's.
const LayoutMember* first_unknown(const LayoutValues& values, const LayoutValues& row, const SpokenMembers& is_spoken) {
  for (std::size_t moved = 0; moved < kMemberCount; ++moved) {
    const LayoutMember& member = kLayoutMembers[moved];
    if (values[moved] == row[moved] || member.kind == MemberKind::kSize) continue;
    if (!is_one_struct(member.group)) continue;
    for (std::size_t at = 0; at < kMemberCount; ++at) {
      const LayoutMember& other = kLayoutMembers[at];
      if (other.group == member.group && !is_spoken[at] && values[at]) return &other;
    }
  }
  return nullptr;
}

}  // namespace

Result<Layout> layout_from_debug_offsets(const DebugOffsets& offsets, const Layout& table_row) {
  if (offsets.version() != table_row.version || offsets.free_threaded() != table_row.free_threaded) {
    return fail(Error{.kind = ErrorKind::kInconsistent,
                      .what = "_Py_DebugOffsets",
                      .detail = "its version and build are not those of the layout that it is to complete"});
  }
  const LayoutValues row = values_of(table_row);
  LayoutValues values = row;
  const auto is_spoken = override_values(values, offsets);
  if (!is_spoken) return fail(is_spoken);
  if (const auto* member = first_misaligned(values)) {
    return refuse(ErrorKind::kInconsistent, *member, " is not aligned");
  }
  if (const auto* member = first_outside_struct(values)) {
    return refuse(ErrorKind::kOutOfBounds, *member, " lies outside its struct");
  }
  if (const auto* member = first_overlapping(values)) {
    return refuse(ErrorKind::kInconsistent, *member, " overlaps another member");
  }
  if (const auto* member = first_beyond_copy(values)) {
    return refuse(ErrorKind::kOutOfBounds, *member, " lies further in than in any CPython");
  }
  if (const auto* member = first_unknown(values, row, *is_spoken)) {
    return refuse(ErrorKind::kUnsupported, *member,
                  " is unknown: this build of CPython lays its struct out in its own way");
  }
  return layout_of(offsets.version(), offsets.free_threaded(), values);
}

}  // namespace snag::python
