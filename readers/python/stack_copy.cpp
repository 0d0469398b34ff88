#include "readers/python/stack_copy.h"

namespace snag::python {
namespace {

constexpr const char* kWhat = "stack region";
// Pieces between two looks at the heads: some 2 µs, in which a chain of calls can hardly be left and built up again.
constexpr std::size_t kPiecesPerHead = 8;
// Looks at the heads in one sample: enough for 2,000 frames on the heap; a deeper stack has its end less well watched.
constexpr std::size_t kMaxHeads = 512;

Error unreadable(const Region& region) {
  return {.kind = ErrorKind::kUnreadable, .what = kWhat, .where = region.begin, .wanted = region.size};
}

}  // namespace

void StackCopies::clear() {
  regions_.clear();
  offsets_.clear();
  used_.clear();
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
  heads_.clear();
  heads_.reserve(kMaxHeads);  // pieces point into it
  const auto take = [&](std::size_t copy) {
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      all.push_back(pieces_[i]);
      if ((i + 1) % kPiecesPerHead == 0) append_heads(copy);
    }
  };
  // The heads are part of the copies: of the second at its end, of the third at its begin. The other ends want a look.
  append_heads(1);
  pieces_.clear();
  add_pieces_backwards(1);
  take(1);
  all.insert(all.end(), between.begin(), between.end());
  pieces_.clear();
  add_pieces(2);
  take(2);
  append_heads(2);
  auto done = memory.read_many(all, kWhat);
  if (!done) return fail(done);
  if (*done != all.size()) return fail({.kind = ErrorKind::kUnreadable, .what = kWhat, .where = all[*done].from});
  return {};
}

void StackCopies::append_heads(std::size_t copy) {
  if (heads_.size() == kMaxHeads) return;
  auto& heads = heads_.emplace_back(Heads{.copy = copy, .words = {}});
  for (std::size_t i = 0; i < head_addresses_.size(); ++i) {
    if (head_addresses_.at(i).is_null()) continue;
    all_pieces_.push_back(
        {.from = head_addresses_.at(i), .into = std::as_writable_bytes(std::span(heads.words).subspan(i, 1))});
  }
}

void StackCopies::set_heads(Address first, Address second) { head_addresses_ = {first, second}; }

std::span<const std::byte> StackCopies::find(std::size_t copy, Address begin, std::size_t size, std::size_t& hint) {
  for (std::size_t tried = 0; tried < regions_.size(); ++tried) {
    const std::size_t i = (hint + tried) % regions_.size();
    const auto& region = regions_[i];
    if (begin < region.begin || region.size < size) continue;
    const std::uint64_t inside = begin.value - region.begin.value;
    if (inside > region.size - size) continue;
    hint = i;
    if (copy == 0) used_[i] = true;
    return std::span(buffers_[copy]).subspan(offsets_[i] + inside, size);
  }
  return {};
}

}  // namespace snag::python
