// snag-layout-extract RELEASE PYTHON [ASYNCIO]: prints the row of layout offsets for one interpreter.
//
//   snag-layout-extract 3.8.18 lib/libpython3.8.so.1.0 lib/python3.8/lib-dynload/_asyncio.*.so > rows/cpython_3_8.inc

#include <cstdio>

#include "readers/python/layouts/extract/command_line.h"

int main(int argc, char** argv) {
  using namespace snag::python;
  const auto interpreter = parse_interpreter({argv, static_cast<std::size_t>(argc)});
  if (!interpreter) return kWrongUsage;
  const auto layout = extract_or_say_why(*interpreter);
  if (!layout) return 1;
  std::fputs(row_text(*layout, interpreter->release).c_str(), stdout);
  return 0;
}
