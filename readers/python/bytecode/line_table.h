#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "readers/python/layout.h"

namespace snag::python {

// The source line of the instruction at a byte offset of the code, equal to CPython's PyCode_Addr2Line(). `table` is
// co_lnotab to 3.9, co_linetable from 3.10; `first_line` is co_firstlineno. nullopt: the instruction belongs to no
// line, or the table does not reach it (from 3.10), or is damaged. Reads the table once from its start and never beyond
// its end.
[[nodiscard]] std::optional<int> line_at(LineTableKind kind, std::span<const std::byte> table, int first_line,
                                         std::uint32_t instruction_byte_offset);

// The whole table at once, for who asks for many instructions of one function: ascending stretches of code, each up to
// `end` (bytes, exclusive) and on one line. The same answers as line_at(), which begins at the front each time.
struct LineRun {
  std::uint32_t end;
  std::int32_t line;  // negative: none
};
[[nodiscard]] std::vector<LineRun> line_runs(LineTableKind kind, std::span<const std::byte> table, int first_line);
[[nodiscard]] std::optional<int> line_at(std::span<const LineRun> runs, std::uint32_t instruction_byte_offset);

// What co_positions() says of an instruction. Lines count from 1, columns from 0 in UTF-8 bytes, the end is exclusive.
struct Position {
  std::optional<int> line;
  std::optional<int> end_line;
  std::optional<int> column;
  std::optional<int> end_column;
  friend bool operator==(const Position&, const Position&) = default;
};

// From 3.11 (LineTableKind::kLocations). nullopt if the table does not reach the instruction, or is damaged.
[[nodiscard]] std::optional<Position> position_at(std::span<const std::byte> locations, int first_line,
                                                  std::uint32_t instruction_byte_offset);

}  // namespace snag::python
