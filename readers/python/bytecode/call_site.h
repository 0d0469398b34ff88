#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "readers/python/bytecode/instructions.h"

namespace snag::python {

enum class CallKind : std::uint8_t {
  kCall,           // the slots hold the callable: the first that is not NULL
  kSpecialMethod,  // `method` of the type of the object in the first slot or, reflected, in the second
  kEnter,  // `method` of the context manager in the slot, or (to 3.11) of the object whose bound __exit__ lies there
  kExit,   // the slot holds the bound __exit__; no slot: 3.8 has taken it off the stack
  kAttribute,  // `method` of the type of the object in the slot, for the name with name_index
  kImport,     // the module, or the name from a module, with name_index
  kRelease,    // `method` of an object that is going away: its reference has been dropped, so that no slot names it
};

// What an instruction that stands in C code is doing, as places on the frame's value stack.
struct CallSite {
  CallKind kind;
  std::array<std::uint16_t, 2> slots;  // index from the bottom of the value stack, in the order in which to look
  std::uint8_t slot_count;
  std::string_view method;             // "__getitem__"; empty for kCall and kImport
  std::optional<unsigned> name_index;  // in co_names
};

// What the frame calls if it stands at the instruction with this number (Instructions::index_at) with `depth` values on
// the stack before it (StackDepths). nullopt: the instruction runs no code that could take time, or the depth cannot
// be. From 3.12 signal handlers and the garbage collector may run at the end of a call, when its result has replaced
// the slot. Source: Python/ceval.c to 3.11, Python/bytecodes.c since.
[[nodiscard]] std::optional<CallSite> call_site(const Instructions& instructions, std::size_t instruction,
                                                unsigned depth);

}  // namespace snag::python
