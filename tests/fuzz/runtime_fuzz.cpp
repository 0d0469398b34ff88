// A runtime is proved, by what it says of itself where it does; then its interpreters and threads are listed.
#include "readers/python/thread_states.h"
#include "tests/fuzz/hostile_image.h"

using namespace snag;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::HostileImage hostile(fuzz::Input(data, size));
  const auto& sound = hostile.runtime();
  const std::vector<Tid> tids{Tid{hostile.image().place().tid}};
  (void)python::list_thread_states(hostile.memory(), sound, tids);
  auto proved = python::prove_runtime(hostile.memory(), sound.address, sound.version);
  if (!proved) return 0;
  (void)python::list_thread_states(hostile.memory(), *proved, tids);
  return 0;
}
