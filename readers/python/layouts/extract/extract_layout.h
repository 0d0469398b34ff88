#pragma once

#include <string>
#include <string_view>

#include "readers/base/result.h"
#include "readers/python/layout.h"

namespace snag::python {

// The files of one interpreter: libpython (or an executable that contains it) and its extension module _asyncio, which
// an executable may contain too; empty: there is no debug information of it, and what it defines is absent.
struct InterpreterFiles {
  std::string python;
  std::string asyncio;
};

// What the debug information of an interpreter says of every member of layout.h. kUnsupported: there is none.
// kInconsistent: a member that no version may lack is not in it, or it contradicts itself.
[[nodiscard]] Result<Layout> extract_layout(Version version, const InterpreterFiles& files);

// The text of rows/cpython_3_X.inc: the layout as C++, and the assertions that hold it. `release` is what it was made
// from, such as "3.8.18".
[[nodiscard]] std::string row_text(const Layout& layout, std::string_view release);

}  // namespace snag::python
