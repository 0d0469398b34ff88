#pragma once

#include <optional>
#include <vector>

#include "readers/base/clock.h"
#include "readers/python/runtime.h"
#include "readers/python/stack.h"
#include "readers/python/stack_copy.h"

namespace snag::python {

// Frames of one stack that are followed; sys.setrecursionlimit is rarely set beyond it, and a cycle ends here.
inline constexpr std::size_t kMaxFrames = 20000;
// Data-stack chunks of one thread: 16 KiB each at first, so that kMaxFrames small frames fit.
inline constexpr std::size_t kMaxChunks = 1024;
// Bytes of one data-stack chunk that are copied at most.
inline constexpr std::size_t kMaxChunkBytes = 4U << 20U;

// Where a thread's stack lay when it was read last: the next read asks for the same places first. It is a guess, and
// nothing of it is believed.
class ThreadCursor {
 public:
  explicit ThreadCursor(Address thread_state) : thread_state_(thread_state) {}
  [[nodiscard]] Address thread_state() const { return thread_state_; }

 private:
  friend class StackReader;
  Address thread_state_;
  Address cframe_;
  std::vector<Region> regions_;
};

// Reads Python stacks while the target runs.
//
// Copy while racing, interpret the copy: one scattered read takes the thread state and the parts of the stack that the
// cursor predicts; what the prediction missed is read singly; then a second scattered read takes everything twice more,
// with the code objects between. A stack is whole when all three copies agree in every frame's place and code, and in
// the instruction of each caller (the innermost frame may have moved on within itself). Where they differ, the frames
// below the first difference are the stable part: a stack that is not whole has just those.
//
// Copies that took long prove nothing: we were preempted between two pieces, and the target may have gone round to the
// same place meanwhile. What is long is measured against the fastest reads of the same reader; such an attempt is
// thrown away.
class StackReader {
 public:
  StackReader(const RemoteMemory& memory, const Runtime& runtime, Clock clock);

  // Fails with kUnreadable, kInconsistent or kOutOfBounds when not even the outermost frames held still; a thread
  // without Python frames gives an empty whole stack.
  [[nodiscard]] Result<void> read(ThreadCursor& cursor, RawStack& stack);

 private:
  // A frame as it lies in one copy.
  struct Link {
    RawFrame raw;
    Address previous;
    bool shim;  // the interpreter's own, no Python function
  };
  using Chain = std::vector<Link>;

  [[nodiscard]] Result<void> attempt(ThreadCursor& cursor, RawStack& stack);
  [[nodiscard]] Result<void> take_first_copy(ThreadCursor& cursor);
  [[nodiscard]] Result<void> survey_chunks(const ThreadCursor& cursor);
  [[nodiscard]] Result<Address> top_frame(std::size_t copy, ThreadCursor& cursor, bool may_read);
  // Follows the frames from one inwards; only of the first copy may more be read.
  [[nodiscard]] Result<void> walk(std::size_t copy, Address frame, Chain& chain);
  [[nodiscard]] Result<Link> parse_frame(Address frame, std::span<const std::byte> bytes) const;
  [[nodiscard]] Result<void> take_rest(const ThreadCursor& cursor);
  [[nodiscard]] std::optional<std::size_t> stable_under_heads(std::size_t stable);
  void plan_code_pieces();
  void take_identities();
  void remember(ThreadCursor& cursor) const;
  void compare(RawStack& stack);
  [[nodiscard]] std::size_t stable_frames() const;

  const RemoteMemory* memory_;
  const Runtime* runtime_;
  Clock clock_;
  Nanoseconds best_pace_ = Nanoseconds::max() / 2;  // a piece
  // The part of each struct that is copied, in bytes from its beginning.
  std::size_t frame_begin_, frame_size_;
  std::size_t thread_begin_, thread_size_;
  std::size_t code_begin_, code_size_;

  StackCopies copies_;
  std::array<Chain, StackCopies::kCopies> chains_;
  Chain head_chain_;
  Address cframe_;              // of the attempt; null where the version has none
  std::vector<Address> codes_;  // of the first chain, ascending, each once
  std::vector<std::byte> code_copies_;
  std::vector<Piece> code_pieces_;
};

}  // namespace snag::python
