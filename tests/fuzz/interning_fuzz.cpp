// Names, frames and stacks that a target invents: numbered by the daemon's side, resolved by the client's.
#include "proto/stream/intern.h"
#include "proto/stream/stack_table.h"
#include "tests/fuzz/input.h"

using namespace snag;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  stream::Interner interner;
  std::vector<std::uint32_t> frames;
  std::vector<std::uint32_t> stacks;
  while (!input.empty()) {
    const auto op = input.take<std::uint8_t>();
    const auto bytes = input.take(op >> 2U);
    const std::string_view name(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    switch (op & 3U) {
      case 0:
        frames.push_back(interner.frame(name, name.substr(name.size() / 2), op, v1::Frame::PYTHON));
        break;
      case 1:
        stacks.push_back(interner.stack(frames));
        break;
      case 2:
        frames.push_back(input.take<std::uint32_t>());  // a number that may never have been given
        break;
      default:
        (void)interner.thread(op, op, name);
    }
  }
  stream::StackTable table;
  v1::Definitions batch;
  // What our own daemon defines, our own client must take.
  while (interner.take(batch)) {
    if (table.add(batch)) __builtin_trap();
  }
  std::vector<std::uint32_t> resolved;
  for (const auto stack : stacks) {
    resolved.clear();
    if (table.frames_root_first(stack, resolved) != (stack != 0)) __builtin_trap();
  }
  return 0;
}
