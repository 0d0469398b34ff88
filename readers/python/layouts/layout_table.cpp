#include <array>
#include <cassert>

#include "readers/python/layout.h"
#include "readers/python/layouts/layout_checks.h"

// The one file where versions are compared.

namespace snag::python {
namespace {

#include "readers/python/layouts/rows/cpython_3_10.inc"
#include "readers/python/layouts/rows/cpython_3_11.inc"
#include "readers/python/layouts/rows/cpython_3_12.inc"
#include "readers/python/layouts/rows/cpython_3_13.inc"
#include "readers/python/layouts/rows/cpython_3_8.inc"
#include "readers/python/layouts/rows/cpython_3_9.inc"

constexpr std::array kRows{&kCPython38, &kCPython39, &kCPython310, &kCPython311, &kCPython312, &kCPython313};

struct DialectSince {
  Version first;
  Dialect dialect;
};

// FRAME_OWNED_BY_CSTACK of enum _frameowner in Include/internal/pycore_frame.h, 3.12 and 3.13.
constexpr std::uint8_t kOwnedByCStack = 3;

// PyFrameObject.f_executing (Include/frameobject.h, 3.8 and 3.9); from 3.10 f_state, an enum _framestate of which
// FRAME_EXECUTING and, while an exception looks for its handler, FRAME_UNWINDING are on a stack.
constexpr std::array<std::uint8_t, 2> kExecuting{1, 1};
constexpr std::array<std::uint8_t, 2> kFrameState{0, 2};

// Each holds until the next begins.
constexpr std::array kDialects{
    DialectSince{.first = {.major = 3, .minor = 8},
                 .dialect = {.frame_chain = FrameChain::kFrameObjects,
                             .instruction_index = InstructionIndex::kBytes,
                             .line_table = LineTableKind::kLnotab,
                             .owner_of_shim = std::nullopt,
                             .running_states = kExecuting}},
    // f_lasti counts code units (bpo-27129), lines are by PEP 626.
    DialectSince{.first = {.major = 3, .minor = 10},
                 .dialect = {.frame_chain = FrameChain::kFrameObjects,
                             .instruction_index = InstructionIndex::kUnits,
                             .line_table = LineTableKind::kLineDeltas,
                             .owner_of_shim = std::nullopt,
                             .running_states = kFrameState}},
    // Frames without frame objects (bpo-44590), locations with columns by PEP 657.
    DialectSince{.first = {.major = 3, .minor = 11},
                 .dialect = {.frame_chain = FrameChain::kCFrame,
                             .instruction_index = InstructionIndex::kPointer,
                             .line_table = LineTableKind::kLocations,
                             .owner_of_shim = std::nullopt,
                             .running_states = std::nullopt}},
    // Each entry into the interpreter has a frame of its own, the trampoline's (gh-96421).
    DialectSince{.first = {.major = 3, .minor = 12},
                 .dialect = {.frame_chain = FrameChain::kCFrame,
                             .instruction_index = InstructionIndex::kPointer,
                             .line_table = LineTableKind::kLocations,
                             .owner_of_shim = kOwnedByCStack,
                             .running_states = std::nullopt}},
    // No _PyCFrame any more.
    DialectSince{.first = {.major = 3, .minor = 13},
                 .dialect = {.frame_chain = FrameChain::kCurrentFrame,
                             .instruction_index = InstructionIndex::kPointer,
                             .line_table = LineTableKind::kLocations,
                             .owner_of_shim = kOwnedByCStack,
                             .running_states = std::nullopt}},
};

}  // namespace

const Layout* find_layout(Version version) {
  for (const Layout* row : kRows) {
    if (row->version == version) return row;
  }
  return nullptr;
}

Dialect dialect_of(Version version) {
  assert(find_layout(version) != nullptr);
  Dialect dialect = kDialects.front().dialect;
  for (const DialectSince& since : kDialects) {
    if (since.first <= version) dialect = since.dialect;
  }
  return dialect;
}

}  // namespace snag::python
