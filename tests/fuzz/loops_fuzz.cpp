// An asyncio loop is found on a stack, looked at, and asked for its task.
#include "readers/asyncio/run_once.h"
#include "readers/asyncio/tasks.h"
#include "readers/python/stack_reader.h"
#include "tests/fuzz/hostile_image.h"

using namespace snag;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::HostileImage hostile(fuzz::Input(data, size));
  const auto& image = hostile.image();
  python::StackReader reader(hostile.memory(), hostile.runtime(), &fuzz::ticking);
  python::ThreadCursor cursor(image.thread());
  python::RawStack stack;
  python::CodeCache codes(hostile.memory(), hostile.runtime());
  asyncio::LoopReader loops(codes);
  asyncio::TaskReader tasks(codes, [] { return std::nullopt; });
  if (reader.read(cursor, stack)) {
    auto loop = loops.find(image.thread(), image.interpreter(), stack);
    if (loop && *loop) {
      for (int i = 0; i < 2; ++i) (void)loops.look(**loop);
      (void)tasks.current(image.thread(), image.interpreter(), (*loop)->loop);
    }
  }
  (void)tasks.current(image.thread(), image.interpreter(), image.loop());
  (void)tasks.describe(image.task());
  return 0;
}
