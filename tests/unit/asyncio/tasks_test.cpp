#include "readers/asyncio/tasks.h"

#include <catch2/catch.hpp>

#include "tests/unit/python/made_memory.h"

namespace snag::asyncio {
namespace {

using python::Version;
using test::Struct;

constexpr Address kThread{0x100000};
constexpr Address kLoop{0x200000};
constexpr Address kTask{0x300000};
constexpr Address kTaskType{0x310000};
constexpr Address kTypeName{0x320000};
constexpr Address kName{0x330000};
constexpr Address kUnicodeType{0x340000};
constexpr Address kUnicodeTypeName{0x350000};

// A thread that runs a task named "nightly", whose loop is kLoop; the task has no coroutine any more.
class MadeTask {
 public:
  MadeTask(Version version, bool free_threaded, const ModuleOffsets& at)
      : runtime_(test::runtime_of(version, {}, free_threaded)) {
    const auto& layout = runtime_.layout;
    Struct thread(2048);
    thread.put(at.running_loop, kLoop.value).put(at.running_task, kTask.value);
    REQUIRE(memory_.add(kThread, thread.bytes()));
    Struct task(512);
    task.put(layout.object.type, kTaskType.value).put(at.task_name, kName.value);
    REQUIRE(memory_.add(kTask, task.bytes()));
    add_type(kTaskType, kTypeName, "_asyncio.Task");
    add_type(kUnicodeType, kUnicodeTypeName, "str");
    Struct name(256);
    constexpr std::string_view kText = "nightly";
    constexpr unsigned kOneByteCompactAscii = 1U | 8U | 16U;
    const auto& unicode = layout.unicode;
    name.put(layout.object.type, kUnicodeType.value);
    name.put(unicode.length, std::uint64_t{kText.size()});
    name.put(unicode.kind.bits() / 8, static_cast<std::uint16_t>(kOneByteCompactAscii << (unicode.kind.bits() % 8)));
    name.put_text(unicode.ascii_size.bytes(), kText);
    REQUIRE(memory_.add(kName, name.bytes()));
  }

  [[nodiscard]] Result<std::optional<TaskInfo>> current(Address loop, std::optional<ModuleOffsets> told) {
    python::CodeCache codes(memory_, runtime_);
    TaskReader tasks(codes, [&] { return told; });
    return tasks.current(kThread, Address{}, loop);
  }

 private:
  void add_type(Address at, Address name_at, std::string_view name) {
    Struct type(runtime_.layout.type.size.bytes());
    type.put(runtime_.layout.type.name, name_at.value);
    REQUIRE(memory_.add(at, type.bytes()));
    REQUIRE(memory_.add(name_at, Struct(64).put_text(0, name).bytes()));
  }

  python::Runtime runtime_;
  ImageMemory memory_;
};

ModuleOffsets row_of(Version version) {
  const auto& row = *python::find_layout(version);
  return {.task_name = *row.task.name,
          .task_coroutine = *row.task.coroutine,
          .running_loop = *row.asyncio.running_loop,
          .running_task = *row.asyncio.running_task};
}

TEST_CASE("from 3.14 on the running task is the thread state's") {
  for (const std::uint8_t minor : {std::uint8_t{14}, std::uint8_t{15}}) {
    CAPTURE(int{minor});
    const Version version{.major = 3, .minor = minor};
    MadeTask made(version, false, row_of(version));
    const auto task = made.current(kLoop, std::nullopt);
    REQUIRE(task);
    REQUIRE(*task);
    CHECK((*task)->task == kTask);
    CHECK((*task)->name == "nightly");
  }
}

TEST_CASE("what _asyncio says of its structs comes before the row") {
  constexpr ModuleOffsets kMoved{.task_name = python::Offset(400),
                                 .task_coroutine = python::Offset(408),
                                 .running_loop = python::Offset(1800),
                                 .running_task = python::Offset(1808)};
  for (const bool free_threaded : {false, true}) {
    CAPTURE(free_threaded);
    MadeTask made({.major = 3, .minor = 14}, free_threaded, kMoved);
    const auto task = made.current(kLoop, kMoved);
    REQUIRE(task);
    REQUIRE(*task);
    CHECK((*task)->name == "nightly");
  }
}

TEST_CASE("the task of another loop is not this one's") {
  const Version version{.major = 3, .minor = 14};
  MadeTask made(version, false, row_of(version));
  // Where the thread state has none for the loop, the dict of Python's own tasks is asked for: this target has none.
  CHECK_FALSE(made.current(kLoop + 64, std::nullopt));
}

}  // namespace
}  // namespace snag::asyncio
