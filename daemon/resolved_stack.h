#pragma once

#include <cstdint>
#include <vector>

#include "readers/python/code_cache.h"
#include "readers/python/stack.h"

namespace snag::daemon {

struct ResolvedFrame {
  const python::Function* function;
  std::int32_t line;  // 0: the instruction belongs to none
  python::RawFrame raw;
};

// A stack with its functions and lines, innermost frame first.
struct ResolvedStack {
  std::vector<ResolvedFrame> frames;
  bool whole = false;
};

// Looks up what was copied. A frame whose code object is gone or whose instruction is impossible was torn: it and what
// it called are left out, and the stack is not whole.
void resolve(python::CodeCache& codes, const python::RawStack& raw, ResolvedStack& into);

// The last frame of a stack that is not whole, as it is shown.
inline constexpr const char* kMovedMarker = "[stack moved while it was read]";

}  // namespace snag::daemon
