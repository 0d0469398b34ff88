// Every built-in object of the image is read as everything that an object can be taken for.
#include "readers/python/objects.h"
#include "tests/fuzz/hostile_image.h"

using namespace snag;

namespace {

void read_all(const fuzz::HostileImage& hostile, const python::ObjectReader& objects) {
  constexpr std::size_t kLimit = 65536;
  for (const Address object : hostile.image().objects()) {
    (void)objects.type_name(object);
    (void)objects.type_name_of(object);
    (void)objects.string(object);
    (void)objects.integer(object);
    (void)objects.real(object);
    (void)objects.tuple(object);
    (void)objects.bytes(object, kLimit);
    (void)objects.find(object, "_current_tasks");
    (void)objects.find_identity(object, hostile.image().loop());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::HostileImage hostile(fuzz::Input(data, size));
  read_all(hostile, python::ObjectReader(hostile.memory(), hostile.runtime().layout));
  auto proved = python::prove_runtime(hostile.memory(), hostile.runtime().address, hostile.runtime().version);
  if (proved) read_all(hostile, python::ObjectReader(hostile.memory(), proved->layout));
  return 0;
}
