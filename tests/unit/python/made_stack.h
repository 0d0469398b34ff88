#pragma once

#include <algorithm>
#include <ostream>
#include <vector>

#include "readers/python/stack.h"
#include "tests/unit/python/made_memory.h"

namespace snag::test {

// A thread with a stack, in memory that is made by a version's layout: frame objects on the heap (3.8), or frames in a
// data-stack chunk behind a _PyCFrame (3.12) or not (3.13), below the frame that all stacks end with (3.15).
class MadeThread {
 public:
  static constexpr Address kThread{0x100000};
  static constexpr Address kCFrame{0x110000};
  static constexpr Address kBase{0x118000};
  static constexpr Address kBytecodes{0x180000};  // a _PyCodeArray for each code
  static constexpr Address kChunk{0x200000};
  static constexpr std::size_t kChunkBytes = 16384;
  static constexpr Address kCodes{0x400000};
  static constexpr std::size_t kCodeBytes = 512;
  static constexpr std::size_t kFrameBytes = 512;  // on the heap
  static constexpr std::size_t kChunkFrameBytes = 128;
  static constexpr std::size_t kCodeCount = 16;
  static constexpr std::size_t kBytecodesBytes = 64;

  // A frame of the stack as the target has it: at a place, of a code, at an instruction.
  struct Frame {
    unsigned place;
    unsigned code;
    std::int32_t instruction;  // bytes
    friend bool operator==(const Frame&, const Frame&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Frame& frame) {
      return out << frame.place << ": code " << frame.code << " at " << frame.instruction;
    }
  };
  using Stack = std::vector<Frame>;  // outermost first

  explicit MadeThread(python::Version version, bool free_threaded = false)
      : runtime_(runtime_of(version, {}, free_threaded)) {
    const auto& layout = runtime_.layout;
    Struct thread(layout.thread_state.size.bytes());
    if (has_cframe()) thread.put(layout.thread_state.top_frame, kCFrame.value);
    if (in_chunk()) thread.put(*layout.thread_state.datastack_chunk, kChunk.value);
    if (has_base()) {
      thread.put(*layout.thread_state.base_frame, kBase.value);
      Struct base(layout.frame.size.bytes());
      base.put(*layout.frame.owner, *runtime_.dialect.first_shim_owner);
      REQUIRE(memory_.add(kBase, base.bytes()));
    }
    REQUIRE(memory_.add(kThread, thread.bytes()));
    REQUIRE(memory_.add(kCFrame, Struct(64).bytes()));
    REQUIRE(memory_.add(kBytecodes, Struct(kCodeCount * kBytecodesBytes).bytes()));
    Struct chunk(kChunkBytes);
    chunk.put(8, std::uint64_t{kChunkBytes});  // _PyStackChunk: previous, size, top, data
    REQUIRE(memory_.add(kChunk, chunk.bytes()));
    Struct codes(kCodeBytes * kCodeCount);
    for (std::size_t i = 0; i < kCodeCount; ++i) {
      const std::size_t begin = i * kCodeBytes;
      codes.put(begin + layout.code.filename.bytes(), std::uint64_t{0x700000 + i});
      codes.put(begin + layout.code.first_line.bytes(), static_cast<std::int32_t>(i));
      const auto stack = (kChunkFrameBytes - layout.frame.locals.bytes()) / 8;
      codes.put(begin + layout.code.stack_size.bytes(), static_cast<std::int32_t>(stack));
      if (layout.code.bytecodes.has_value()) codes.put(begin + (*layout.code.bytecodes).bytes(), bytecodes(i).value);
    }
    REQUIRE(memory_.add(kCodes, codes.bytes()));
  }

  [[nodiscard]] ImageMemory& memory() { return memory_; }
  [[nodiscard]] const python::Runtime& runtime() const { return runtime_; }
  [[nodiscard]] bool in_chunk() const { return runtime_.layout.thread_state.datastack_chunk.has_value(); }

