#include "readers/python/bytecode/line_table.h"

#include <algorithm>
#include <limits>

namespace snag::python {
namespace {

constexpr std::uint32_t kUnitBytes = 2;  // sizeof(_Py_CODEUNIT)
constexpr std::int64_t kNoLine = -128;   // in the deltas of 3.10

// Lines are summed in 64 bits: a table of any size that fits in memory cannot overflow them. What is no line number is
// none.
std::optional<int> as_line(std::int64_t line) {
  if (line < 0 || line > std::numeric_limits<int>::max()) return std::nullopt;
  return static_cast<int>(line);
}

std::uint32_t unsigned_at(std::span<const std::byte> table, std::size_t index) {
  return std::to_integer<std::uint32_t>(table[index]);
}

std::int64_t signed_at(std::span<const std::byte> table, std::size_t index) {
  return static_cast<std::int8_t>(std::to_integer<std::uint8_t>(table[index]));
}

// Objects/lnotab_notes.txt to 3.9: pairs (bytes of code, signed lines), each advancing to where the next line begins.
std::optional<int> lnotab_line(std::span<const std::byte> table, int first_line, std::uint64_t offset) {
  std::int64_t line = first_line;
  std::uint64_t start = 0;
  for (std::size_t at = 0; at + 1 < table.size(); at += 2) {
    start += unsigned_at(table, at);
    if (start > offset) break;
    line += signed_at(table, at + 1);
  }
  return as_line(line);
}

// Objects/lnotab_notes.txt of 3.10: pairs (length in bytes, signed lines), -128 for a stretch without a line.
std::optional<int> delta_line(std::span<const std::byte> table, int first_line, std::uint64_t offset) {
  std::int64_t line = first_line;
  std::uint64_t end = 0;
  for (std::size_t at = 0; at + 1 < table.size(); at += 2) {
    const std::int64_t delta = signed_at(table, at + 1);
    end += unsigned_at(table, at);
    if (delta != kNoLine) line += delta;
    if (offset < end) return delta == kNoLine ? std::nullopt : as_line(line);
  }
  return std::nullopt;
}

// The entries of a location table (Objects/locations.md of 3.11), read in order. Each begins with a byte with bit 7
// set: code in bits 3 to 6, units of code it covers less one in bits 0 to 2.
class LocationReader {
 public:
  LocationReader(std::span<const std::byte> table, int first_line) : rest_(table), line_(first_line) {}

  // The entry that covers the code unit; nullopt if there is none.
  std::optional<Position> find(std::uint64_t unit) {
    while (auto position = next()) {
      if (unit < end_) return position;
    }
    return std::nullopt;
  }
  // The next entry, which reaches up to end(); nullopt when there is none, or the table is damaged.
  std::optional<Position> next() {
    const auto first = take();
    if (!first || (*first & 128U) == 0) return std::nullopt;
    end_ += (*first & 7U) + 1;
    return take_entry((*first >> 3U) & 15U);
  }
  [[nodiscard]] std::uint64_t end() const { return end_; }  // in code units

 private:
  static constexpr std::uint32_t kOneLine = 10;  // to 12: 0 to 2 lines further, columns in a byte each
  static constexpr std::uint32_t kNoColumns = 13;
  static constexpr std::uint32_t kLong = 14;
  static constexpr std::uint32_t kNone = 15;

  std::optional<std::uint32_t> take() {
    if (rest_.empty()) return std::nullopt;
    const auto byte = std::to_integer<std::uint32_t>(rest_.front());
    rest_ = rest_.subspan(1);
    return byte;
  }

  // Little-endian, 6 bits a byte, bit 6 says that more follow. More than 32 bits is no number that CPython writes.
  std::optional<std::int64_t> take_number() {
    constexpr unsigned kBits = 32;
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift <= kBits; shift += 6) {
      const auto byte = take();
      if (!byte) return std::nullopt;
      value |= std::uint64_t{*byte & 63U} << shift;
      if ((*byte & 64U) == 0) return static_cast<std::int64_t>(value);
    }
    return std::nullopt;
  }

  // The sign is the lowest bit.
  std::optional<std::int64_t> take_signed() {
    const auto number = take_number();
    if (!number) return std::nullopt;
    return (*number & 1) != 0 ? -(*number >> 1) : *number >> 1;
  }

  std::optional<Position> take_entry(std::uint32_t code) {
    if (code == kNone) return Position{};
    if (code == kLong) return take_long();
    if (code == kNoColumns) {
      const auto delta = take_signed();
      if (!delta) return std::nullopt;
      line_ += *delta;
      return Position{.line = as_line(line_), .end_line = as_line(line_), .column = {}, .end_column = {}};
    }
    const auto second = take();
    if (!second) return std::nullopt;
    if (code < kOneLine) return on_one_line((code << 3U) | (*second >> 4U), *second & 15U);
    const auto end_column = take();
    if (!end_column) return std::nullopt;
    line_ += code - kOneLine;
    return on_one_line(*second, std::int64_t{*end_column} - *second);
  }

