#include "readers/python/debug_offsets.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "readers/python/layouts/debug_offsets_lists.h"

namespace snag::python {
namespace {

using enum DebugFieldKind;

constexpr std::string_view kCookie = "xdebugpy";
constexpr std::size_t kWordBytes = sizeof(std::uint64_t);
constexpr std::size_t kHeaderBytes = kCookie.size() + 2 * kWordBytes;  // cookie, version, free_threaded

// _PyRuntimeState and PyInterpreterState have free lists and static objects in them: up to 460 kB so far (3.12's
// runtime). They are never copied whole; the bound keeps offsets sane.
constexpr std::uint64_t kMaxStateBytes = 4U << 20U;
constexpr std::array kFields313{
#define SNAG_FIELD(kind, group, field) DebugField{#group, #field, kind},
    SNAG_DEBUG_OFFSETS_3_13(SNAG_FIELD)
#undef SNAG_FIELD
};
static_assert(kHeaderBytes + kFields313.size() * kWordBytes == 584, "sizeof(_Py_DebugOffsets) in 3.13");
constexpr std::array kFields314{
#define SNAG_FIELD(kind, group, field) DebugField{#group, #field, kind},
    SNAG_DEBUG_OFFSETS_3_14(SNAG_FIELD)
#undef SNAG_FIELD
};
static_assert(kHeaderBytes + kFields314.size() * kWordBytes == 760, "sizeof(_Py_DebugOffsets) in 3.14");
constexpr std::array kFields315{
#define SNAG_FIELD(kind, group, field) DebugField{#group, #field, kind},
    SNAG_DEBUG_OFFSETS_3_15(SNAG_FIELD)
#undef SNAG_FIELD
};
static_assert(kHeaderBytes + kFields315.size() * kWordBytes == 888, "sizeof(_Py_DebugOffsets) in 3.15");

struct DebugFormat {
  Version version;
  std::span<const DebugField> fields;
};
constexpr std::array kFormats{
    DebugFormat{.version = {.major = 3, .minor = 13}, .fields = kFields313},
    DebugFormat{.version = {.major = 3, .minor = 14}, .fields = kFields314},
    DebugFormat{.version = {.major = 3, .minor = 15}, .fields = kFields315},
};
constexpr bool longest_format_fits() {
  return std::ranges::all_of(kFormats, [](const DebugFormat& format) {
    return kHeaderBytes + format.fields.size() * kWordBytes <= kDebugOffsetsBytes;
  });
}
static_assert(longest_format_fits());

Failure refuse(ErrorKind kind, std::string detail) {
  return fail(Error{.kind = kind, .what = "_Py_DebugOffsets", .detail = std::move(detail)});
}

std::uint64_t word_at(std::span<const std::byte> bytes, std::size_t offset) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.subspan(offset, kWordBytes).data(), kWordBytes);
  return word;
}

std::string full_name(const DebugField& field) { return std::string(field.group) + "." + std::string(field.name); }

std::uint64_t width_of(DebugFieldKind kind) {
  switch (kind) {
    case kStateSize:
    case kSize:
    case kPartSize:
    case kWord:
    case kFreeThreadedWord:
      return kWordBytes;
    case kInt:
    case kFreeThreaded:
      return sizeof(std::int32_t);
    case kByte:
    case kElsewhere:
      return 1;
  }
  return kWordBytes;
}

// What is wrong with a field's value; null: nothing. `struct_bytes` is the size of the group's struct.
const char* fault_of(DebugFieldKind kind, std::uint64_t value, std::uint64_t struct_bytes) {
  if (kind == kElsewhere) {
    return value > std::numeric_limits<std::uint32_t>::max() ? " is absurdly large" : nullptr;
  }
  const std::uint64_t width = width_of(kind);
  if (value % width != 0) return " is not aligned";
  const bool is_struct_size = kind == kStateSize || kind == kSize;
  if (is_struct_size) {
    if (value == 0) return " is zero";
    return value > (kind == kStateSize ? kMaxStateBytes : kMaxStructBytes) ? " is absurdly large" : nullptr;
  }
  const std::uint64_t end = kind == kPartSize ? value : value + width;
  // Its low bits are zero, so that an end that wrapped around shows as smaller than the width.
  return end > struct_bytes || end < width ? " lies outside its struct" : nullptr;
}

