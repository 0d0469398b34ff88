#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "readers/python/bytecode/instructions.h"

namespace snag::python {

// How many values lie on the value stack of a frame that stands at an instruction, before the instruction has done
// anything. Made once per code object and kept by the caller: 2 to 4 bytes an instruction.
class StackDepths {
 public:
  // `exception_table`: co_exceptiontable; empty to 3.10. nullopt if the table is damaged or the bytecode is no
  // compiler's.
  [[nodiscard]] static std::optional<StackDepths> analyse(const Instructions& instructions,
                                                          std::span<const std::byte> exception_table);

  // Depth before the instruction with this number (Instructions::index_at). nullopt: unreachable, or not one certain
  // depth.
  [[nodiscard]] std::optional<unsigned> before(std::size_t instruction) const;

  // All depths that the instruction can have, the likeliest first; empty if unreachable or unknown. More than one only
  // in finally blocks to 3.8, which run at one depth after the try block, at others after `return` or an exception. A
  // slot that lies above the true depth holds a stale pointer.
  [[nodiscard]] std::vector<unsigned> possible(std::size_t instruction) const;

  // Instructions that are reached at different depths, which no compiler writes: 0 unless the bytes are torn or forged.
  [[nodiscard]] std::size_t conflicts() const { return conflicts_; }

 private:
  struct Several {
    std::uint32_t instruction;
    std::vector<std::uint16_t> depths;
  };
  std::vector<std::int16_t> depths_;  // negative: see several_, or unknown
  std::vector<Several> several_;      // by instruction
  std::size_t conflicts_ = 0;
};

}  // namespace snag::python
