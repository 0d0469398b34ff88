// Instructions are decoded, the depth of the value stack is worked out, and each is asked what it calls.
#include "readers/python/bytecode/call_site.h"
#include "readers/python/bytecode/exception_table.h"
#include "readers/python/bytecode/for_body.h"
#include "readers/python/bytecode/stack_depth.h"
#include "tests/fuzz/input.h"

using namespace snag;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  constexpr std::uint8_t kFirstMinor = 8;
  constexpr std::uint8_t kMinors = 8;
  const auto minor = static_cast<std::uint8_t>(kFirstMinor + input.take<std::uint8_t>() % kMinors);
  const auto* opcodes = python::find_opcodes({.major = 3, .minor = minor});
  const auto table = input.take(input.take<std::uint8_t>());
  (void)python::exception_entries(table);
  if (opcodes == nullptr) return 0;
  const auto instructions = python::Instructions::decode(*opcodes, input.rest());
  if (!instructions) return 0;
  for (unsigned slot = 0; slot < 4; ++slot) (void)python::for_body_of(*instructions, slot);
  const auto depths = python::StackDepths::analyse(*instructions, table);
  for (std::size_t i = 0; i < instructions->all().size(); ++i) {
    constexpr unsigned kAnyDepth = 5;
    const unsigned depth = depths ? depths->before(i).value_or(kAnyDepth) : kAnyDepth;
    (void)python::call_site(*instructions, i, depth);
    if (depths) (void)depths->possible(i);
  }
  return 0;
}
