#pragma once

#include <string>
#include <vector>

#include "readers/python/layout.h"
#include "readers/python/layouts/extract/extract_layout.h"

namespace snag::python {

// An interpreter that this machine has: in pyenv ($PYENV_ROOT, or ~/.pyenv), from the distribution (/usr), or in a root
// of another suite (tests/interpreters/roots.py).
struct Interpreter {
  std::string name;  // "3.8.18", as pyenv calls it; "3.13 of Debian trixie"
  Version version;
  InterpreterFiles files;
};

// Those of the minor versions that Snag has rows for.
[[nodiscard]] std::vector<Interpreter> find_interpreters();

}  // namespace snag::python