  [[nodiscard]] bool has_cframe() const { return runtime_.dialect.frame_chain == python::FrameChain::kCFrame; }
  [[nodiscard]] bool has_base() const { return runtime_.layout.thread_state.base_frame.has_value(); }
  [[nodiscard]] static Address bytecodes(std::size_t code) { return kBytecodes + code * kBytecodesBytes; }

  [[nodiscard]] Address place(unsigned number) const {
    if (in_chunk()) return kChunk + 24 + number * kChunkFrameBytes;
    return Address{0x800000} + number * kFrameBytes;
  }
  [[nodiscard]] static Address code(unsigned number) { return kCodes + number * kCodeBytes; }

  void map_heap(unsigned frames) {
    if (in_chunk()) return;
    REQUIRE(memory_.add(place(0), Struct(kFrameBytes * frames).bytes()));
    heap_frames_ = frames;
  }
  // The stack becomes this one, as the target's running would make it: all at once.
  void become(const Stack& stack) { become(memory_, stack); }
  void become(ImageMemory& memory, const Stack& stack) const {
    if (!in_chunk()) {
      for (unsigned number = 0; number < heap_frames_; ++number) put_running(memory, number, false);
    }
    Address previous = has_base() ? kBase : Address{};
    unsigned highest = 0;
    for (const auto& frame : stack) {
      put_frame(memory, frame, previous);
      if (!in_chunk()) put_running(memory, frame.place, true);
      previous = place(frame.place);
      highest = std::max(highest, frame.place + 1);
    }
    put_top(memory, previous);
    if (in_chunk()) {
      REQUIRE(memory.change_value(kThread + *runtime_.layout.thread_state.datastack_top, place(highest).value));
    }
  }
  void put_frame(ImageMemory& memory, const Frame& frame, Address previous) const {
    const auto& at = runtime_.layout.frame;
    const Address here = place(frame.place);
    REQUIRE(memory.change_value(here + at.previous, previous.value));
    // Every second reference is a borrowed one, where references are tagged.
    const std::uint64_t tag = runtime_.dialect.tagged_references ? frame.code % 2 : 0;
    REQUIRE(memory.change_value(here + at.code, code(frame.code).value | tag));
    REQUIRE(memory.change_value(here + at.globals, std::uint64_t{0x900000 + frame.code}));
    if (in_chunk()) {
      const auto first = code(frame.code) + runtime_.layout.code.instructions;
      REQUIRE(memory.change_value(here + at.instruction, first.value + static_cast<std::uint64_t>(frame.instruction)));
    } else {
      REQUIRE(memory.change_value(here + at.instruction, frame.instruction));
    }
  }
  // f_executing of a frame on the heap (3.8).
  void put_running(ImageMemory& memory, unsigned number, bool runs) const {
    REQUIRE(memory.change_value(place(number) + *runtime_.layout.frame.state, std::uint8_t{runs}));
  }
  void put_top(ImageMemory& memory, Address frame) const {
    const Address at = has_cframe() ? kCFrame + *runtime_.layout.cframe.current_frame
                                    : kThread + runtime_.layout.thread_state.top_frame;
    REQUIRE(memory.change_value(at, frame.value));
  }

  // What was read, in the same words.
  [[nodiscard]] Stack seen(const python::RawStack& raw) const {
    Stack stack;
    for (auto frame = raw.frames.rbegin(); frame != raw.frames.rend(); ++frame) {
      const std::uint64_t spread = in_chunk() ? kChunkFrameBytes : kFrameBytes;
      const auto begin = place(0).value;
      // The code object's copy must be of the code that the frame runs.
      REQUIRE(frame->identity.first_line == static_cast<std::int32_t>((frame->code.value - kCodes.value) / kCodeBytes));
      stack.push_back({.place = static_cast<unsigned>((frame->frame.value - begin) / spread),
                       .code = static_cast<unsigned>((frame->code.value - kCodes.value) / kCodeBytes),
                       .instruction = static_cast<std::int32_t>(frame->instruction)});
    }
    return stack;
  }

 private:
  ImageMemory memory_;
  python::Runtime runtime_;
  unsigned heap_frames_ = 0;
};

}  // namespace snag::test
