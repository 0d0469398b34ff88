#pragma once

#include <array>
#include <span>
#include <vector>

#include "readers/process/remote_memory.h"

namespace snag::python {

// A part of the target's memory that belongs to a stack: a stretch of a data-stack chunk, or one frame on the heap.
struct Region {
  Address begin;
  std::size_t size;  // bytes
};

// Several copies of the same regions, taken one after another. A stack that reads the same in all of them was not torn
// by a target that ran meanwhile. Nothing is allocated once the buffers have grown to the stack's size.
class StackCopies {
 public:
  static constexpr std::size_t kCopies = 3;

  void clear();
  void add(Region region);
  // The words that lead to the innermost frame: they are read again and again among the pieces of the later copies, so
  // that a stack which is left and built up again meanwhile is found out. The second may be null.
  void set_heads(Address first, Address second);
  [[nodiscard]] std::span<const Region> regions() const { return regions_; }

  // Fills the first copy. kUnreadable when a region is not mapped (any more).
  [[nodiscard]] Result<void> take_first(const RemoteMemory& memory);
  // Reads one more region and adds it to the first copy.
  [[nodiscard]] Result<void> extend_first(const RemoteMemory& memory, Region region);
  // Fills the other copies, in one system call, with the `between` pieces read in the middle: they hold the copies
  // apart in time, so that a target that moves in step with one copy does not move in step with the next. The second
  // copy is taken backwards: a reader that goes from the innermost frame outwards while the target returns just as fast
  // meets each frame at its return, and so a stack of frames that never were there together; against the order it does
  // not.
  [[nodiscard]] Result<void> take_rest(const RemoteMemory& memory, std::span<const Piece> between);
  // Of the last take_rest().
  [[nodiscard]] std::size_t piece_count() const { return all_pieces_.size(); }
  // What set_heads() named, as it was while a copy was taken; in the order of time.
  struct Heads {
    std::size_t copy;
    std::array<std::uint64_t, 2> words;
  };
  [[nodiscard]] std::span<const Heads> heads() const { return heads_; }

  // Whether find() took something of the first copy from that region since it was added.
  [[nodiscard]] bool was_used(std::size_t region) const { return used_[region]; }

  // The bytes of [begin, begin + size) in a copy; empty when no region covers them. `hint` is the region to look at
  // first and is moved along: frames lie in the order in which they are walked.
  [[nodiscard]] std::span<const std::byte> find(std::size_t copy, Address begin, std::size_t size, std::size_t& hint);

 private:
  // Appends the pieces of a copy to pieces_.
  void add_pieces(std::size_t copy);
  void add_pieces_backwards(std::size_t copy);
  void append_heads(std::size_t copy);

  std::vector<Region> regions_;
  std::vector<std::size_t> offsets_;  // of each region in every buffer
  std::vector<bool> used_;
  std::array<std::vector<std::byte>, kCopies> buffers_;
  std::array<Address, 2> head_addresses_;
  std::vector<Heads> heads_;
  std::vector<Piece> pieces_;
  std::vector<Piece> all_pieces_;
};

}  // namespace snag::python
