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
#include "readers/python/layouts/rows/cpython_3_13t.inc"
#include "readers/python/layouts/rows/cpython_3_14.inc"
#include "readers/python/layouts/rows/cpython_3_14t.inc"
#include "readers/python/layouts/rows/cpython_3_15.inc"
#include "readers/python/layouts/rows/cpython_3_15t.inc"
#include "readers/python/layouts/rows/cpython_3_7.inc"
#include "readers/python/layouts/rows/cpython_3_8.inc"
#include "readers/python/layouts/rows/cpython_3_9.inc"

constexpr std::array kRows{&kCPython37,  &kCPython38,  &kCPython39,  &kCPython310,  &kCPython311,  &kCPython312,
                           &kCPython313, &kCPython314, &kCPython315, &kCPython313t, &kCPython314t, &kCPython315t};

struct DialectSince {
  Version first;
  Dialect dialect;
};

// enum _frameowner in Include/internal/pycore_frame.h: FRAME_OWNED_BY_CSTACK of 3.12 and 3.13. 3.14 has
// FRAME_OWNED_BY_INTERPRETER there, and FRAME_OWNED_BY_CSTACK behind it; 3.15 only the former.
constexpr std::uint8_t kFirstShimOwner = 3;

// PyFrameObject.f_executing (Include/frameobject.h, to 3.9); from 3.10 f_state, an enum _framestate of which
// FRAME_EXECUTING and, while an exception looks for its handler, FRAME_UNWINDING are on a stack.
constexpr std::array<std::uint8_t, 2> kExecuting{1, 1};
constexpr std::array<std::uint8_t, 2> kFrameState{0, 2};

// Each holds until the next begins.
constexpr std::array kDialects{
    DialectSince{.first = {.major = 3, .minor = 7},
                 .dialect = {.frame_chain = FrameChain::kFrameObjects,
                             .instruction_index = InstructionIndex::kBytes,
                             .line_table = LineTableKind::kLnotab,
                             .first_shim_owner = std::nullopt,
                             .running_states = kExecuting,
                             .tagged_references = false,
                             .attributes = AttributeStorage::kDict}},
    // f_lasti counts code units (bpo-27129), lines are by PEP 626.
    DialectSince{.first = {.major = 3, .minor = 10},
                 .dialect = {.frame_chain = FrameChain::kFrameObjects,
                             .instruction_index = InstructionIndex::kUnits,
                             .line_table = LineTableKind::kLineDeltas,
                             .first_shim_owner = std::nullopt,
                             .running_states = kFrameState,
                             .tagged_references = false,
                             .attributes = AttributeStorage::kDict}},
    // Frames without frame objects (bpo-44590), locations with columns by PEP 657.
    DialectSince{.first = {.major = 3, .minor = 11},
                 .dialect = {.frame_chain = FrameChain::kCFrame,
                             .instruction_index = InstructionIndex::kPointer,
                             .line_table = LineTableKind::kLocations,
                             .first_shim_owner = std::nullopt,
                             .running_states = std::nullopt,
                             .tagged_references = false,
                             .attributes = AttributeStorage::kValuesBefore}},
    // Each entry into the interpreter has a frame of its own, the trampoline's (gh-96421).
    DialectSince{.first = {.major = 3, .minor = 12},
                 .dialect = {.frame_chain = FrameChain::kCFrame,
                             .instruction_index = InstructionIndex::kPointer,
                             .line_table = LineTableKind::kLocations,
                             .first_shim_owner = kFirstShimOwner,
                             .running_states = std::nullopt,
                             .tagged_references = false,
                             .attributes = AttributeStorage::kTaggedBefore}},
    // No _PyCFrame any more.
    DialectSince{.first = {.major = 3, .minor = 13},
                 .dialect = {.frame_chain = FrameChain::kCurrentFrame,
                             .instruction_index = InstructionIndex::kPointer,
                             .line_table = LineTableKind::kLocations,
                             .first_shim_owner = kFirstShimOwner,
                             .running_states = std::nullopt,
                             .tagged_references = false,
                             .attributes = AttributeStorage::kInline}},
    // References to objects are tagged (gh-117139).
    DialectSince{.first = {.major = 3, .minor = 14},
                 .dialect = {.frame_chain = FrameChain::kCurrentFrame,
                             .instruction_index = InstructionIndex::kPointer,
                             .line_table = LineTableKind::kLocations,
                             .first_shim_owner = kFirstShimOwner,
                             .running_states = std::nullopt,
                             .tagged_references = true,
                             .attributes = AttributeStorage::kInline}},
};

}  // namespace

const Layout* find_layout(Version version, bool free_threaded) {
  for (const Layout* row : kRows) {
    if (row->version == version && row->free_threaded == free_threaded) return row;
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
