#include "readers/python/thread_states.h"

#include <vector>

#include "tests/unit/python/made_memory.h"

namespace snag::python {
namespace {

using test::Struct;

constexpr Address kRuntime{0x1000000};
constexpr Address kInterpreter{0x2000000};
constexpr Address kGil{0x3000000};
constexpr Address kThreads{0x4000000};
constexpr Address kPthreads{0x5000000};
constexpr std::size_t kSpread = 0x1000;

// A 3.12 runtime with one interpreter and threads one after another, numbered from 100.
class MadeRuntime {
 public:
  explicit MadeRuntime(std::size_t threads) : runtime_(test::runtime_of({3, 12}, kRuntime)) {
    const auto& layout = runtime_.layout;
    Struct head(64);
    head.put(layout.runtime_state.interpreters_head, kInterpreter.value);
    REQUIRE(memory_.add(kRuntime, head.bytes()));
    Struct interpreter(4096);
    interpreter.put(layout.interpreter_state.id, std::int64_t{0});
    interpreter.put(*layout.interpreter_state.gil, kGil.value);
    if (threads > 0) interpreter.put(layout.interpreter_state.threads_head, kThreads.value);
    REQUIRE(memory_.add(kInterpreter, interpreter.bytes()));
    REQUIRE(memory_.add(kGil, Struct(64).bytes()));
    for (std::size_t i = 0; i < threads; ++i) {
      Struct thread(layout.thread_state.size.bytes());
      thread.put(layout.thread_state.interp, kInterpreter.value);
      thread.put(layout.thread_state.thread_id, pthread(i).value);
      thread.put(*layout.thread_state.native_thread_id, std::uint64_t{100 + i});
      if (i + 1 < threads) thread.put(layout.thread_state.next, state(i + 1).value);
      REQUIRE(memory_.add(state(i), thread.bytes()));
    }
  }

  [[nodiscard]] static Address state(std::size_t number) { return kThreads + number * kSpread; }
  // pthread_self() of a thread.
  [[nodiscard]] static Address pthread(std::size_t number) { return kPthreads + number * kSpread; }
  // glibc's struct pthread of a thread: it points to itself twice, and holds the number.
  void add_pthread(std::size_t number, std::int32_t tid) {
    Struct made(1024);
    made.put(0, pthread(number).value).put(16, pthread(number).value).put(720, tid);
    REQUIRE(memory_.add(pthread(number), made.bytes()));
  }
  void set_native(std::size_t number, std::uint64_t tid) {
    REQUIRE(memory_.change_value(state(number) + *layout().thread_state.native_thread_id, tid));
  }
  [[nodiscard]] ImageMemory& memory() { return memory_; }
  [[nodiscard]] const Layout& layout() const { return runtime_.layout; }
  [[nodiscard]] const Runtime& runtime() const { return runtime_; }

  [[nodiscard]] Result<std::vector<ThreadState>> list(const std::vector<Tid>& tids = {{100}, {101}, {102}},
                                                      Libc libc = Libc::kGlibc) const {
    return list_thread_states(memory_, runtime_, libc, tids);
  }

