#pragma once

#include <cstdint>
#include <span>

#include "readers/process/remote_memory.h"
#include "readers/python/runtime.h"

namespace snag::python {

// The first instruction of a code object whose instructions lie in it; null before 3.11, where they do not. Without the
// GIL, from 3.14 on, a thread may run a copy that lies elsewhere: RawFrame::bytecode.
[[nodiscard]] inline Address own_bytecode(const Runtime& runtime, Address code) {
  const bool inside = runtime.dialect.instruction_index == InstructionIndex::kPointer;
  return inside ? code + runtime.layout.code.instructions : Address{};
}

// Where a frame is, in bytes from the first of the instructions that it runs, which begin at `bytecode`; negative
// before the first. `bytes` is a copy of the frame struct from offset `begin` on.
[[nodiscard]] inline std::int64_t instruction_of(const Runtime& runtime, Address bytecode,
                                                 std::span<const std::byte> bytes, std::size_t begin = 0) {
  const std::size_t at = runtime.layout.frame.instruction.bytes() - begin;
  switch (runtime.dialect.instruction_index) {
    case InstructionIndex::kBytes:
      return load<std::int32_t>(bytes, at);
    case InstructionIndex::kUnits:
      return std::int64_t{2} * load<std::int32_t>(bytes, at);
    case InstructionIndex::kPointer:
      break;
  }
  // Wraps for an absurd pointer: the result is far outside of any code, and refused where it is looked up.
  return static_cast<std::int64_t>(load<std::uint64_t>(bytes, at) - bytecode.value);
}

}  // namespace snag::python
