// Line tables of all three formats, asked for an instruction near the begin, one far off, and any other.
#include "readers/python/bytecode/line_table.h"
#include "tests/fuzz/input.h"

using namespace snag;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto first_line = input.take<std::int32_t>();
  const auto any = input.take<std::uint32_t>();
  for (const auto kind :
       {python::LineTableKind::kLnotab, python::LineTableKind::kLineDeltas, python::LineTableKind::kLocations}) {
    const auto runs = python::line_runs(kind, input.rest(), first_line);
    for (const std::uint32_t instruction : {0U, 16U, any % 1024U, any, UINT32_MAX - 1}) {
      // Two ways to the same answer.
      const auto line = python::line_at(kind, input.rest(), first_line, instruction);
      if (python::line_at(runs, instruction) != line) __builtin_trap();
    }
  }
  (void)python::position_at(input.rest(), first_line, any);
  return 0;
}
