#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "readers/process/remote_memory.h"
#include "readers/python/data_stack.h"

namespace snag::python {

// Several copies of the same regions, taken one after another. A stack that reads the same in all of them was not torn
// by a target that ran meanwhile. Nothing is allocated once the buffers have grown to the stack's size.
class StackCopies {
 public:
  // A target that changes its stack at about the pace of the reads may be met in the middle of a change, and again at
  // the same one, once in some thousand reads: by one copy more or less likely than by the one before. The bound on
  // that is a power, and this its exponent; each costs a microsecond.
  static constexpr std::size_t kCopies = 6;

  void clear();
  void add(Region region);
  // What leads to the innermost frame and tells where the stack ends: a part of the thread state, and a word that may
  // be null. It is looked at again and again among the pieces of the later copies, so that a stack which is left and
  // built up again meanwhile is found out.
  void set_head(Region thread, Address word);
  [[nodiscard]] std::span<const Region> regions() const { return regions_; }

  // Fills the first copy. kUnreadable when a region is not mapped (any more).
  [[nodiscard]] Result<void> take_first(const RemoteMemory& memory);
  // Reads one more region and adds it to the first copy.
  [[nodiscard]] Result<void> extend_first(const RemoteMemory& memory, Region region);
  // Fills the other copies, in one system call, with the `between` pieces read after the first of them: so each of
  // those is read between two copies, and the copies are held apart in time. Every second copy is taken backwards: a
  // reader that goes from the innermost frame outwards while the target returns just as fast meets each frame at its
  // return, and so a stack of frames that never were there together; against the order it does not.
  [[nodiscard]] Result<void> take_rest(const RemoteMemory& memory, std::span<const Piece> between);
  // Of the last take_rest().
  [[nodiscard]] std::size_t piece_count() const { return all_pieces_.size(); }
  // What set_head() named, as it was at an instant of the last take_rest().
  struct Look {
    std::span<const std::byte> thread;
    std::uint64_t word;  // 0 where none was named
  };
  [[nodiscard]] std::size_t look_count() const { return looks_; }
  [[nodiscard]] Look look(std::size_t number) const;

  // From here on find() looks among the regions there are now in the order of their addresses; those added later it
  // finds by the hint alone. For stacks of thousands of frames on the heap, each a region of its own.
  void index();

  // Whether find() took something of the first copy from that region since it was added.
  [[nodiscard]] bool was_used(std::size_t region) const { return used_[region]; }

  // The bytes of [begin, begin + size) in a copy; empty when no region covers them. `hint` is the region to look at
  // first and is moved along: frames lie in the order in which they are walked.
  [[nodiscard]] std::span<const std::byte> find(std::size_t copy, Address begin, std::size_t size, std::size_t& hint);

 private:
  [[nodiscard]] std::optional<std::size_t> region_of(Address begin, std::size_t size, std::size_t hint) const;
  [[nodiscard]] bool covers(std::size_t region, Address begin, std::size_t size) const;
  // Appends the pieces of a copy to pieces_.
  void add_pieces(std::size_t copy);
  void add_pieces_backwards(std::size_t copy);
  void append_look();

  std::vector<Region> regions_;
  std::vector<std::size_t> offsets_;  // of each region in every buffer
  std::vector<bool> used_;
  std::vector<std::size_t> by_address_;  // regions, by their begin; empty: not indexed
  std::array<std::vector<std::byte>, kCopies> buffers_;
  Region head_{.begin = {}, .size = 0};
  Address head_word_;
  std::vector<std::byte> look_bytes_;  // of each look the word, then the part of the thread state
  std::size_t looks_ = 0;
  std::vector<Piece> pieces_;
  std::vector<Piece> all_pieces_;
};

}  // namespace snag::python
