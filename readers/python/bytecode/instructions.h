#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "readers/python/bytecode/opcodes.h"

namespace snag::python {

// The largest code object of the standard library is below 100 kB and generated tables reach some hundred; more than
// this is no code that somebody runs.
inline constexpr std::size_t kMaxCodeBytes = std::size_t{1} << 20U;

// An instruction with all that belongs to it: EXTENDED_ARG before, inline caches behind. Offsets in bytes from the
// code's first. To 3.10 f_lasti points at the first EXTENDED_ARG, later at the opcode, and while an inlined Python call
// runs (3.11, 3.12) into the caches: all of these lie in [begin, end).
struct Instruction {
  std::uint32_t begin;
  std::uint32_t opcode_offset;
  std::uint32_t end;
  std::uint32_t argument;
  std::uint8_t opcode;  // base opcode
};

struct CodeUnit {
  std::uint8_t opcode;
  std::uint8_t argument;
};

// ENTER_EXECUTOR's argument is a byte: Include/internal/pycore_optimizer.h has MAX_EXECUTORS_SIZE for it.
inline constexpr std::size_t kMaxExecutors = 256;

// The instructions of one code object, in order and without gaps.
class Instructions {
 public:
  // `code`: co_code, or from 3.11 co_code_adaptive as it lies in memory, specialised and with caches. nullopt if an
  // opcode is unknown (also those of a tracer that replace others, INSTRUMENTED_LINE), or the code ends within an
  // instruction. `covered`: what lay where the second tier (the JIT, from 3.13) has put an ENTER_EXECUTOR, by its
  // argument: vm_data.opcode and .oparg of co_executors' executors. Without it such code is unknown too.
  [[nodiscard]] static std::optional<Instructions> decode(const OpcodeSet& opcodes, std::span<const std::byte> code,
                                                          std::span<const CodeUnit> covered = {});

  [[nodiscard]] std::span<const Instruction> all() const { return instructions_; }
  [[nodiscard]] const OpcodeSet& opcodes() const { return *opcodes_; }
  [[nodiscard]] const Opcode& opcode_of(const Instruction& instruction) const {
    return opcodes_->opcodes[instruction.opcode];
  }

  // The number of the instruction to which the byte at `offset` belongs.
  [[nodiscard]] std::optional<std::size_t> index_at(std::uint32_t offset) const;
  // The number of the instruction to which this one may jump; nullopt if it does not jump, or to no instruction's
  // start.
  [[nodiscard]] std::optional<std::size_t> jump_target(const Instruction& instruction) const;

 private:
  explicit Instructions(const OpcodeSet& opcodes) : opcodes_(&opcodes) {}

  const OpcodeSet* opcodes_;  // static data
  std::vector<Instruction> instructions_;
};

}  // namespace snag::python
