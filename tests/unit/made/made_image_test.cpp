// The image that is made hostile elsewhere is sound: what nobody changed is read to its end, in every version. Else all
// that fuzzers and the hostile process meet would be the first error.
#include <catch2/catch.hpp>

#include "readers/asyncio/run_once.h"
#include "readers/asyncio/tasks.h"
#include "readers/python/names.h"
#include "readers/python/stack_reader.h"
#include "readers/python/thread_states.h"
#include "tests/fuzz/hostile_image.h"

namespace snag {
namespace {

constexpr std::uint8_t kRows = 12;

struct Sound {
  explicit Sound(std::uint8_t row)
      : image(fuzz::Input(&row, 1)),
        runtime(image.runtime()),
        reader(image.memory(), runtime, &fuzz::ticking),
        cursor(image.image().thread()),
        codes(image.memory(), runtime) {
    INFO(int{runtime.version.minor} << (runtime.layout.free_threaded ? "t" : ""));
    const auto done = reader.read(cursor, stack);
    if (!done) FAIL(describe(done.error()));
  }
  fuzz::HostileImage image;
  const python::Runtime& runtime;
  python::StackReader reader;
  python::ThreadCursor cursor;
  python::RawStack stack;
  python::CodeCache codes;
};

TEST_CASE("a made image has a thread whose stack is whole and named") {
  const auto row = GENERATE(range(std::uint8_t{0}, kRows));
  Sound sound(row);
  CAPTURE(int{sound.runtime.version.minor}, sound.runtime.layout.free_threaded);
  CHECK(sound.stack.whole);
  REQUIRE(sound.stack.frames.size() == made::Image::kFunctions);
  std::vector<std::string> names;
  for (const auto& frame : sound.stack.frames) {
    auto function = sound.codes.function(frame);
    if (!function) FAIL(describe(function.error()));
    names.push_back((*function)->name.substr((*function)->name.rfind('.') + 1));
    if (python::find_opcodes(sound.runtime.version) != nullptr && frame.instruction > 0) {
      CHECK(sound.codes.place(**function, frame.instruction).line == 11);
    }
  }
  CHECK(names == std::vector<std::string>{"pay", "checkout", "_run_once", "run_forever", "<module>"});
}

TEST_CASE("a made image's own threads and offsets are proved") {
  const auto row = GENERATE(range(std::uint8_t{0}, kRows));
  Sound sound(row);
  CAPTURE(int{sound.runtime.version.minor}, sound.runtime.layout.free_threaded);
  const auto threads = python::list_thread_states(sound.image.memory(), sound.runtime,
                                                  std::vector<Tid>{Tid{sound.image.image().place().tid}});
  REQUIRE(threads);
  REQUIRE(threads->size() == 1);
  CHECK(threads->front().tid.value == sound.image.image().place().tid);
  CHECK(threads->front().holds_gil);
  // What free-threaded 3.14 and 3.15 say of themselves was not captured.
  if (sound.runtime.layout.free_threaded && sound.runtime.version.minor > 13) return;
  const auto proved = python::prove_runtime(sound.image.memory(), sound.runtime.address, sound.runtime.version);
  if (!proved) FAIL(describe(proved.error()));
  CHECK(proved->layout.code == sound.runtime.layout.code);
}

TEST_CASE("a made image has a loop that runs a task's callback, which is in time.sleep") {
  const auto row = GENERATE(range(std::uint8_t{0}, kRows));
  Sound sound(row);
  CAPTURE(int{sound.runtime.version.minor}, sound.runtime.layout.free_threaded);
  const auto& image = sound.image.image();
  asyncio::TaskReader tasks(sound.codes, [] { return std::nullopt; });
  const auto task = tasks.current(image.thread(), image.interpreter(), image.loop());
  if (!task) FAIL(describe(task.error()));
  REQUIRE(*task);
  CHECK((*task)->task == image.task());
  if (sound.runtime.layout.task.name.has_value()) CHECK((*task)->name == "Task-7");
  if (sound.runtime.layout.task.coroutine.has_value()) CHECK((*task)->coroutine == "checkout");
  if (python::find_opcodes(sound.runtime.version) == nullptr) return;  // its bytecode is not known yet
  asyncio::LoopReader loops(sound.codes);
  const auto loop = loops.find(image.thread(), image.interpreter(), sound.stack);
  if (!loop) FAIL(describe(loop.error()));
  REQUIRE(*loop);
  const auto glimpse = loops.look(**loop);
  REQUIRE(glimpse);
  CHECK(glimpse->state == asyncio::Glimpse::State::kRunning);
  CHECK(glimpse->turn.index == 1);
  python::NameReader names(sound.codes);
  auto function = sound.codes.function(sound.stack.frames.front());
  REQUIRE(function);
  const auto call = names.builtin_call(sound.stack.frames.front(), **function);
  REQUIRE(call);
  CHECK(call->name == "time.sleep");
  CHECK(names.module_of(sound.stack.frames.front(), **function) == "shop.orders.main");
}

}  // namespace
}  // namespace snag
