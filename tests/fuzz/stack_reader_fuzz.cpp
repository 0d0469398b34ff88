// A thread's stack is copied and compared, by the row's layout and by what the image says of itself.
#include "readers/python/stack_reader.h"
#include "tests/fuzz/hostile_image.h"

using namespace snag;

namespace {

void read_twice(fuzz::HostileImage& hostile, const python::Runtime& runtime) {
  python::StackReader reader(hostile.memory(), runtime, &fuzz::ticking);
  python::ThreadCursor cursor(hostile.image().thread());
  python::RawStack stack;
  for (int i = 0; i < 2; ++i) (void)reader.read(cursor, stack);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::HostileImage hostile(fuzz::Input(data, size));
  read_twice(hostile, hostile.runtime());
  auto proved = python::prove_runtime(hostile.memory(), hostile.runtime().address, hostile.runtime().version);
  if (proved) read_twice(hostile, *proved);
  return 0;
}
