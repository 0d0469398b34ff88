// What a target says of its own structs, parsed and laid over the row.
#include "readers/python/debug_offsets.h"
#include "tests/fuzz/input.h"

using namespace snag;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto offsets = python::DebugOffsets::parse(bytes);
  if (!offsets) return 0;
  const auto* row = python::find_layout(offsets->version(), offsets->free_threaded());
  if (row != nullptr) (void)python::layout_from_debug_offsets(*offsets, *row);
  return 0;
}
