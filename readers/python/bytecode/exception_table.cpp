#include "readers/python/bytecode/exception_table.h"

namespace snag::python {
namespace {

constexpr unsigned kMaxChunks = 5;  // of 6 bits: an offset of 2^30 code units is far beyond kMaxCodeBytes
constexpr std::uint32_t kUnitBytes = 2;

// The big-endian number at the front of `rest`, which is moved behind it.
std::optional<std::uint32_t> take_number(std::span<const std::byte>& rest) {
  std::uint32_t value = 0;
  for (unsigned chunk = 0; chunk < kMaxChunks && !rest.empty(); ++chunk) {
    const auto byte = std::to_integer<std::uint32_t>(rest.front());
    rest = rest.subspan(1);
    value = (value << 6U) | (byte & 63U);
    if ((byte & 64U) == 0) return value;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::vector<ExceptionEntry>> exception_entries(std::span<const std::byte> table) {
  constexpr std::uint32_t kMaxUnits = std::uint32_t{1} << 29U;  // so that start + length in bytes fits 32 bits
  std::vector<ExceptionEntry> entries;
  std::uint32_t previous_end = 0;
  while (!table.empty()) {
    const auto start = take_number(table);
    const auto length = take_number(table);
    const auto target = take_number(table);
    const auto depth_and_index = take_number(table);
    if (!start || !length || !target || !depth_and_index) return std::nullopt;
    if (*start > kMaxUnits || *length > kMaxUnits || *start * kUnitBytes < previous_end) return std::nullopt;
    previous_end = (*start + *length) * kUnitBytes;
    entries.push_back({.start = *start * kUnitBytes,
                       .end = previous_end,
                       .target = *target * kUnitBytes,
                       .depth = *depth_and_index >> 1U,
                       .pushes_index = (*depth_and_index & 1U) != 0});
  }
  return entries;
}

}  // namespace snag::python
