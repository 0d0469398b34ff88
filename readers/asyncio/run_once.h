#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "readers/base/clock.h"
#include "readers/python/code_cache.h"
#include "readers/python/stack.h"

namespace snag::asyncio {

// How to read a frame of BaseEventLoop._run_once (Lib/asyncio/base_events.py): where its fast locals lie, and in which
// part of its code a callback runs. Found from the code object itself, so that no version's order is written down here.
struct RunOnceCode {
  Address code;
  unsigned loop = 0;            // slots among the fast locals: `self`
  unsigned end_time = 0;        // time() right after select; stands still through the whole iteration
  unsigned todo = 0;            // `ntodo`: callbacks of this iteration
  unsigned index = 0;           // `i`: the callback that runs
  std::int64_t body_begin = 0;  // byte offsets of the instructions of `for i in range(ntodo):`
  std::int64_t body_end = 0;
};

// The identity of one run of one callback: no other callback of this loop ever has the same pair. Two looks that see
// the same turn saw the same callback, with no yield in between.
struct Turn {
  Nanoseconds iteration_began{};  // `end_time`, CLOCK_MONOTONIC as the target sees it
  std::int64_t index = 0;         // of the callback in its iteration; 0: it began when the iteration did
  friend bool operator==(const Turn&, const Turn&) = default;
};

// One look at a running loop.
struct Glimpse {
  enum class State : std::uint8_t {
    kGone,     // the frame is another function's now: the loop ended, or was replaced
    kWaiting,  // in select, or between callbacks
    kRunning,  // a callback runs: `turn` says which
  };
  State state = State::kGone;
  Turn turn;
  std::int64_t todo = 0;  // callbacks of this iteration, the running one and those before it included
};

// The frame in which a thread's loop runs; valid until a look says kGone.
struct LoopFrame {
  Address thread_state;
  Address interpreter;
  Address frame;
  Address loop;      // the BaseEventLoop object
  Address bytecode;  // RawFrame::bytecode
  RunOnceCode code;
};

class LoopReader {
 public:
  explicit LoopReader(python::CodeCache& codes) : codes_(&codes) {}

  // The innermost `_run_once` on a stack: of nested loops the one that turns. nullopt: no asyncio loop runs here.
  [[nodiscard]] Result<std::optional<LoopFrame>> find(Address thread_state, Address interpreter,
                                                      const python::RawStack& stack);
  // At most two system calls.
  [[nodiscard]] Result<Glimpse> look(const LoopFrame& loop) const;
  // The index in stack.frames of the loop's own frame; stack.frames.size() when it is not on the stack.
  [[nodiscard]] static std::size_t depth_of(const LoopFrame& loop, const python::RawStack& stack);

 private:
  [[nodiscard]] Result<const RunOnceCode*> analyse(const python::Function& function);
  [[nodiscard]] Result<Glimpse> read_turn(Address end_time, Address index, Address todo) const;
  [[nodiscard]] Result<std::vector<std::string>> local_names(Address code) const;

  python::CodeCache* codes_;
  std::unordered_map<std::uint32_t, RunOnceCode> analysed_;  // by Function::number
};

}  // namespace snag::asyncio
