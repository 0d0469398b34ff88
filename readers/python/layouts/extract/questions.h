#pragma once

#include <array>
#include <span>
#include <string_view>

namespace snag::python {

// Which of the two files of an interpreter defines a type.
enum class DebugFile { kPython, kAsyncio };

// One way in which a version may call a thing: a C type, and the dotted path of a member in it; without path, the
// type's size. An empty type: there is no further alternative.
struct Alternative {
  std::string_view type;
  std::string_view path;
};

// Where the debug information has the value of one member of layout.h. The alternatives are tried in order; the first
// that exists is the answer, whatever the version.
struct Question {
  std::string_view group;
  std::string_view member;
  DebugFile file;
  std::array<Alternative, 4> alternatives;
};

// One question for each member of layout.h, in the same order.
[[nodiscard]] std::span<const Question> layout_questions();

}  // namespace snag::python
