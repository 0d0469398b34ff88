#include "readers/python/bytecode/instructions.h"

#include <algorithm>

namespace snag::python {
namespace {

constexpr std::uint32_t kUnitBytes = 2;  // sizeof(_Py_CODEUNIT)
constexpr unsigned kMaxPrefixes = 3;     // the argument has 32 bits

// The unit at `offset` as the compiler wrote it, but for specialisation.
std::optional<CodeUnit> unit_at(const OpcodeSet& opcodes, std::span<const std::byte> code, std::size_t offset,
                                std::span<const CodeUnit> covered) {
  const CodeUnit unit{.opcode = std::to_integer<std::uint8_t>(code[offset]),
                      .argument = std::to_integer<std::uint8_t>(code[offset + 1])};
  if (opcodes.opcodes[unit.opcode].role != Role::kEnterExecutor) return unit;
  if (unit.argument >= covered.size()) return std::nullopt;
  const CodeUnit below = covered[unit.argument];
  return opcodes.opcodes[below.opcode].role == Role::kEnterExecutor ? std::nullopt : std::optional(below);
}

// The instruction that starts at `begin`.
std::optional<Instruction> decode_one(const OpcodeSet& opcodes, std::span<const std::byte> code, std::uint32_t begin,
                                      std::span<const CodeUnit> covered) {
  std::uint32_t argument = 0;
  std::size_t offset = begin;
  for (unsigned prefixes = 0; offset + kUnitBytes <= code.size(); ++prefixes, offset += kUnitBytes) {
    const auto unit = unit_at(opcodes, code, offset, covered);
    if (!unit) return std::nullopt;
    const Opcode& opcode = opcodes.base_of(unit->opcode);
    argument = (argument << 8U) | unit->argument;
    if (opcode.name.empty() || prefixes > kMaxPrefixes) return std::nullopt;
    if (opcode.role == Role::kExtendedArgument) continue;
    const std::size_t end = offset + kUnitBytes + std::size_t{opcode.caches} * kUnitBytes;
    if (end > code.size()) return std::nullopt;
    return Instruction{.begin = begin,
                       .opcode_offset = static_cast<std::uint32_t>(offset),
                       .end = static_cast<std::uint32_t>(end),
                       .argument = argument,
                       .opcode = opcode.base};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Instructions> Instructions::decode(const OpcodeSet& opcodes, std::span<const std::byte> code,
                                                 std::span<const CodeUnit> covered) {
  if (code.empty() || code.size() > kMaxCodeBytes) return std::nullopt;
  Instructions decoded(opcodes);
  decoded.instructions_.reserve(code.size() / kUnitBytes);
  for (std::uint32_t offset = 0; offset < code.size();) {
    const auto instruction = decode_one(opcodes, code, offset, covered);
    if (!instruction) return std::nullopt;
    decoded.instructions_.push_back(*instruction);
    offset = instruction->end;
  }
  return decoded;
}

std::optional<std::size_t> Instructions::index_at(std::uint32_t offset) const {
  const auto after = std::upper_bound(instructions_.begin(), instructions_.end(), offset,
                                      [](std::uint32_t at, const Instruction& one) { return at < one.begin; });
  if (after == instructions_.begin() || offset >= std::prev(after)->end) return std::nullopt;
  return static_cast<std::size_t>(std::prev(after) - instructions_.begin());
}

std::optional<std::size_t> Instructions::jump_target(const Instruction& instruction) const {
  const std::int64_t distance = std::int64_t{instruction.argument} * opcodes_->jump_unit;
  std::int64_t target = 0;
  switch (opcode_of(instruction).jump) {
    case Jump::kNone:
      return std::nullopt;
    case Jump::kForward:
      target = instruction.end + distance;
      break;
    case Jump::kBackward:
      target = instruction.end - distance;
      break;
    case Jump::kAbsolute:
      target = distance;
      break;
  }
  if (target < 0 || target >= instructions_.back().end) return std::nullopt;
  const auto index = index_at(static_cast<std::uint32_t>(target));
  if (!index || instructions_[*index].begin != target) return std::nullopt;
  return index;
}

}  // namespace snag::python
