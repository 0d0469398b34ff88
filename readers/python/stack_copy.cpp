#include "readers/python/stack_copy.h"

#include <algorithm>
#include <numeric>

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
  by_address_.resize(regions_.size());
  std::iota(by_address_.begin(), by_address_.end(), std::size_t{0});
  std::sort(by_address_.begin(), by_address_.end(),
            [&](std::size_t left, std::size_t right) { return regions_[left].begin < regions_[right].begin; });
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

bool StackCopies::covers(std::size_t region, Address begin, std::size_t size) const {
  const auto& [from, bytes] = regions_[region];
  return begin >= from && bytes >= size && begin.value - from.value <= bytes - size;
}

std::span<const std::byte> StackCopies::find(std::size_t copy, Address begin, std::size_t size, std::size_t& hint) {
  const auto take = [&](std::size_t region) {
    hint = region;
    if (copy == 0) used_[region] = true;
    return std::span<const std::byte>(buffers_[copy])
        .subspan(offsets_[region] + (begin.value - regions_[region].begin.value), size);
  };
  for (const std::size_t region : {hint, hint + 1}) {
    if (region < regions_.size() && covers(region, begin, size)) return take(region);
  }
  const auto behind =
      std::upper_bound(by_address_.begin(), by_address_.end(), begin,
                       [&](Address wanted, std::size_t region) { return wanted < regions_[region].begin; });
  if (behind != by_address_.begin() && covers(*std::prev(behind), begin, size)) return take(*std::prev(behind));
  // What was read singly since: the last of them, which the caller has just asked for.
  if (!regions_.empty() && covers(regions_.size() - 1, begin, size)) return take(regions_.size() - 1);
  return {};
}

}  // namespace snag::python
