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
      thread.put(*layout.thread_state.native_thread_id, std::uint64_t{100 + i});
      if (i + 1 < threads) thread.put(layout.thread_state.next, state(i + 1).value);
      REQUIRE(memory_.add(state(i), thread.bytes()));
    }
  }

  [[nodiscard]] static Address state(std::size_t number) { return kThreads + number * kSpread; }
  [[nodiscard]] ImageMemory& memory() { return memory_; }
  [[nodiscard]] const Layout& layout() const { return runtime_.layout; }
  [[nodiscard]] const Runtime& runtime() const { return runtime_; }

  [[nodiscard]] Result<std::vector<ThreadState>> list(const std::vector<Tid>& tids = {{100}, {101}, {102}}) const {
    return list_thread_states(memory_, runtime_, tids);
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

TEST_CASE("threads that follow each other in a cycle end at the bound") {
  MadeRuntime made(3);
  REQUIRE(made.memory().change_value(MadeRuntime::state(2) + made.layout().thread_state.next, kThreads.value));
  const auto states = made.list();
  REQUIRE_FALSE(states);
  CHECK(states.error().kind == ErrorKind::kOutOfBounds);
}

TEST_CASE("interpreters that follow each other in a cycle end at the bound") {
  for (const std::size_t threads : {std::size_t{0}, std::size_t{1}}) {
    MadeRuntime made(threads);
    REQUIRE(made.memory().change_value(kInterpreter + made.layout().interpreter_state.next, kInterpreter.value));
    const auto states = made.list();
    REQUIRE_FALSE(states);
    CHECK(states.error().kind == ErrorKind::kOutOfBounds);
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