// The second lowest digit of PY_VERSION_HEX: 0xA alpha, 0xB beta, 0xC release candidate, 0xF release
// (Include/patchlevel.h).
constexpr std::uint32_t kFinalLevel = 0xF;

std::string release_name(std::uint32_t hex) {
  return std::to_string(hex >> 24U) + "." + std::to_string((hex >> 16U) & 0xFFU) + "." +
         std::to_string((hex >> 8U) & 0xFFU);
}

Result<const DebugFormat*> format_for(std::uint64_t version_word) {
  if (version_word > 0xFFFF'FFFFU) return refuse(ErrorKind::kInconsistent, "the version is more than 32 bits long");
  const auto hex = static_cast<std::uint32_t>(version_word);
  const Version version{.major = static_cast<std::uint8_t>(hex >> 24U),
                        .minor = static_cast<std::uint8_t>((hex >> 16U) & 0xFFU)};
  const auto* const format = std::ranges::find(kFormats, version, &DebugFormat::version);
  if (format == kFormats.end()) {
    return refuse(ErrorKind::kUnsupported, "CPython " + release_name(hex) + " is not known to this version of Snag");
  }
  if (((hex >> 4U) & 0xFU) != kFinalLevel) {
    return refuse(ErrorKind::kUnsupported, "this is a pre-release of CPython " + release_name(hex) +
                                               ", whose structs may differ from the release's: use the release");
  }
  return format;
}

}  // namespace

Result<DebugOffsets> DebugOffsets::parse(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeaderBytes) return refuse(ErrorKind::kInconsistent, "it is cut off");
  if (std::memcmp(bytes.data(), kCookie.data(), kCookie.size()) != 0) {
    return refuse(ErrorKind::kNotPython, "the cookie \"xdebugpy\" is not there");
  }
  const std::uint64_t version_word = word_at(bytes, kCookie.size());
  const auto format = format_for(version_word);
  if (!format) return fail(format);
  const std::uint64_t free_threaded = word_at(bytes, kCookie.size() + kWordBytes);
  if (free_threaded > 1) return refuse(ErrorKind::kInconsistent, "free_threaded is neither 0 nor 1");
  DebugOffsets offsets(static_cast<std::uint32_t>(version_word), (*format)->version, free_threaded == 1,
                       (*format)->fields);
  const auto taken = offsets.take(bytes.subspan(kHeaderBytes));
  if (!taken) return fail(taken);
  return offsets;
}

Result<void> DebugOffsets::take(std::span<const std::byte> bytes) {
  if (bytes.size() < fields_.size() * kWordBytes) return refuse(ErrorKind::kInconsistent, "it is cut off");
  std::uint64_t struct_bytes = 0;  // each group begins with its struct's size
  for (std::size_t at = 0; at < fields_.size(); ++at) {
    const DebugField& field = fields_[at];
    const std::uint64_t value = word_at(bytes, at * kWordBytes);
    if (const char* fault = fault_of(field.kind, value, struct_bytes)) {
      return refuse(ErrorKind::kOutOfBounds, full_name(field) + fault);
    }
    if (field.kind == kStateSize || field.kind == kSize) struct_bytes = value;
    values_[at] = static_cast<std::uint32_t>(value);
  }
  return {};
}

std::optional<std::uint32_t> DebugOffsets::find(std::string_view group, std::string_view name) const {
  for (std::size_t at = 0; at < fields_.size(); ++at) {
    const DebugField& field = fields_[at];
    if (field.group != group || field.name != name) continue;
    const bool is_of_free_threads = field.kind == kFreeThreaded || field.kind == kFreeThreadedWord;
    return is_of_free_threads && !free_threaded_ ? std::nullopt : std::optional(values_[at]);
  }
  return std::nullopt;
}

}  // namespace snag::python