 private:
  ImageMemory memory_;
  Runtime runtime_;
};

TEST_CASE("all threads are listed with the numbers that the kernel knows") {
  const MadeRuntime made(3);
  const auto states = made.list();
  REQUIRE(states);
  REQUIRE(states->size() == 3);
  CHECK(states->at(2).address == MadeRuntime::state(2));
  CHECK(states->at(2).tid == Tid{102});
  CHECK(states->at(2).interpreter == kInterpreter);
}

TEST_CASE("a thread number that the kernel does not list is not believed") {
  const auto states = MadeRuntime(1).list({{4711}});
  REQUIRE(states);
  CHECK(states->front().tid == Tid{});
}

TEST_CASE("a number that no thread can have is not believed for its lower half") {
  MadeRuntime made(1);
  made.set_native(0, (std::uint64_t{1} << 32U) + 100);
  CHECK(made.list()->front().tid == Tid{});
}

TEST_CASE("the number that glibc keeps is believed where CPython's is stale, as in a child that C code forked") {
  MadeRuntime made(2);
  made.set_native(0, 4711);
  made.set_native(1, 4712);
  made.add_pthread(0, 100);
  made.add_pthread(1, 4712);  // a thread of the parent
  REQUIRE(made.list());
  REQUIRE(made.list()->size() == 1);  // the second has ended
  CHECK(made.list()->at(0).tid == Tid{100});
  // Without glibc's word nobody is known to have ended.
  REQUIRE(made.list({{100}}, Libc::kMusl)->size() == 2);
  CHECK(made.list({{100}}, Libc::kMusl)->at(0).tid == Tid{});
}

TEST_CASE("a state that one interpreter's thread made for another interpreter may be run by any thread") {
  // 3.12: _xxsubinterpreters.create() makes it, run_string() runs it in whatever thread.
  MadeRuntime made(1);
  const auto& layout = made.layout();
  constexpr Address kOther{0x2800000};
  constexpr Address kOthersState{0x2900000};
  constexpr Address kCFrame{0x7000};
  Struct other(4096);
  other.put(layout.interpreter_state.id, std::int64_t{1})
      .put(layout.interpreter_state.threads_head, kOthersState.value);
  other.put(layout.interpreter_state.next, kInterpreter.value);
  REQUIRE(made.memory().add(kOther, other.bytes()));
  Struct state(layout.thread_state.size.bytes());
  state.put(layout.thread_state.interp, kOther.value).put(layout.thread_state.thread_id, MadeRuntime::pthread(0).value);
  state.put(*layout.thread_state.native_thread_id, std::uint64_t{100})
      .put(layout.thread_state.top_frame, kCFrame.value);
  REQUIRE(made.memory().add(kOthersState, state.bytes()));
  REQUIRE(made.memory().change_value(kRuntime + layout.runtime_state.interpreters_head, kOther.value));
  const auto states = made.list();
  REQUIRE(states);
  REQUIRE(states->size() == 2);
  CHECK(states->at(0).interpreter_id == 1);
  CHECK(states->at(0).tid == Tid{});
  CHECK(states->at(0).is_lent);
  CHECK(states->at(0).on_stack == kCFrame);
  CHECK(states->at(1).tid == Tid{100});
  CHECK_FALSE(states->at(1).is_lent);
}

TEST_CASE("what does not point to itself is no struct pthread") {
  MadeRuntime made(1);
  made.set_native(0, 0);
  made.add_pthread(0, 100);
  REQUIRE(made.list()->at(0).tid == Tid{100});
  REQUIRE(made.memory().change_value(MadeRuntime::pthread(0) + 16, std::uint64_t{0x1234}));
  CHECK(made.list()->at(0).tid == Tid{});
}

TEST_CASE("a number on which CPython and glibc do not agree is not told") {
  MadeRuntime made(1);
  made.add_pthread(0, 101);
  CHECK(made.list()->at(0).tid == Tid{});
}

TEST_CASE("two threads never have one number, two states of one thread do") {
  MadeRuntime made(3);
  made.set_native(1, 100);
  CHECK(made.list()->at(0).tid == Tid{});
  CHECK(made.list()->at(1).tid == Tid{});
  CHECK(made.list()->at(2).tid == Tid{102});
  REQUIRE(made.memory().change_value(MadeRuntime::state(1) + made.layout().thread_state.thread_id,
                                     MadeRuntime::pthread(0).value));
  CHECK(made.list()->at(0).tid == Tid{100});
  CHECK(made.list()->at(1).tid == Tid{100});
}

TEST_CASE("a list that changes under the reader's hand is read anew") {
  MadeRuntime made(3);
  const Address ended = MadeRuntime::state(1);
  bool torn = false;
  // The second thread ends just before it is read: its memory has another use, and the first one leads to the third.
  made.memory().before_every_read([&](ImageMemory& memory, std::size_t, Address at) {
    if (torn || at != ended) return;
    torn = true;
    REQUIRE(memory.change_value(ended + made.layout().thread_state.interp, std::uint64_t{0x42}));
    REQUIRE(memory.change_value(MadeRuntime::state(0) + made.layout().thread_state.next, MadeRuntime::state(2).value));
  });
  const auto states = made.list();
  REQUIRE(torn);
  REQUIRE(states);
  REQUIRE(states->size() == 2);
  CHECK(states->at(1).address == MadeRuntime::state(2));
}

TEST_CASE("the thread that holds the GIL is told while it is locked") {
  MadeRuntime made(3);
  REQUIRE(made.memory().change_value(kGil + made.layout().gil_state.last_holder, MadeRuntime::state(1).value));
  CHECK_FALSE(made.list()->at(1).holds_gil);
  REQUIRE(made.memory().change_value(kGil + made.layout().gil_state.locked, std::int32_t{1}));
  CHECK(made.list()->at(1).holds_gil);
  CHECK_FALSE(made.list()->at(0).holds_gil);
  CHECK(gil_holder(made.memory(), made.runtime(), kInterpreter).value() == MadeRuntime::state(1));
}

TEST_CASE("a GIL that cannot be read does not hide the threads") {
  MadeRuntime made(3);
  made.memory().unmap(kGil, 64);
  REQUIRE(made.list());
  CHECK_FALSE(made.list()->at(0).holds_gil);
}

TEST_CASE("an interpreter without threads has none") { CHECK(MadeRuntime(0).list()->empty()); }

TEST_CASE("threads that follow each other in a cycle are inconsistent") {
  MadeRuntime made(3);
  REQUIRE(made.memory().change_value(MadeRuntime::state(2) + made.layout().thread_state.next, kThreads.value));
  const auto states = made.list();
  REQUIRE_FALSE(states);
  CHECK(states.error().kind == ErrorKind::kInconsistent);
}

TEST_CASE("interpreters that follow each other in a cycle are inconsistent") {
  for (const std::size_t threads : {std::size_t{0}, std::size_t{1}}) {
    MadeRuntime made(threads);
    REQUIRE(made.memory().change_value(kInterpreter + made.layout().interpreter_state.next, kInterpreter.value));
    const auto states = made.list();
    REQUIRE_FALSE(states);
    CHECK(states.error().kind == ErrorKind::kInconsistent);
  }
}

TEST_CASE("a thread that is another interpreter's is inconsistent") {
  MadeRuntime made(3);
  REQUIRE(made.memory().change_value(MadeRuntime::state(1) + made.layout().thread_state.interp, std::uint64_t{0x42}));
  const auto states = made.list();
  REQUIRE_FALSE(states);
  CHECK(states.error().kind == ErrorKind::kInconsistent);
  CHECK(states.error().where == MadeRuntime::state(1));
}

TEST_CASE("a thread state that is not mapped is unreadable") {
  MadeRuntime made(3);
  made.memory().unmap(MadeRuntime::state(1), kSpread);
  CHECK(made.list().error().kind == ErrorKind::kUnreadable);
}

}  // namespace
}  // namespace snag::python
