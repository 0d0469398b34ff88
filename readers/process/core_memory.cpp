#include "readers/process/core_memory.h"

#include <algorithm>

#include "readers/process/live_memory.h"

namespace snag {
namespace {

Error unreadable(Address from, std::size_t wanted, const char* what) {
  return {.kind = ErrorKind::kUnreadable, .what = what, .where = from, .wanted = wanted};
}

// As much of a place as one read wants.
std::span<std::byte> part(std::span<std::byte> into, std::uint64_t bytes) {
  return into.first(std::min<std::uint64_t>(into.size(), bytes));
}

}  // namespace

Result<void> CoreMemory::read(Address from, std::span<std::byte> into, const char* what) const {
  Error error = unreadable(from, into.size(), what);
  if (into.size() > kMaxReadBytes) error.kind = ErrorKind::kOutOfBounds;
  if (into.size() > kMaxReadBytes || !in_user_space(from, into.size())) return fail(std::move(error));
  while (!into.empty()) {
    const CorePlace place = core_->find(from);
    auto piece = part(into, place.bytes);
    switch (place.kind) {
      case CorePlace::Kind::kHeld:
        if (!core_->read_file(place.file_offset, piece)) return fail(std::move(error));
        break;
      case CorePlace::Kind::kLeftOut: {
        const Mapping* mapping = find_mapping(core_->mappings(), from);
        if (mapping == nullptr) return fail(std::move(error));
        piece = part(piece, mapping->end.value - from.value);
        if (auto done = files_->read(*mapping, from, piece, what); !done) return done;
        break;
      }
      case CorePlace::Kind::kCut:
        error.detail = "the core file was cut off before it";
        return fail(std::move(error));
      case CorePlace::Kind::kLost:
        error.detail = "the core file has no contents of this memory (coredump_filter)";
        return fail(std::move(error));
    }
    into = into.subspan(piece.size());
    from = from + piece.size();
  }
  return {};
}

Result<std::size_t> CoreMemory::read_many(std::span<const Piece> pieces, const char* what) const {
  const auto unread = std::find_if_not(
      pieces.begin(), pieces.end(), [&](const Piece& piece) { return read(piece.from, piece.into, what).has_value(); });
  return static_cast<std::size_t>(unread - pieces.begin());
}

}  // namespace snag
