#include "readers/python/bytecode/call_site.h"

#include <algorithm>
#include <span>

namespace snag::python {
namespace {

// What is added to a place's fixed distance from the top of the stack.
enum class Plus : std::uint8_t {
  kNothing,
  kArgument,
  kTaken,  // how many values more than two the instruction takes
  kFormatSpec,
  kException,
  kIterator,  // how many values more than one belong to the iterator
};

struct Place {
  std::uint8_t from_top = 0;  // 1: the topmost value; 0: no place
  Plus plus = Plus::kNothing;
};

// An attribute's or an import's argument, shifted, is the index of its name.
struct Rule {
  std::string_view opcode;
  CallKind kind;
  std::array<Place, 2> places = {};
  std::string_view method = {};
  std::span<const std::string_view> methods = {};  // instead of `method`: by the argument, shifted; empty: no call
};

// Include/object.h Py_LT to Py_GE; to 3.8 `opcode.cmp_op` goes on with in, not in, is, is not, exception match.
constexpr std::string_view kContains = "__contains__";
constexpr std::string_view kComparisons[] = {"__lt__", "__le__", "__eq__",  "__ne__",
                                             "__gt__", "__ge__", kContains, kContains};
// Include/opcode.h NB_ADD to NB_INPLACE_XOR, from 3.11 (opcode._nb_ops); from 3.14 also NB_SUBSCR.
constexpr std::string_view kOperators[] = {
    "__add__",  "__and__",       "__floordiv__", "__lshift__",   "__matmul__",  "__mul__",    "__mod__",
    "__or__",   "__pow__",       "__rshift__",   "__sub__",      "__truediv__", "__xor__",    "__iadd__",
    "__iand__", "__ifloordiv__", "__ilshift__",  "__imatmul__",  "__imul__",    "__imod__",   "__ior__",
    "__ipow__", "__irshift__",   "__isub__",     "__itruediv__", "__ixor__",    "__getitem__"};
// Include/internal/pycore_intrinsics.h: of the functions with one argument only +x runs code of the operand's type.
constexpr std::string_view kIntrinsics[] = {"", "", "", "", "", "__pos__"};

// FVC_NONE, FVC_STR, FVC_REPR, FVC_ASCII; FORMAT_VALUE has FVS_HAVE_SPEC above that.
constexpr std::string_view kFormats[] = {"__format__", "__str__", "__repr__", "__repr__",
                                         "__format__", "__str__", "__repr__", "__repr__"};

constexpr std::array<Place, 2> kTop = {{{.from_top = 1}}};
constexpr std::array<Place, 2> kSecond = {{{.from_top = 2}}};
constexpr std::array<Place, 2> kThird = {{{.from_top = 3}}};
constexpr std::array<Place, 2> kLeftRight = {{{.from_top = 2}, {.from_top = 1}}};
// [callable or NULL, self or callable, arguments…]; from 3.13: [callable, self or NULL, arguments…].
constexpr std::array<Place, 2> kCallable = {
    {{.from_top = 2, .plus = Plus::kArgument}, {.from_top = 1, .plus = Plus::kArgument}}};
// The callable is the deepest that CALL_FUNCTION_EX takes, or in 3.11 and 3.12 NULL is, and it lies above that:
// [callable, positional, keywords?]; 3.13: [callable, NULL, positional, keywords?]; from 3.14 with keywords or NULL.
constexpr std::array<Place, 2> kCallableEx = {
    {{.from_top = 2, .plus = Plus::kTaken}, {.from_top = 1, .plus = Plus::kTaken}}};
constexpr std::array<Place, 2> kIterator = {{{.from_top = 1, .plus = Plus::kIterator}}};
constexpr std::array<Place, 2> kBelowSent = {{{.from_top = 2, .plus = Plus::kIterator}}};

using enum CallKind;

constexpr unsigned kMaxSlot = UINT16_MAX;

// One row for each opcode that may run code of others; what a name means has not changed from 3.7 to 3.15 but for what
// the generated tables hold (shift) and what two places allow for.
constexpr Rule kRules[] = {
    {"CALL_FUNCTION", kCall, {{{1, Plus::kArgument}}}},
    {"CALL_FUNCTION_KW", kCall, {{{2, Plus::kArgument}}}},
    {"CALL_FUNCTION_EX", kCall, kCallableEx},
    {"CALL_METHOD", kCall, kCallable},
    {"PRECALL", kCall, kCallable},
    {"CALL", kCall, kCallable},
    {"CALL_KW", kCall, {{{3, Plus::kArgument}}}},

    {"SETUP_WITH", kEnter, kTop, "__enter__"},
    {"BEFORE_WITH", kEnter, kTop, "__enter__"},
    {"BEFORE_ASYNC_WITH", kEnter, kTop, "__aenter__"},
    {"WITH_CLEANUP_START", kExit, {}, "__exit__"},
    {"WITH_EXCEPT_START", kExit, {{{1, Plus::kException}}}, "__exit__"},

    {"GET_ITER", kSpecialMethod, kTop, "__iter__"},
    {"GET_YIELD_FROM_ITER", kSpecialMethod, kTop, "__iter__"},
    {"FOR_ITER", kSpecialMethod, kIterator, "__next__"},
    {"GET_AITER", kSpecialMethod, kTop, "__aiter__"},
    {"GET_ANEXT", kSpecialMethod, kTop, "__anext__"},
    {"GET_AWAITABLE", kSpecialMethod, kTop, "__await__"},
    {"YIELD_FROM", kSpecialMethod, kSecond, "send"},
    {"SEND", kSpecialMethod, kBelowSent, "send"},
    {"UNPACK_SEQUENCE", kSpecialMethod, kTop, "__iter__"},
    {"UNPACK_EX", kSpecialMethod, kTop, "__iter__"},
    {"LIST_EXTEND", kSpecialMethod, kTop, "__iter__"},
    {"SET_UPDATE", kSpecialMethod, kTop, "__iter__"},
    {"DICT_UPDATE", kSpecialMethod, kTop, "keys"},
    {"DICT_MERGE", kSpecialMethod, kTop, "keys"},
    // 3.8: which of the operands is being unpacked the stack does not tell.
    {"BUILD_LIST_UNPACK", kSpecialMethod, {}, "__iter__"},
    {"BUILD_TUPLE_UNPACK", kSpecialMethod, {}, "__iter__"},
    {"BUILD_TUPLE_UNPACK_WITH_CALL", kSpecialMethod, {}, "__iter__"},
    {"BUILD_SET_UNPACK", kSpecialMethod, {}, "__iter__"},
    {"BUILD_MAP_UNPACK", kSpecialMethod, {}, "keys"},
    {"BUILD_MAP_UNPACK_WITH_CALL", kSpecialMethod, {}, "keys"},

    {"BINARY_SUBSCR", kSpecialMethod, kSecond, "__getitem__"},
    {"BINARY_SLICE", kSpecialMethod, kThird, "__getitem__"},
    {"STORE_SUBSCR", kSpecialMethod, kSecond, "__setitem__"},
    {"STORE_SLICE", kSpecialMethod, kThird, "__setitem__"},
    {"DELETE_SUBSCR", kSpecialMethod, kSecond, "__delitem__"},
    {"CONTAINS_OP", kSpecialMethod, kTop, kContains},
    {"COMPARE_OP", kSpecialMethod, kLeftRight, {}, kComparisons},
    {"BINARY_OP", kSpecialMethod, kLeftRight, {}, kOperators},
    {"CALL_INTRINSIC_1", kSpecialMethod, kTop, {}, kIntrinsics},
    {"BINARY_ADD", kSpecialMethod, kLeftRight, "__add__"},
    {"BINARY_SUBTRACT", kSpecialMethod, kLeftRight, "__sub__"},
    {"BINARY_MULTIPLY", kSpecialMethod, kLeftRight, "__mul__"},
    {"BINARY_MATRIX_MULTIPLY", kSpecialMethod, kLeftRight, "__matmul__"},
    {"BINARY_TRUE_DIVIDE", kSpecialMethod, kLeftRight, "__truediv__"},
    {"BINARY_FLOOR_DIVIDE", kSpecialMethod, kLeftRight, "__floordiv__"},
    {"BINARY_MODULO", kSpecialMethod, kLeftRight, "__mod__"},
    {"BINARY_POWER", kSpecialMethod, kLeftRight, "__pow__"},
    {"BINARY_LSHIFT", kSpecialMethod, kLeftRight, "__lshift__"},
    {"BINARY_RSHIFT", kSpecialMethod, kLeftRight, "__rshift__"},
    {"BINARY_AND", kSpecialMethod, kLeftRight, "__and__"},
    {"BINARY_XOR", kSpecialMethod, kLeftRight, "__xor__"},
    {"BINARY_OR", kSpecialMethod, kLeftRight, "__or__"},
    {"INPLACE_ADD", kSpecialMethod, kLeftRight, "__iadd__"},
    {"INPLACE_SUBTRACT", kSpecialMethod, kLeftRight, "__isub__"},
    {"INPLACE_MULTIPLY", kSpecialMethod, kLeftRight, "__imul__"},
    {"INPLACE_MATRIX_MULTIPLY", kSpecialMethod, kLeftRight, "__imatmul__"},
    {"INPLACE_TRUE_DIVIDE", kSpecialMethod, kLeftRight, "__itruediv__"},
    {"INPLACE_FLOOR_DIVIDE", kSpecialMethod, kLeftRight, "__ifloordiv__"},
    {"INPLACE_MODULO", kSpecialMethod, kLeftRight, "__imod__"},
    {"INPLACE_POWER", kSpecialMethod, kLeftRight, "__ipow__"},
    {"INPLACE_LSHIFT", kSpecialMethod, kLeftRight, "__ilshift__"},
    {"INPLACE_RSHIFT", kSpecialMethod, kLeftRight, "__irshift__"},
    {"INPLACE_AND", kSpecialMethod, kLeftRight, "__iand__"},
    {"INPLACE_XOR", kSpecialMethod, kLeftRight, "__ixor__"},
    {"INPLACE_OR", kSpecialMethod, kLeftRight, "__ior__"},
    {"UNARY_POSITIVE", kSpecialMethod, kTop, "__pos__"},
    {"UNARY_NEGATIVE", kSpecialMethod, kTop, "__neg__"},
    {"UNARY_INVERT", kSpecialMethod, kTop, "__invert__"},
    {"UNARY_NOT", kSpecialMethod, kTop, "__bool__"},
    {"TO_BOOL", kSpecialMethod, kTop, "__bool__"},
    {"POP_JUMP_IF_TRUE", kSpecialMethod, kTop, "__bool__"},
    {"POP_JUMP_IF_FALSE", kSpecialMethod, kTop, "__bool__"},
    {"POP_JUMP_FORWARD_IF_TRUE", kSpecialMethod, kTop, "__bool__"},
    {"POP_JUMP_FORWARD_IF_FALSE", kSpecialMethod, kTop, "__bool__"},
    {"POP_JUMP_BACKWARD_IF_TRUE", kSpecialMethod, kTop, "__bool__"},
    {"POP_JUMP_BACKWARD_IF_FALSE", kSpecialMethod, kTop, "__bool__"},
    {"JUMP_IF_TRUE_OR_POP", kSpecialMethod, kTop, "__bool__"},
    {"JUMP_IF_FALSE_OR_POP", kSpecialMethod, kTop, "__bool__"},
    {"FORMAT_VALUE", kSpecialMethod, {{{1, Plus::kFormatSpec}}}, {}, kFormats},
    {"FORMAT_SIMPLE", kSpecialMethod, kTop, "__format__"},
    {"FORMAT_WITH_SPEC", kSpecialMethod, kSecond, "__format__"},
    {"CONVERT_VALUE", kSpecialMethod, kTop, {}, kFormats},
    {"GET_LEN", kSpecialMethod, kTop, "__len__"},

    {"LOAD_ATTR", kAttribute, kTop, "__getattribute__"},
    {"LOAD_METHOD", kAttribute, kTop, "__getattribute__"},
    {"LOAD_SUPER_ATTR", kAttribute, kTop, "__getattribute__"},
    {"STORE_ATTR", kAttribute, kTop, "__setattr__"},
    {"DELETE_ATTR", kAttribute, kTop, "__delattr__"},
    {"IMPORT_NAME", kImport},
    {"IMPORT_FROM", kImport, kTop},

    {"POP_TOP", kRelease, {}, "__del__"},
    {"END_FOR", kRelease, {}, "__del__"},
    {"POP_ITER", kRelease, {}, "__del__"},
    {"POP_EXCEPT", kRelease, {}, "__del__"},
    {"STORE_FAST", kRelease, {}, "__del__"},
    {"STORE_FAST_LOAD_FAST", kRelease, {}, "__del__"},
    {"STORE_FAST_STORE_FAST", kRelease, {}, "__del__"},
    {"STORE_DEREF", kRelease, {}, "__del__"},
    {"STORE_GLOBAL", kRelease, {}, "__del__"},
    {"STORE_NAME", kRelease, {}, "__del__"},
    {"DELETE_FAST", kRelease, {}, "__del__"},
    {"DELETE_DEREF", kRelease, {}, "__del__"},
    {"DELETE_GLOBAL", kRelease, {}, "__del__"},
    {"DELETE_NAME", kRelease, {}, "__del__"},
};

std::uint64_t distance(const Place& place, const Instruction& at, const OpcodeSet& opcodes) {
  constexpr std::int64_t kResult = 1;
  const std::uint32_t argument = at.argument;
  switch (place.plus) {
    case Plus::kNothing:
      return place.from_top;
    case Plus::kArgument:
      return std::uint64_t{place.from_top} + argument;
    case Plus::kTaken:
      return place.from_top +
             static_cast<std::uint64_t>(kResult - stack_effect(opcodes.opcodes[at.opcode], argument) - 2);
    case Plus::kFormatSpec:
      return place.from_top + ((argument >> 2U) & 1U);
    case Plus::kException:
      return place.from_top + opcodes.exception_values;
    case Plus::kIterator:
      return place.from_top + opcodes.iterator_values - 1U;
  }
  return 0;
}

const Rule* rule_for(std::string_view opcode) {
  const auto* rule = std::ranges::find(kRules, opcode, &Rule::opcode);
  return rule == std::end(kRules) ? nullptr : rule;
}

}  // namespace

std::optional<CallSite> call_site(const Instructions& instructions, std::size_t instruction, unsigned depth) {
  if (instruction >= instructions.all().size()) return std::nullopt;
  const Instruction& at = instructions.all()[instruction];
  const Opcode& opcode = instructions.opcode_of(at);
  const Rule* rule = rule_for(opcode.name);
  if (rule == nullptr) return std::nullopt;
  const std::uint32_t selected = at.argument >> opcode.shift;
  CallSite site{.kind = rule->kind, .slots = {}, .slot_count = 0, .method = rule->method, .name_index = {}};
  if (rule->kind == kAttribute || rule->kind == kImport) site.name_index = selected;
  if (!rule->methods.empty()) {
    if (selected >= rule->methods.size() || rule->methods[selected].empty()) return std::nullopt;
    site.method = rule->methods[selected];
  }
  // 3.8 asks `in` with a comparison: what decides is the container, to the right.
  const auto& places = site.method == kContains ? kTop : rule->places;
  for (const Place& place : places) {
    if (place.from_top == 0) break;
    const std::uint64_t from_top = distance(place, at, instructions.opcodes());
    if (from_top > depth || depth - from_top > kMaxSlot) break;
    site.slots.at(site.slot_count++) = static_cast<std::uint16_t>(depth - from_top);
  }
  if (site.slot_count == 0 && places.front().from_top != 0) return std::nullopt;
  return site;
}

}  // namespace snag::python
