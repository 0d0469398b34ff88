#pragma once

#include <cstdint>
#include <span>

#include "readers/process/remote_memory.h"
#include "readers/python/runtime.h"

namespace snag::python {

// Where a frame is, in bytes from its code's first instruction; negative before the first. `bytes` is a copy of the
// frame struct from offset `begin` on.
[[nodiscard]] inline std::int64_t instruction_of(const Runtime& runtime, Address code, std::span<const std::byte> bytes,
                                                 std::size_t begin = 0) {
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
  const std::uint64_t first = (code + runtime.layout.code.instructions).value;
  return static_cast<std::int64_t>(load<std::uint64_t>(bytes, at) - first);
}

}  // namespace snag::python
