// snag-layout-compare RELEASE PYTHON [ASYNCIO]: prints what an interpreter's layout differs in from the row that Snag
// has for its version, or else for the newest version before it. Exit status 0: in nothing; 1: it does, or cannot be
// told.

#include <cstdio>

#include "readers/python/layouts/extract/command_line.h"
#include "readers/python/layouts/layout_members.h"

namespace {

using namespace snag::python;

const Layout* nearest_row(const Layout& layout) {
  Version version = layout.version;
  while (version.minor > 0 && find_layout(version, layout.free_threaded) == nullptr) --version.minor;
  return find_layout(version, layout.free_threaded);
}

}  // namespace

int main(int argc, char** argv) {
  const auto interpreter = parse_interpreter({argv, static_cast<std::size_t>(argc)});
  if (!interpreter) return kWrongUsage;
  const auto layout = extract_or_say_why(*interpreter);
  if (!layout) return 1;
  const auto* row = nearest_row(*layout);
  if (row == nullptr) {
    std::fputs("there is no row of an earlier version to compare with\n", stderr);
    return 1;
  }
  const auto found = differences(*row, *layout);
  std::printf("%zu of %zu members differ from the row for CPython %d.%d%s\n", found.size(), kMemberCount,
              int{row->version.major}, int{row->version.minor}, row->free_threaded ? "t" : "");
  for (const auto& difference : found) std::printf("%s\n", describe(difference).c_str());
  return found.empty() ? 0 : 1;
}
