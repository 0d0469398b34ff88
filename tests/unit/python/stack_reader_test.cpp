// Stacks read from memory that changes while it is read.

#include "readers/python/stack_reader.h"

#include <algorithm>

#include "tests/unit/python/made_stack.h"

namespace snag::python {
namespace {

using test::MadeThread;
using test::Struct;
using Stack = MadeThread::Stack;

constexpr Version kFrameObjects{3, 8};
constexpr Version kDataStack{3, 12};

Instant standing_clock() { return {}; }

// Each look takes a millisecond longer than the one before.
Instant interrupted_clock() {
  static Nanoseconds step{};
  static Instant now{};
  step += std::chrono::milliseconds(1);
  return now += step;
}

constexpr std::size_t kPlaces = 8;
const Stack kX{{0, 1, 10}, {1, 2, 20}, {2, 3, 30}, {3, 4, 40}};
// From the second frame on other calls, at the same places.
const Stack kY{{0, 1, 12}, {1, 5, 50}, {2, 6, 60}};
// The same, deeper than the first; on the heap at places of its own, in a chunk one behind the other.
Stack deeper(Version version) {
  const unsigned first = version == kDataStack ? 1 : 4;
  return {{0, 1, 14}, {first, 7, 70}, {first + 1, 8, 80}, {first + 2, 9, 90}, {first + 3, 10, 100}};
}

struct Read {
  Result<void> outcome;
  bool whole;
  Stack stack;
};

Read read(MadeThread& thread, StackReader& reader, ThreadCursor& cursor) {
  RawStack raw;
  auto outcome = reader.read(cursor, raw);
  return {.outcome = outcome, .whole = raw.whole, .stack = thread.seen(raw)};
}

Read read(MadeThread& thread) {
  StackReader reader(thread.memory(), thread.runtime(), &standing_clock);
  ThreadCursor cursor(MadeThread::kThread);
  return read(thread, reader, cursor);
}

TEST_CASE("a stack at rest is read whole, first and again") {
  for (const Version version : {kFrameObjects, kDataStack}) {
    CAPTURE(int{version.minor});
    MadeThread thread(version);
    thread.map_heap(kPlaces);
    thread.become(kX);
    StackReader reader(thread.memory(), thread.runtime(), &standing_clock);
    ThreadCursor cursor(MadeThread::kThread);
    for (int i = 0; i < 3; ++i) {
      const auto got = read(thread, reader, cursor);
      CHECK(got.outcome);
      CHECK(got.whole);
      CHECK(got.stack == kX);
    }
  }
}

TEST_CASE("a stack that has changed since the last read is read as it is now") {
  for (const Version version : {kFrameObjects, kDataStack}) {
    CAPTURE(int{version.minor});
    MadeThread thread(version);
    thread.map_heap(kPlaces);
    StackReader reader(thread.memory(), thread.runtime(), &standing_clock);
    ThreadCursor cursor(MadeThread::kThread);
    for (const Stack& stack : {kX, deeper(version), kY, deeper(version), kX}) {
      thread.become(stack);
      const auto got = read(thread, reader, cursor);
      CHECK(got.whole);
      CHECK(got.stack == stack);
    }
  }
}

TEST_CASE("a thread without Python frames has an empty whole stack") {
  MadeThread thread(kFrameObjects);
  const auto got = read(thread);
  CHECK(got.outcome);
  CHECK(got.whole);
  CHECK(got.stack.empty());
}

// A frame of its own lies on the C stack, between two on the data stack.
constexpr Address kShim{0x120000};

void put_shim_before_innermost(MadeThread& thread) {
  const auto& at = thread.runtime().layout.frame;
  Struct shim(128);
  shim.put(at.previous, thread.place(1).value).put(*at.owner, *thread.runtime().dialect.first_shim_owner);
  REQUIRE(thread.memory().add(kShim, shim.bytes()));
  REQUIRE(thread.memory().change_value(thread.place(2) + at.previous, kShim.value));
}

TEST_CASE("the interpreter's own frames are followed and not shown") {
  MadeThread thread(kDataStack);
  const Stack stack{kX[0], kX[1], kX[2]};
  thread.become(stack);
  put_shim_before_innermost(thread);
  const auto got = read(thread);
  CHECK(got.whole);
  CHECK(got.stack == stack);
}

TEST_CASE("a frame that does not begin where its caller's ends is a leftover") {
  MadeThread thread(kDataStack);
  thread.become({kX[0], kX[1], {4, 3, 30}});  // there is room for two between them
  const auto got = read(thread);
  CHECK_FALSE(got.whole);
  CHECK(got.stack == Stack{kX[0], kX[1]});
}

TEST_CASE("a frame beyond the end of the data stack is a leftover") {
  MadeThread thread(kDataStack);
  thread.become(kX);
  const auto top = *thread.runtime().layout.thread_state.datastack_top;
  REQUIRE(thread.memory().change_value(MadeThread::kThread + top, thread.place(3).value));
  const auto got = read(thread);
  CHECK_FALSE(got.whole);
  CHECK(got.stack == Stack{kX[0], kX[1], kX[2]});
}

TEST_CASE("a frame on the heap that does not run, and that nothing leads to, is a leftover") {
  MadeThread thread(kFrameObjects);
  thread.map_heap(kPlaces);
  thread.become(kX);
  thread.put_running(thread.memory(), kX[2].place, false);
  const auto got = read(thread);
  CHECK_FALSE(got.whole);
  CHECK(got.stack == Stack{kX[0], kX[1]});
}

TEST_CASE("the stacks of every version and build from 3.13 on are read") {
  for (const std::uint8_t minor : {std::uint8_t{13}, std::uint8_t{14}, std::uint8_t{15}}) {
    for (const bool free_threaded : {false, true}) {
      CAPTURE(int{minor}, free_threaded);
      MadeThread thread({.major = 3, .minor = minor}, free_threaded);
      const Stack stack{kX[0], kX[1], kX[2]};
      thread.become(stack);
      const auto got = read(thread);
      CHECK(got.outcome);
      CHECK(got.whole);
      CHECK(got.stack == stack);
    }
  }
}

TEST_CASE("a stack that does not end with the thread's base frame is torn") {
  MadeThread thread({.major = 3, .minor = 15});
  thread.become({kX[0], kX[1]});
  REQUIRE(thread.memory().change_value(thread.place(0) + thread.runtime().layout.frame.previous, std::uint64_t{0}));
  const auto got = read(thread);
  CHECK_FALSE(got.outcome);
  CHECK(got.stack.empty());
}

// Lets a frame run the copy of its code's instructions that has an index.
constexpr Address kCopy{0xA00000};

void run_copy(MadeThread& thread, const MadeThread::Frame& frame, std::int32_t index, std::uint64_t count) {
  const auto& layout = thread.runtime().layout;
  auto& memory = thread.memory();
  const Address array = MadeThread::bytecodes(frame.code);
  REQUIRE(memory.change_value(array + *layout.bytecodes.count, count));
  REQUIRE(memory.change_value(array + *layout.bytecodes.entries + 2 * sizeof(std::uint64_t), kCopy.value));
  REQUIRE(memory.change_value(thread.place(frame.place) + *layout.frame.bytecode_index, index));
  REQUIRE(memory.change_value(thread.place(frame.place) + layout.frame.instruction,
                              kCopy.value + static_cast<std::uint64_t>(frame.instruction)));
}

TEST_CASE("a frame that runs a copy of its code is where it is in that copy") {
  for (const std::uint8_t minor : {std::uint8_t{14}, std::uint8_t{15}}) {
    CAPTURE(int{minor});
    MadeThread thread({.major = 3, .minor = minor}, true);
    const Stack stack{kX[0], kX[1], kX[2]};
    thread.become(stack);
    run_copy(thread, kX[1], 2, 3);
    StackReader reader(thread.memory(), thread.runtime(), &standing_clock);
    ThreadCursor cursor(MadeThread::kThread);
    python::RawStack raw;
    REQUIRE(reader.read(cursor, raw));
    CHECK(raw.whole);
    CHECK(thread.seen(raw) == stack);
    CHECK(raw.frames.at(1).bytecode == kCopy);
    CHECK(raw.frames.at(0).bytecode == MadeThread::code(kX[2].code) + thread.runtime().layout.code.instructions);
  }
}

TEST_CASE("an index beyond the copies that there are is no position") {
  for (const std::int32_t index : {3, -1, INT32_MAX, INT32_MIN}) {
    CAPTURE(index);
    MadeThread thread({.major = 3, .minor = 14}, true);
    thread.become({kX[0], kX[1], kX[2]});
    run_copy(thread, kX[1], index, 3);
    const auto got = read(thread);
    CHECK_FALSE(got.outcome);
    CHECK(got.stack.empty());
  }
}

// An outermost part of one of the stacks, as each of them was at some instant of the read.
bool is_part_of(const Stack& part, const Stack& stack) {
  return part.size() <= stack.size() && std::equal(part.begin(), part.end(), stack.begin());
}

struct Tally {
  int whole = 0;
  int partial = 0;
  int failed = 0;
};

// What comes out while the target was first `a` and then `b`, and possibly `a` again: one of them, a marked part of one
// of them, or a failure.
void judge(const Read& got, const Stack& a, const Stack& b, Tally& tally) {
  if (!got.outcome) {
    ++tally.failed;
    CHECK(got.stack.empty());
  } else if (got.whole) {
    ++tally.whole;
    CHECK((got.stack == a || got.stack == b));
  } else {
    ++tally.partial;
    CHECK((is_part_of(got.stack, a) || is_part_of(got.stack, b)));
  }
}

// How many reads a read of that stack takes.
std::size_t reads_of(Version version, const Stack& stack) {
  MadeThread thread(version);
  thread.map_heap(kPlaces);
  thread.become(stack);
  REQUIRE(read(thread).whole);
  return thread.memory().reads();
}

void switch_at_every_read(Version version, const Stack& before, const Stack& after) {
  Tally tally;
  const std::size_t last = reads_of(version, before);
  for (std::size_t n = 1; n <= last; ++n) {
    CAPTURE(int{version.minor}, n);
    MadeThread thread(version);
    thread.map_heap(kPlaces);
    thread.become(before);
    thread.memory().before_read(n, [&](ImageMemory& memory) { thread.become(memory, after); });
    judge(read(thread), before, after, tally);
    CHECK(thread.memory().faults_not_hit().empty());
  }
  // The target moves once: of three attempts the next one is not disturbed.
  CHECK(tally.whole == static_cast<int>(last));
}

TEST_CASE("a stack that changes once, at whatever read, never comes out as a mixture") {
  for (const Version version : {kFrameObjects, kDataStack}) {
    switch_at_every_read(version, kX, kY);
    switch_at_every_read(version, kY, kX);
    switch_at_every_read(version, kX, deeper(version));
    switch_at_every_read(version, deeper(version), kX);
  }
}

// Forth at read n and back at read m, for all n < m.
void switch_forth_and_back(Version version, const Stack& before, const Stack& between) {
  const std::size_t last = reads_of(version, before) + 4;
  Tally tally;
  for (std::size_t n = 1; n <= last; ++n) {
    for (std::size_t m = n + 1; m <= last; ++m) {
      CAPTURE(int{version.minor}, n, m);
      MadeThread thread(version);
      thread.map_heap(kPlaces);
      thread.become(before);
      thread.memory().before_read(n, [&](ImageMemory& memory) { thread.become(memory, between); });
      thread.memory().before_read(m, [&](ImageMemory& memory) { thread.become(memory, before); });
      judge(read(thread), before, between, tally);
    }
  }
  CHECK(tally.whole > 0);
}

TEST_CASE("a stack that changes and changes back, at whatever reads, never comes out as a mixture") {
  for (const Version version : {kFrameObjects, kDataStack}) {
    switch_forth_and_back(version, kX, kY);
    switch_forth_and_back(version, kX, deeper(version));
  }
}

TEST_CASE("a stack that never holds still is partial or lost, and says so") {
  for (const Version version : {kFrameObjects, kDataStack}) {
    const Stack z = deeper(version);
    Tally tally;
    for (std::size_t period = 12; period < 60; ++period) {
      CAPTURE(int{version.minor}, period);
      MadeThread thread(version);
      thread.map_heap(kPlaces);
      thread.become(kX);
      bool at_x = true;
      thread.memory().before_every_read([&](ImageMemory& memory, std::size_t number, Address) {
        if (number % period != 0) return;
        at_x = !at_x;
        thread.become(memory, at_x ? kX : z);
      });
      judge(read(thread), kX, z, tally);
    }
    CHECK(tally.partial + tally.failed > 0);
  }
}

TEST_CASE("the stable frames below a call that comes and goes are kept, and marked") {
  MadeThread thread(kFrameObjects);
  thread.map_heap(kPlaces);
  Stack called = kX;
  called.push_back({4, 5, 50});
  thread.become(called);
  bool is_called = true;
  // At each look at the top of the stack the innermost call has come or gone.
  const Address top = MadeThread::kThread + thread.runtime().layout.thread_state.top_frame;
  thread.memory().before_every_read([&](ImageMemory& memory, std::size_t, Address from) {
    if (from != top) return;
    is_called = !is_called;
    thread.become(memory, is_called ? called : kX);
  });
  const auto got = read(thread);
  REQUIRE(got.outcome);
  CHECK_FALSE(got.whole);
  CHECK(got.stack == kX);
}

TEST_CASE("a read that was interrupted proves nothing") {
  MadeThread thread(kFrameObjects);
  thread.map_heap(kPlaces);
  thread.become(kX);
  StackReader reader(thread.memory(), thread.runtime(), &interrupted_clock);
  ThreadCursor cursor(MadeThread::kThread);
  // The first read is the only measure of what is fast; from then on each is slower by far than the fastest.
  REQUIRE(read(thread, reader, cursor).whole);
  int refused = 0;
  for (int i = 0; i < 8; ++i) {
    const auto got = read(thread, reader, cursor);
    if (!got.outcome) ++refused;
  }
  CHECK(refused >= 3);
}

TEST_CASE("frames that call each other in a cycle end at the bound") {
  for (const Version version : {kFrameObjects, kDataStack}) {
    CAPTURE(int{version.minor});
    MadeThread thread(version);
    thread.map_heap(kPlaces);
    thread.become(kX);
    thread.put_frame(thread.memory(), kX[0], thread.place(kX[2].place));
    const auto got = read(thread);
    REQUIRE_FALSE(got.outcome);
    CHECK(got.outcome.error().kind == ErrorKind::kOutOfBounds);
  }
}

TEST_CASE("a frame that called itself is inconsistent") {
  for (const Version version : {kFrameObjects, kDataStack}) {
    MadeThread thread(version);
    thread.map_heap(kPlaces);
    thread.become(kX);
    thread.put_frame(thread.memory(), kX[1], thread.place(kX[1].place));
    const auto got = read(thread);
    REQUIRE_FALSE(got.outcome);
    CHECK(got.outcome.error().kind == ErrorKind::kInconsistent);
  }
}

TEST_CASE("a frame that is not mapped loses the stack") {
  for (const Version version : {kFrameObjects, kDataStack}) {
    CAPTURE(int{version.minor});
    MadeThread thread(version);
    thread.map_heap(kPlaces);
    thread.become(kX);
    thread.put_frame(thread.memory(), kX[0], Address{0xDEAD0000});
    const auto got = read(thread);
    REQUIRE_FALSE(got.outcome);
    CHECK(got.outcome.error().kind == ErrorKind::kUnreadable);
    CHECK(got.stack.empty());
  }
}

TEST_CASE("a place of the last read that is gone is looked for afresh") {
  MadeThread thread(kFrameObjects);
  thread.map_heap(kPlaces);
  thread.become(deeper(kFrameObjects));
  StackReader reader(thread.memory(), thread.runtime(), &standing_clock);
  ThreadCursor cursor(MadeThread::kThread);
  REQUIRE(read(thread, reader, cursor).whole);
  thread.become(kX);
  thread.memory().unmap(thread.place(7), 64);
  const auto got = read(thread, reader, cursor);
  CHECK(got.whole);
  CHECK(got.stack == kX);
  CHECK(thread.memory().faults_not_hit().empty());
}

TEST_CASE("a thread state that is not mapped, or anywhere, is unreadable") {
  MadeThread thread(kDataStack);
  StackReader reader(thread.memory(), thread.runtime(), &standing_clock);
  RawStack raw;
  for (const Address address : {Address{}, Address{0xDEAD0000}, Address{~std::uint64_t{0} - 8}}) {
    ThreadCursor cursor(address);
    CHECK(reader.read(cursor, raw).error().kind == ErrorKind::kUnreadable);
  }
}

TEST_CASE("a chunk of a hostile size is refused before it is copied") {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    CAPTURE(size);
    MadeThread thread(kDataStack);
    thread.become(kX);
    REQUIRE(thread.memory().change_value(MadeThread::kChunk + 8, size));
    const auto got = read(thread);
    REQUIRE_FALSE(got.outcome);
    CHECK(got.outcome.error().kind == ErrorKind::kInconsistent);
  }
}

TEST_CASE("a top of the data stack outside its chunk is refused") {
  for (const std::uint64_t top : {std::uint64_t{0}, MadeThread::kChunk.value, ~std::uint64_t{0}}) {
    CAPTURE(top);
    MadeThread thread(kDataStack);
    thread.become(kX);
    REQUIRE(
        thread.memory().change_value(MadeThread::kThread + *thread.runtime().layout.thread_state.datastack_top, top));
    CHECK(read(thread).outcome.error().kind == ErrorKind::kInconsistent);
  }
}

TEST_CASE("chunks that follow each other in a cycle end at the bound") {
  MadeThread thread(kDataStack);
  thread.become(kX);
  REQUIRE(thread.memory().change_value(MadeThread::kChunk, MadeThread::kChunk.value));
  const auto got = read(thread);
  REQUIRE_FALSE(got.outcome);
  CHECK(got.outcome.error().kind == ErrorKind::kOutOfBounds);
}

TEST_CASE("a _PyCFrame without a frame that is not the thread's own is a stack in the making") {
  MadeThread thread(kDataStack);
  thread.become(kX);
  thread.put_top(thread.memory(), {});
  CHECK(read(thread).outcome.error().kind == ErrorKind::kInconsistent);
}

}  // namespace
}  // namespace snag::python
