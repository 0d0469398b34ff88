#pragma once

#include <cstdint>
#include <optional>

#include "readers/python/bytecode/instructions.h"

namespace snag::python {

// Byte offsets [begin, end) within a code object.
struct CodeRange {
  std::uint32_t begin;
  std::uint32_t end;
  [[nodiscard]] bool contains(std::uint32_t offset) const { return begin <= offset && offset < end; }
};

// Where the body of the first `for` loop lies whose target is the local variable in `local_slot`: from behind the store
// (or from the superinstruction that stores and goes on) to where the loop leaves. A frame of BaseEventLoop._run_once
// whose instruction lies in for_body_of(slot of `i`) runs a callback; in any other place it does not.
[[nodiscard]] std::optional<CodeRange> for_body_of(const Instructions& instructions, unsigned local_slot);

}  // namespace snag::python
