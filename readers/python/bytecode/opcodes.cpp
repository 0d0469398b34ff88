#include "readers/python/bytecode/opcodes.h"

#include <bit>

namespace snag::python {
namespace {

using Opcodes = std::array<Opcode, 256>;
using enum Jump;
using enum EffectShape;
using enum Role;

// A variant keeps its name for those who look at it; everything else is its base's.
#define SNAG_OPCODE(value, NAME, cache_units, where, ends, form, fixed, factor, jumping, part, right) \
  table[value] = {.name = #NAME,                                                                      \
                  .base = (value),                                                                    \
                  .caches = (cache_units),                                                            \
                  .jump = (where),                                                                    \
                  .ends_block = (ends),                                                               \
                  .shape = (form),                                                                    \
                  .constant = (fixed),                                                                \
                  .coefficient = (factor),                                                            \
                  .taken = (jumping),                                                                 \
                  .role = (part),                                                                     \
                  .shift = (right)};
#define SNAG_VARIANT(value, NAME, of) \
  table[value] = table[of];           \
  table[value].name = #NAME;

constexpr Opcodes opcodes_3_7() {
  Opcodes table{};
#include "readers/python/bytecode/opcodes/opcodes_3_7.inc"
  return table;
}
constexpr Opcodes opcodes_3_8() {
  Opcodes table{};
#include "readers/python/bytecode/opcodes/opcodes_3_8.inc"
  return table;
}
constexpr Opcodes opcodes_3_9() {
  Opcodes table{};
#include "readers/python/bytecode/opcodes/opcodes_3_9.inc"
  return table;
}
constexpr Opcodes opcodes_3_10() {
  Opcodes table{};
#include "readers/python/bytecode/opcodes/opcodes_3_10.inc"
  return table;
}
constexpr Opcodes opcodes_3_11() {
  Opcodes table{};
#include "readers/python/bytecode/opcodes/opcodes_3_11.inc"
  return table;
}
constexpr Opcodes opcodes_3_12() {
  Opcodes table{};
#include "readers/python/bytecode/opcodes/opcodes_3_12.inc"
  return table;
}
constexpr Opcodes opcodes_3_13() {
  Opcodes table{};
#include "readers/python/bytecode/opcodes/opcodes_3_13.inc"
  return table;
}
constexpr Opcodes opcodes_3_14() {
  Opcodes table{};
#include "readers/python/bytecode/opcodes/opcodes_3_14.inc"
  return table;
}
constexpr Opcodes opcodes_3_15() {
  Opcodes table{};
#include "readers/python/bytecode/opcodes/opcodes_3_15.inc"
  return table;
}
#undef SNAG_OPCODE
#undef SNAG_VARIANT

// Jump arguments count bytes to 3.9 and code units since (bpo-27129).
constexpr std::array kSets = {
    OpcodeSet{.version = {3, 7},
              .jump_unit = 1,
              .finally_is_shared = true,
              .exception_values = 0,
              .iterator_values = 1,
              .opcodes = opcodes_3_7()},
    OpcodeSet{.version = {3, 8},
              .jump_unit = 1,
              .finally_is_shared = true,
              .exception_values = 0,
              .iterator_values = 1,
              .opcodes = opcodes_3_8()},
    OpcodeSet{.version = {3, 9},
              .jump_unit = 1,
              .finally_is_shared = false,
              .exception_values = 6,
              .iterator_values = 1,
              .opcodes = opcodes_3_9()},
    OpcodeSet{.version = {3, 10},
              .jump_unit = 2,
              .finally_is_shared = false,
              .exception_values = 6,
              .iterator_values = 1,
              .opcodes = opcodes_3_10()},
    OpcodeSet{.version = {3, 11},
              .jump_unit = 2,
              .finally_is_shared = false,
              .exception_values = 3,
              .iterator_values = 1,
              .opcodes = opcodes_3_11()},
    OpcodeSet{.version = {3, 12},
              .jump_unit = 2,
              .finally_is_shared = false,
              .exception_values = 3,
              .iterator_values = 1,
              .opcodes = opcodes_3_12()},
    OpcodeSet{.version = {3, 13},
              .jump_unit = 2,
              .finally_is_shared = false,
              .exception_values = 3,
              .iterator_values = 1,
              .opcodes = opcodes_3_13()},
    OpcodeSet{.version = {3, 14},
              .jump_unit = 2,
              .finally_is_shared = false,
              .exception_values = 4,
              .iterator_values = 1,
              .opcodes = opcodes_3_14()},
    OpcodeSet{.version = {3, 15},
              .jump_unit = 2,
              .finally_is_shared = false,
              .exception_values = 4,
              .iterator_values = 2,
              .opcodes = opcodes_3_15()},
};

std::int64_t shaped(EffectShape shape, std::uint32_t argument) {
  switch (shape) {
    case kLinear:
      return argument;
    case kLowBit:
      return argument & 1U;
    case kLowFourBits:
      return std::popcount(argument & 15U);
    case kFormatSpec:
      return (argument >> 2U) & 1U;
    case kIfThree:
      return argument == 3 ? 1 : 0;
    case kBeforeAndAfter:
      return std::int64_t{argument & 0xFFU} + (argument >> 8U);
  }
  return 0;
}

}  // namespace

const OpcodeSet* find_opcodes(Version version) {
  for (const OpcodeSet& set : kSets) {
    if (set.version == version) return &set;
  }
  return nullptr;
}

std::int64_t stack_effect(const Opcode& opcode, std::uint32_t argument) {
  return opcode.constant + opcode.coefficient * shaped(opcode.shape, argument);
}

}  // namespace snag::python
