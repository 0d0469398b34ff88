// The names of what a stack runs, down to the C function that its innermost frame has called.
#include "readers/python/names.h"
#include "readers/python/stack_reader.h"
#include "tests/fuzz/hostile_image.h"

using namespace snag;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::HostileImage hostile(fuzz::Input(data, size));
  python::StackReader reader(hostile.memory(), hostile.runtime(), &fuzz::ticking);
  python::ThreadCursor cursor(hostile.image().thread());
  python::RawStack stack;
  if (!reader.read(cursor, stack)) return 0;
  python::CodeCache codes(hostile.memory(), hostile.runtime());
  python::NameReader names(codes);
  constexpr std::size_t kFrames = 16;  // of a cycle
  for (std::size_t i = 0; i < std::min(stack.frames.size(), kFrames); ++i) {
    const auto& frame = stack.frames[i];
    auto function = codes.function(frame);
    if (!function) continue;
    (void)names.module_of(frame, **function);
    (void)names.public_name(frame, **function, hostile.image().interpreter());
    (void)names.builtin_call(frame, **function);
  }
  return 0;
}