  [[nodiscard]] Position on_one_line(std::int64_t column, std::int64_t length) const {
    return {.line = as_line(line_),
            .end_line = as_line(line_),
            .column = as_line(column),
            .end_column = as_line(column + length)};
  }

  std::optional<Position> take_long() {
    const auto line = take_signed();
    const auto more_lines = take_number();
    const auto column = take_number();
    const auto end_column = take_number();
    if (!line || !more_lines || !column || !end_column) return std::nullopt;
    line_ += *line;
    // Columns are stored with 1 added, so that 0 says that there is none.
    return Position{.line = as_line(line_),
                    .end_line = as_line(line_ + *more_lines),
                    .column = as_line(*column - 1),
                    .end_column = as_line(*end_column - 1)};
  }

  std::span<const std::byte> rest_;
  std::int64_t line_;
  std::uint64_t end_ = 0;
};

// Puts stretches of one line together.
class Runs {
 public:
  void add(std::uint64_t end, std::optional<int> line) {
    const auto bounded = static_cast<std::uint32_t>(std::min<std::uint64_t>(end, kEnd));
    if (!runs_.empty() && bounded <= runs_.back().end) return;  // covers nothing
    const std::int32_t number = line.value_or(-1);
    if (!runs_.empty() && runs_.back().line == number) {
      runs_.back().end = bounded;
    } else if (bounded > 0) {
      runs_.push_back({.end = bounded, .line = number});
    }
  }
  std::vector<LineRun> take() { return std::move(runs_); }
  static constexpr std::uint32_t kEnd = std::numeric_limits<std::uint32_t>::max();

 private:
  std::vector<LineRun> runs_;
};

void add_lnotab(std::span<const std::byte> table, int first_line, Runs& runs) {
  std::int64_t line = first_line;
  std::uint64_t start = 0;
  for (std::size_t at = 0; at + 1 < table.size(); at += 2) {
    start += unsigned_at(table, at);
    runs.add(start, as_line(line));
    line += signed_at(table, at + 1);
  }
  runs.add(Runs::kEnd, as_line(line));  // the last line has no end
}

void add_deltas(std::span<const std::byte> table, int first_line, Runs& runs) {
  std::int64_t line = first_line;
  std::uint64_t end = 0;
  for (std::size_t at = 0; at + 1 < table.size(); at += 2) {
    const std::int64_t delta = signed_at(table, at + 1);
    end += unsigned_at(table, at);
    if (delta != kNoLine) line += delta;
    runs.add(end, delta == kNoLine ? std::nullopt : as_line(line));
  }
}

}  // namespace

std::optional<int> line_at(LineTableKind kind, std::span<const std::byte> table, int first_line,
                           std::uint32_t instruction_byte_offset) {
  switch (kind) {
    case LineTableKind::kLnotab:
      return lnotab_line(table, first_line, instruction_byte_offset);
    case LineTableKind::kLineDeltas:
      return delta_line(table, first_line, instruction_byte_offset);
    case LineTableKind::kLocations: {
      const auto position = position_at(table, first_line, instruction_byte_offset);
      return position ? position->line : std::nullopt;
    }
  }
  return std::nullopt;
}

std::vector<LineRun> line_runs(LineTableKind kind, std::span<const std::byte> table, int first_line) {
  Runs runs;
  switch (kind) {
    case LineTableKind::kLnotab:
      add_lnotab(table, first_line, runs);
      break;
    case LineTableKind::kLineDeltas:
      add_deltas(table, first_line, runs);
      break;
    case LineTableKind::kLocations: {
      LocationReader reader(table, first_line);
      while (const auto position = reader.next()) runs.add(reader.end() * kUnitBytes, position->line);
      break;
    }
  }
  return runs.take();
}

std::optional<int> line_at(std::span<const LineRun> runs, std::uint32_t offset) {
  const auto run = std::upper_bound(runs.begin(), runs.end(), offset,
                                    [](std::uint32_t at, const LineRun& one) { return at < one.end; });
  if (run == runs.end() || run->line < 0) return std::nullopt;
  return run->line;
}

std::optional<Position> position_at(std::span<const std::byte> locations, int first_line,
                                    std::uint32_t instruction_byte_offset) {
  return LocationReader(locations, first_line).find(instruction_byte_offset / kUnitBytes);
}

}  // namespace snag::python
