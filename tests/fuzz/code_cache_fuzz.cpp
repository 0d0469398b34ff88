// Code objects become functions, their instructions lines.
#include "readers/python/code_cache.h"
#include "tests/fuzz/hostile_image.h"

using namespace snag;

namespace {

void look_up(fuzz::HostileImage& hostile, const python::Runtime& runtime) {
  python::CodeCache codes(hostile.memory(), runtime);
  for (int i = 0; i < 2; ++i) {
    for (const Address code : hostile.image().codes()) {
      auto function = codes.function_of(code);
      if (!function) continue;
      for (const std::int64_t instruction : {-2, 0, 8, 40, 65536}) (void)codes.place(**function, instruction);
      (void)codes.instructions(**function);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::HostileImage hostile(fuzz::Input(data, size));
  look_up(hostile, hostile.runtime());
  auto proved = python::prove_runtime(hostile.memory(), hostile.runtime().address, hostile.runtime().version);
  if (proved) look_up(hostile, *proved);
  return 0;
}
