#pragma once

#include <optional>
#include <vector>

#include "readers/base/clock.h"
#include "readers/python/runtime.h"
#include "readers/python/stack.h"
#include "readers/python/stack_copy.h"

namespace snag::python {

// Frames of one stack that are followed: a deeper stack is lost ("out of bounds"), and a cycle ends here.
// sys.setrecursionlimit is rarely set beyond it: a stack of C gives out sooner.
inline constexpr std::size_t kMaxFrames = 20000;

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
  DataStack data_stack_;
};

// Reads Python stacks while the target runs.
//
// Copy while racing, interpret the copy: one scattered read takes the thread state and the parts of the stack that the
// cursor predicts; what the prediction missed is read singly; then a second scattered read takes everything some times
// more, with the code objects between. Frames are kept, from the outermost inwards, as long as all copies agree in the
// frame's place, caller and code and in the instruction of each caller (the innermost frame may have moved on within
// itself), and as long as the frame is proved to have been alive: a frame that was popped leaves its bytes behind. A
// stack is whole when all its frames are kept and each look at the thread's head led to the innermost one; a stack that
// is not whole has just the frames kept.
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
    bool shim;                        // the interpreter's own, no Python function
    bool running;                     // by the frame's own state; true where it has none
    std::size_t region = 0;           // of the copies, that it lies in
    std::size_t size = 0;             // bytes of the frame, by its code; 0 on the heap
    Address bytecodes;                // the copies of its code's instructions, and
    std::int32_t bytecode_index = 0;  // which of them it runs; 0: the code's own
  };
  // What the copies say of a frame that the first one has.
  enum class Agreement : std::uint8_t { kNone, kButInstruction, kFull };
  // What proves that a frame was alive while it was copied.
  enum class Life : std::uint8_t { kNone, kIfItsCalleeLives, kProved };

  [[nodiscard]] Result<void> attempt(ThreadCursor& cursor, RawStack& stack);
  [[nodiscard]] Result<void> take_first_copy(ThreadCursor& cursor);
  [[nodiscard]] Result<void> survey_chunks(ThreadCursor& cursor);
  // The current data-stack chunk and its top, from a copy of the thread state's part.
  [[nodiscard]] std::pair<Address, Address> chunk_and_top(std::span<const std::byte> thread) const;
  [[nodiscard]] Result<Address> top_frame(ThreadCursor& cursor);
  // Follows the frames of the first copy from one outwards; what it lacks is read.
  [[nodiscard]] Result<void> walk(Address frame);
  // Whether the outermost frame is the one that all stacks of the thread end with, where the version has such a frame.
  [[nodiscard]] bool reaches_base(const ThreadCursor& cursor);
  [[nodiscard]] Result<Link> parse_frame(Address frame, std::span<const std::byte> bytes) const;
  [[nodiscard]] Result<void> take_rest(const ThreadCursor& cursor);
  void plan_code_pieces();
  void take_identities();
  // For frames that run a copy of their code's instructions: where that copy lies.
  [[nodiscard]] Result<void> find_bytecodes();
  void remember(ThreadCursor& cursor);
  void remember_frames(ThreadCursor& cursor);

  void compare(ThreadCursor& cursor, RawStack& stack);
  // Whether each look led to the first copy's innermost frame.
  [[nodiscard]] bool top_stood() const;
  // Where the data stack ended when it was shortest; nullopt: there is none, or a look led to a chunk not known.
  [[nodiscard]] std::optional<DataStack::Place> lowest_end(DataStack& data_stack) const;
  [[nodiscard]] Agreement agreement(const Link& link);
  // Of frames from the outermost inwards; `filled` is where those on the data stack end so far. `at_the_top`: each look
  // led to this frame.
  [[nodiscard]] Life life(const Link& link, bool at_the_top, const DataStack& data_stack,
                          std::optional<DataStack::Place>& filled) const;

  const RemoteMemory* memory_;
  const Runtime* runtime_;
  Clock clock_;
  Nanoseconds best_pace_ = Nanoseconds::max() / 2;  // a piece
  // The part of each struct that is copied, in bytes from its beginning.
  std::size_t frame_begin_, frame_size_;
  std::size_t thread_begin_, thread_size_;
  std::size_t code_begin_, code_size_;

  StackCopies copies_;
  std::vector<Link> chain_;  // of the first copy, innermost first
  Address cframe_;           // of the attempt; null where the version has none
  std::optional<DataStack::Place> lowest_end_;
  std::vector<Region> chunks_;  // the used parts, for a survey
  std::vector<Address> sorted_frames_;
  std::vector<Address> codes_;  // of the chain, ascending, each once
  std::vector<std::byte> code_copies_;
  std::vector<Piece> code_pieces_;
};

}  // namespace snag::python
