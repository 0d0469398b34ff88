#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace snag::python {

// From 3.11: an exception raised in the bytes [start, end) of the code goes to `target`, with the value stack cut to
// `depth`, the index of the raising instruction pushed if `pushes_index`, and the exception pushed.
struct ExceptionEntry {
  std::uint32_t start;
  std::uint32_t end;
  std::uint32_t target;
  std::uint32_t depth;
  bool pushes_index;
};

// co_exceptiontable. nullopt if the entries are not in order, overlap, or the table ends within one. Format: CPython's
// Objects/exception_handling_notes.txt.
[[nodiscard]] std::optional<std::vector<ExceptionEntry>> exception_entries(std::span<const std::byte> table);

}  // namespace snag::python
