#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "readers/python/layout.h"

namespace snag::python {

// Where an instruction with a jump goes, seen from the end of the instruction (its inline caches included), or from 0.
enum class Jump : std::uint8_t { kNone, kForward, kBackward, kAbsolute };

// The effect on the value stack is constant + coefficient * shape(argument), as in stack_effect() of CPython's
// compile.c.
enum class EffectShape : std::uint8_t {
  kLinear,          // the argument
  kLowBit,          // its lowest bit: LOAD_GLOBAL with a NULL, CALL_FUNCTION_EX with keywords
  kLowFourBits,     // the number of set bits among the lowest four: MAKE_FUNCTION
  kFormatSpec,      // bit 2: FORMAT_VALUE with a format specification
  kIfThree,         // 1 if it is 3: BUILD_SLICE with a step
  kBeforeAndAfter,  // low byte + the rest: UNPACK_EX, the names before and after the starred one
};

// What an analysis must know about an opcode beyond its effect.
enum class Role : std::uint8_t {
  kPlain,
  kExtendedArgument,
  kForIter,
  kStoreLocal,          // argument: the local's slot
  kStoreThenLoadLocal,  // 3.13: argument >> 4 is stored, argument & 15 loaded
  kStoreTwoLocals,      // 3.13: argument >> 4 is stored first, then argument & 15
  kSetupHandler,        // to 3.10: jumps to the handler when an exception is raised
  kSetupFinally,        // 3.7: the same, and a `return`, `break` or `continue` runs the handler as well
  kReturn,              // 3.7: these three leave a block through its handler
  kBreakLoop,
  kContinueLoop,  // its target is reached from above at the loop's own depth
  kBeginFinally,  // 3.8: this and the next five
  kCallFinally,
  kPopFinally,
  kWithCleanupStart,
  kWithCleanupFinish,
  kNamesLoop,      // END_ASYNC_FOR from 3.14: its argument tells where the loop began, and it does not go there
  kEnterExecutor,  // from 3.13: lies over the instruction at which code of the second tier begins
};

struct Opcode {
  std::string_view name;  // empty: Snag cannot tell what an instruction with this number does
  std::uint8_t base;      // what a specialised, adaptive or instrumented opcode stands for; its own number otherwise
  std::uint8_t caches;    // inline cache units (2 bytes each) behind it
  Jump jump;
  bool ends_block;  // execution never falls through to the next instruction
  EffectShape shape;
  std::int8_t constant;
  std::int8_t coefficient;
  std::int8_t taken;  // effect when it jumps
  Role role;
  std::uint8_t shift;  // argument >> shift is the index of the name or of the comparison
};

// The opcodes of one CPython minor version.
struct OpcodeSet {
  Version version;
  std::uint8_t jump_unit;  // bytes that 1 in a jump's argument stands for
  // To 3.8: the same copy of a finally block runs after the try block and after an exception, at different depths.
  bool finally_is_shared;
  // What lies above __exit__ while WITH_EXCEPT_START calls it: to 3.10 two exceptions of three values, since 3.11 the
  // raising instruction's index and two exceptions of one value, since 3.14 also the object that __exit__ is bound to.
  // 3.7 and 3.8 have no such instruction.
  std::uint8_t exception_values;
  // What a loop keeps on the stack of what it goes through: the iterator, from 3.15 also an index or NULL.
  std::uint8_t iterator_values;
  std::array<Opcode, 256> opcodes;

  // What the opcode as it lies in memory stands for: superinstructions for their first half (the second stays in
  // place).
  [[nodiscard]] const Opcode& base_of(std::uint8_t opcode) const { return opcodes[opcodes[opcode].base]; }
};

// Null for a version whose bytecode Snag does not know. Source: `opcode`, `dis` of each version (generate_opcodes.py).
[[nodiscard]] const OpcodeSet* find_opcodes(Version version);

// The change of the value stack's depth when the instruction falls through.
[[nodiscard]] std::int64_t stack_effect(const Opcode& opcode, std::uint32_t argument);

}  // namespace snag::python
