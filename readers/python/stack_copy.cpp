#include "readers/python/stack_copy.h"

#include <algorithm>

namespace snag::python {
namespace {

constexpr const char* kWhat = "stack region";
// Pieces between two looks: some 2 µs, in which a chain of calls can hardly be left and built up again.
constexpr std::size_t kPiecesPerLook = 8;
// Looks in one sample: enough for 2,000 frames on the heap; a deeper stack has its end less well watched.
constexpr std::size_t kMaxLooks = 512;
constexpr std::size_t kWord = sizeof(std::uint64_t);

Error unreadable(const Region& region) {
  return {.kind = ErrorKind::kUnreadable, .what = kWhat, .where = region.begin, .wanted = region.size};
}

}  // namespace

void StackCopies::clear() {
  regions_.clear();
  offsets_.clear();
  used_.clear();
  by_address_.clear();
  for (auto& buffer : buffers_) buffer.clear();
}

void StackCopies::add(Region region) {
  const std::size_t at = buffers_[0].size();
  regions_.push_back(region);
  offsets_.push_back(at);
  used_.push_back(false);
  buffers_[0].resize(at + region.size);
}

void StackCopies::add_pieces(std::size_t copy) {
  for (std::size_t i = 0; i < regions_.size(); ++i) {
    pieces_.push_back(
        {.from = regions_[i].begin, .into = std::span(buffers_[copy]).subspan(offsets_[i], regions_[i].size)});
  }
}

void StackCopies::add_pieces_backwards(std::size_t copy) {
  constexpr std::size_t kSlice = 2048;  // some twenty frames of a chunk: backwards among them too, at 0.2 µs a slice
  for (std::size_t i = regions_.size(); i-- > 0;) {
    const auto whole = std::span(buffers_[copy]).subspan(offsets_[i], regions_[i].size);
    for (std::size_t end = whole.size(); end > 0;) {
      const std::size_t begin = (end - 1) / kSlice * kSlice;
      pieces_.push_back({.from = regions_[i].begin + begin, .into = whole.subspan(begin, end - begin)});
      end = begin;
    }
  }
}

Result<void> StackCopies::take_first(const RemoteMemory& memory) {
  pieces_.clear();
  add_pieces(0);
  auto done = memory.read_many(pieces_, kWhat);
  if (!done) return fail(done);
  if (*done != regions_.size()) return fail(unreadable(regions_[*done]));
  return {};
}

Result<void> StackCopies::extend_first(const RemoteMemory& memory, Region region) {
  add(region);
  return memory.read(region.begin, std::span(buffers_[0]).subspan(offsets_.back(), region.size), kWhat);
}

Result<void> StackCopies::take_rest(const RemoteMemory& memory, std::span<const Piece> between) {
  for (std::size_t copy = 1; copy < kCopies; ++copy) buffers_[copy].resize(buffers_[0].size());
  std::vector<Piece>& all = all_pieces_;
  all.clear();
  looks_ = 0;
  look_bytes_.resize(kMaxLooks * (kWord + head_.size));  // pieces point into it
  append_look();
  for (std::size_t copy = 1; copy < kCopies; ++copy) {
    pieces_.clear();
    if (copy % 2 == 1) {
      add_pieces_backwards(copy);
    } else {
      add_pieces(copy);
    }
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      if (i % kPiecesPerLook == kPiecesPerLook - 1) append_look();
      all.push_back(pieces_[i]);
    }
    append_look();
    if (copy > 1 || between.empty()) continue;
    all.insert(all.end(), between.begin(), between.end());
    append_look();
  }
  auto done = memory.read_many(all, kWhat);
  if (!done) return fail(done);
  if (*done != all.size()) return fail({.kind = ErrorKind::kUnreadable, .what = kWhat, .where = all[*done].from});
  return {};
}

void StackCopies::set_head(Region thread, Address word) {
  head_ = thread;
  head_word_ = word;
}

void StackCopies::append_look() {
  if (looks_ == kMaxLooks) return;
  const auto bytes = std::span(look_bytes_).subspan(looks_++ * (kWord + head_.size), kWord + head_.size);
  all_pieces_.push_back({.from = head_.begin, .into = bytes.subspan(kWord)});
  if (!head_word_.is_null()) all_pieces_.push_back({.from = head_word_, .into = bytes.first(kWord)});
}

StackCopies::Look StackCopies::look(std::size_t number) const {
  const auto bytes = std::span(look_bytes_).subspan(number * (kWord + head_.size), kWord + head_.size);
  return {.thread = bytes.subspan(kWord), .word = head_word_.is_null() ? 0 : load<std::uint64_t>(bytes, 0)};
}

void StackCopies::index() {
  by_address_.clear();
  for (std::size_t i = 0; i < regions_.size(); ++i) by_address_.push_back(i);
  std::sort(by_address_.begin(), by_address_.end(),
            [&](std::size_t a, std::size_t b) { return regions_[a].begin < regions_[b].begin; });
}

bool StackCopies::covers(std::size_t region, Address begin, std::size_t size) const {
  const auto& [first, bytes] = regions_[region];
  return begin >= first && bytes >= size && begin.value - first.value <= bytes - size;
}

std::optional<std::size_t> StackCopies::region_of(Address begin, std::size_t size, std::size_t hint) const {
  if (hint < regions_.size() && covers(hint, begin, size)) return hint;
  if (by_address_.empty()) {
    for (std::size_t i = 0; i < regions_.size(); ++i) {
      if (covers(i, begin, size)) return i;
    }
    return std::nullopt;
  }
  // Regions may overlap, though hardly ever do: of those that begin before, the last ones are looked at.
  constexpr std::ptrdiff_t kTried = 4;
  const auto after = std::upper_bound(by_address_.begin(), by_address_.end(), begin,
                                      [&](Address at, std::size_t region) { return at < regions_[region].begin; });
  const auto first = after - std::min(kTried, after - by_address_.begin());
  for (auto region = after; region != first;) {
    if (covers(*--region, begin, size)) return *region;
  }
  return std::nullopt;
}

std::span<const std::byte> StackCopies::find(std::size_t copy, Address begin, std::size_t size, std::size_t& hint) {
  const auto region = region_of(begin, size, hint);
  if (!region) return {};
  hint = *region;
  if (copy == 0) used_[hint] = true;
  return std::span(buffers_[copy]).subspan(offsets_[hint] + (begin.value - regions_[hint].begin.value), size);
}

}  // namespace snag::python
