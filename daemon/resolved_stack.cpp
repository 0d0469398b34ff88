#include "daemon/resolved_stack.h"

#include <algorithm>

namespace snag::daemon {

void resolve(python::CodeCache& codes, const python::RawStack& raw, ResolvedStack& into) {
  into.frames.clear();
  into.whole = raw.whole;
  for (auto frame = raw.frames.rbegin(); frame != raw.frames.rend(); ++frame) {  // from the outermost inwards
    auto function = codes.function(*frame);
    if (!function) {
      into.whole = false;
      break;
    }
    const auto place = codes.place(**function, frame->instruction);
    into.frames.push_back({.function = *function, .line = place.line.value_or(0), .raw = *frame});
    if (place.returns && std::next(frame) != raw.frames.rend()) {
      into.whole = false;  // what it seems to call is the leftover of a call that has ended
      break;
    }
  }
  // A generator is always called by somebody. It has lost its caller: it yielded while the stack was read.
  if (!into.frames.empty() && into.frames.front().function->is_generator) {
    into.frames.clear();
    into.whole = false;
    return;
  }
  // The innermost frame may be in the making: CPython hides it (_PyFrame_IsIncomplete), and so do we.
  if (!into.frames.empty()) {
    const auto& top = into.frames.back();
    if (!top.raw.in_generator && top.raw.instruction < top.function->first_traceable) into.frames.pop_back();
  }
  std::reverse(into.frames.begin(), into.frames.end());
}

}  // namespace snag::daemon
