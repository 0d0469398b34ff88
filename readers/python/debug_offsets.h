#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "readers/base/result.h"
#include "readers/python/layout.h"

// _Py_DebugOffsets: from 3.13 on, the first bytes of _PyRuntime tell where CPython's own members lie
// (Include/internal/pycore_runtime.h; from 3.14 on pycore_debug_offsets.h). It is statically initialised: the ELF
// section .PyRuntime has it too.

namespace snag::python {

// As many bytes as the longest known version, 3.15, has. A caller copies these from the address of _PyRuntime, which is far
// larger.
inline constexpr std::size_t kDebugOffsetsBytes = 888;

// No struct but the runtime's and the interpreter's states may claim to be larger: readers copy them whole into buffers
// of their own. The largest so far is PyTypeObject with 416 bytes, growing by a few words a year.
inline constexpr std::uint32_t kMaxStructBytes = 4096;

// What a field tells, and with that, what it is held to.
enum class DebugFieldKind : std::uint8_t {
  kStateSize,         // size of _PyRuntimeState or PyInterpreterState
  kSize,              // size of any other struct
  kPartSize,          // size of a struct that is the beginning of the group's own
  kWord,              // offset of a member of 8 bytes
  kInt,               // offset of a member of 4 bytes
  kByte,              // offset of a member of one byte, or of an array of them
  kFreeThreaded,      // offset of an int that only the free-threaded build has; 0 in the other
  kFreeThreadedWord,  // the same, of a member of 8 bytes
  kElsewhere          // of a struct whose size is not told: any value of 32 bits; Snag uses none of them
};

struct DebugField {
  std::string_view group;
  std::string_view name;
  DebugFieldKind kind;
};

// The offsets that a target states of itself, validated once: every offset lies, whole and aligned, within its struct,
// and every struct is small enough to be copied.
class DebugOffsets {
 public:
  // Bytes beyond the struct's own are ignored. kNotPython: it is no such struct. kUnsupported: a version without a
  // known list of fields, or an alpha, beta or release candidate (their lists change).
  // kInconsistent and kOutOfBounds: cut off, corrupt, or hostile.
  static Result<DebugOffsets> parse(std::span<const std::byte> bytes);

  [[nodiscard]] Version version() const { return version_; }
  // PY_VERSION_HEX: 0x030D00F0 is 3.13.0.
  [[nodiscard]] std::uint32_t hex_version() const { return hex_version_; }
  [[nodiscard]] bool free_threaded() const { return free_threaded_; }
  // Fields as CPython names them: ("thread_state", "current_frame"). nullopt: this version and build has no such field.
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view group, std::string_view name) const;

 private:
  static constexpr std::size_t kMaxFields = kDebugOffsetsBytes / sizeof(std::uint64_t);

  DebugOffsets(std::uint32_t hex_version, Version version, bool free_threaded, std::span<const DebugField> fields)
      : hex_version_(hex_version), version_(version), free_threaded_(free_threaded), fields_(fields) {}
  Result<void> take(std::span<const std::byte> bytes);

  std::uint32_t hex_version_;
  Version version_;
  bool free_threaded_;
  std::span<const DebugField> fields_;              // the version's list, static
  std::array<std::uint32_t, kMaxFields> values_{};  // one for each of fields_
};

// The row of the table for that version and build, with every member that the target's own offsets speak of taken from
// them. With kInconsistent it fails when the row is another one's or the outcome is impossible as a layout; and with
// kUnsupported when the target moved members of a struct of which it does not tell all that Snag needs: the rest would
// be a guess.
[[nodiscard]] Result<Layout> layout_from_debug_offsets(const DebugOffsets& offsets, const Layout& table_row);

}  // namespace snag::python
