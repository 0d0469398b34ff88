#pragma once

#include <cstdint>
#include <vector>

#include "readers/base/address.h"

namespace snag::python {

// What tells a code object from another that was allocated at the same address after the first was freed. Two code
// objects that agree in all of this have the same name, file and lines.
struct CodeIdentity {
  Address filename;
  Address name;
  Address line_table;
  std::int32_t first_line = 0;
  friend bool operator==(const CodeIdentity&, const CodeIdentity&) = default;
};

// One Python frame as it was copied, before anything is looked up.
struct RawFrame {
  Address frame;
  Address code;
  Address globals;
  Address function;              // the function object; null before 3.11
  bool in_generator = false;     // of a generator or coroutine; false before 3.11
  Address bytecode;              // the first of the instructions that it runs; null before 3.11
  std::int64_t instruction = 0;  // byte offset into the code's instructions; negative: the first has not begun
  CodeIdentity identity;
};

// The Python stack of one thread, innermost frame first.
struct RawStack {
  std::vector<RawFrame> frames;
  // False: only the stable part. Frames further in moved while they were read; those that are here did not.
  bool whole = false;
};

}  // namespace snag::python
