#include "readers/process/image_memory.h"

#include <algorithm>
#include <iterator>

#include "readers/process/live_memory.h"

namespace snag {
namespace {

bool overlaps(std::uint64_t begin, std::size_t bytes, std::uint64_t other, std::size_t other_bytes) {
  return begin < other + other_bytes && other < begin + bytes;
}

}  // namespace

bool ImageMemory::add(Address at, std::vector<std::byte> bytes) {
  if (bytes.empty() || !in_user_space(at, bytes.size())) return false;
  const auto next = segments_.lower_bound(at.value);
  if (next != segments_.end() && overlaps(at.value, bytes.size(), next->first, next->second.size())) return false;
  if (next != segments_.begin()) {
    const auto& [begin, before] = *std::prev(next);
    if (overlaps(at.value, bytes.size(), begin, before.size())) return false;
  }
  segments_.emplace(at.value, std::move(bytes));
  return true;
}

bool ImageMemory::change(Address at, std::span<const std::byte> bytes) {
  const auto segment = segments_.upper_bound(at.value);
  if (segment == segments_.begin()) return false;
  auto& [begin, recorded] = *std::prev(segment);
  const std::uint64_t offset = at.value - begin;
  if (offset > recorded.size() || bytes.size() > recorded.size() - offset) return false;
  std::copy(bytes.begin(), bytes.end(), recorded.begin() + static_cast<std::ptrdiff_t>(offset));
  return true;
}

void ImageMemory::unmap(Address begin, std::size_t bytes) { holes_.push_back({.begin = begin, .bytes = bytes}); }

void ImageMemory::fail_read(std::size_t number, Error error) { failures_.insert_or_assign(number, std::move(error)); }

void ImageMemory::before_read(std::size_t number, std::function<void(ImageMemory&)> happen) {
  happenings_.insert_or_assign(number, std::move(happen));
}

void ImageMemory::before_every_read(std::function<void(ImageMemory&, std::size_t, Address)> happen) {
  every_read_ = std::move(happen);
}

std::vector<std::string> ImageMemory::faults_not_hit() const {
  std::vector<std::string> missed;
  for (const Hole& hole : holes_) {
    if (hole.hit) continue;
    missed.push_back(describe(Error{.kind = ErrorKind::kUnreadable,
                                    .what = "hole",
                                    .where = hole.begin,
                                    .wanted = hole.bytes,
                                    .detail = "never read"}));
  }
  for (const auto& [number, error] : failures_) missed.push_back("failure of read " + std::to_string(number));
  for (const auto& [number, happen] : happenings_) missed.push_back("change before read " + std::to_string(number));
  return missed;
}

bool ImageMemory::meets_hole(Address from, std::size_t bytes) const {
  bool met = false;
  for (const Hole& hole : holes_) {
    if (!overlaps(from.value, bytes, hole.begin.value, hole.bytes)) continue;
    hole.hit = true;
    met = true;
  }
  return met;
}

Result<void> ImageMemory::read_numbered(Address from, std::span<std::byte> into, const char* what) const {
  const std::size_t number = ++reads_;
  // What happens is the target's doing, not the reader's, to whom this memory is const.
  auto& target = const_cast<ImageMemory&>(*this);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  if (every_read_) every_read_(target, number, from);
  // Taken out first: a happening may list further ones.
  if (auto happening = happenings_.extract(number)) happening.mapped()(target);
  if (auto failure = failures_.extract(number)) return fail(failure.mapped());

  const Error unreadable = {.kind = ErrorKind::kUnreadable, .what = what, .where = from, .wanted = into.size()};
  if (!in_user_space(from, into.size()) || meets_hole(from, into.size())) return fail(unreadable);
  while (!into.empty()) {
    const auto after = segments_.upper_bound(from.value);
    if (after == segments_.begin()) return fail(unreadable);
    const auto& [begin, recorded] = *std::prev(after);
    const std::uint64_t offset = from.value - begin;
    if (offset >= recorded.size()) return fail(unreadable);
    const std::size_t here = std::min<std::size_t>(into.size(), recorded.size() - offset);
    std::copy_n(recorded.begin() + static_cast<std::ptrdiff_t>(offset), here, into.begin());
    from = from + here;
    into = into.subspan(here);
  }
  return {};
}

Result<void> ImageMemory::read(Address from, std::span<std::byte> into, const char* what) const {
  return read_numbered(from, into, what);
}

Result<std::size_t> ImageMemory::read_many(std::span<const Piece> pieces, const char* what) const {
  std::size_t whole = 0;
  for (const Piece& piece : pieces) {
    auto done = read_numbered(piece.from, piece.into, what);
    if (!done && done.error().kind == ErrorKind::kUnreadable) break;
    if (!done) return fail(done);
    ++whole;
  }
  return whole;
}

}  // namespace snag
