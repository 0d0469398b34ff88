#include "proto/stream/intern.h"

#include <map>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "proto/stream/framing.h"
#include "proto/stream/stack_table.h"

using snag::stream::Interner;
using snag::stream::StackTable;
using snag::v1::Definitions;
using snag::v1::Frame;
using Names = std::vector<std::string>;

namespace {

// Everything not sent yet goes over to the client.
void pass_on(Interner& interner, StackTable& table) {
  Definitions batch;
  while (interner.take(batch)) {
    REQUIRE(batch.ByteSizeLong() < snag::stream::kMaxMessageBytes);
    const auto wrong = table.add(batch);
    INFO(wrong.value_or(""));
    REQUIRE_FALSE(wrong);
  }
}

std::uint32_t stack_of(Interner& interner, const Names& root_first) {
  std::vector<std::uint32_t> frames;
  for (auto name = root_first.rbegin(); name != root_first.rend(); ++name) {
    frames.push_back(interner.frame(*name, "app.py", 7, Frame::PYTHON));
  }
  return interner.stack(frames);
}

Names names_of(const StackTable& table, std::uint32_t stack) {
  std::vector<std::uint32_t> frames;
  REQUIRE(table.frames_root_first(stack, frames));
  Names names;
  for (const std::uint32_t frame : frames) names.push_back(*table.string(table.frame(frame)->function));
  return names;
}

std::string complaint(StackTable& table, const Definitions& definitions) { return table.add(definitions).value_or(""); }

}  // namespace

TEST_CASE("what the daemon interns is what the client resolves") {
  Interner interner;
  StackTable table;
  const std::uint32_t thread = interner.thread(42, 43, "MainThread");
  const std::uint32_t frame = interner.frame("f", "a.py", 12, Frame::NATIVE);
  const std::uint32_t stack = stack_of(interner, {"main", "serve", "read"});
  pass_on(interner, table);
  CHECK(names_of(table, stack) == Names{"main", "serve", "read"});
  REQUIRE(table.thread(thread) != nullptr);
  CHECK(table.thread(thread)->pid == 42);
  CHECK(table.thread(thread)->tid == 43);
  CHECK(*table.string(table.thread(thread)->name) == "MainThread");
  REQUIRE(table.frame(frame) != nullptr);
  CHECK(*table.string(table.frame(frame)->file) == "a.py");
  CHECK(table.frame(frame)->line == 12);
  CHECK(table.frame(frame)->kind == Frame::NATIVE);
}

TEST_CASE("each thing is defined once, a stack that differs in its last frame costs one definition") {
  Interner interner;
  (void)stack_of(interner, {"main", "serve", "read"});
  Definitions batch;
  REQUIRE(interner.take(batch));
  CHECK(batch.strings_size() == 4);
  CHECK(batch.frames_size() == 3);
  CHECK(batch.stacks_size() == 3);
  (void)stack_of(interner, {"main", "serve", "read"});
  CHECK_FALSE(interner.has_definitions());
  (void)stack_of(interner, {"main", "serve", "write"});
  REQUIRE(interner.take(batch));
  CHECK(batch.strings_size() == 1);
  CHECK(batch.frames_size() == 1);
  CHECK(batch.stacks_size() == 1);
}

TEST_CASE("random stacks, many sharing their beginning, come back as they went in") {
  Interner interner;
  StackTable table;
  std::mt19937 random(7);
  std::map<std::uint32_t, Names> given;
  for (int round = 0; round < 20'000; ++round) {
    Names names(1 + random() % 30);
    for (std::string& name : names) name = std::to_string(random() % 3);
    const std::uint32_t stack = stack_of(interner, names);
    REQUIRE(stack != 0);
    const auto [place, fresh] = given.emplace(stack, names);
    if (!fresh) REQUIRE(place->second == names);
    if (round % 100 == 0) pass_on(interner, table);
  }
  pass_on(interner, table);
  for (const auto& [stack, names] : given) REQUIRE(names_of(table, stack) == names);
}

TEST_CASE("an empty stack, one of unknown frames, and one that is too deep get no number") {
  Interner interner;
  CHECK(interner.stack({}) == 0);
  CHECK(interner.stack(std::vector<std::uint32_t>{1}) == 0);
  const std::uint32_t frame = interner.frame("f", "f.py", 1, Frame::PYTHON);
  CHECK(interner.stack(std::vector<std::uint32_t>{frame, 0}) == 0);
  CHECK(interner.stack(std::vector<std::uint32_t>(snag::stream::kMaxStackDepth, frame)) != 0);
  CHECK(interner.stack(std::vector<std::uint32_t>(snag::stream::kMaxStackDepth + 1, frame)) == 0);
}

TEST_CASE("names that are no UTF-8 or too long are cleaned, so that no message with them is refused") {
  Interner interner;
  const std::uint32_t broken = interner.string("caf\xe9.py");
  CHECK(broken == interner.string("caf\xEF\xBF\xBD.py"));
  CHECK(interner.string(std::string(10'000, 'x')) != 0);
  StackTable table;
  pass_on(interner, table);
  CHECK(*table.string(broken) == "caf\xEF\xBF\xBD.py");
  CHECK(table.string(2)->size() == snag::stream::kMaxStringBytes);
}

TEST_CASE("definitions of a very deep stack of very long names come in batches below the message limit") {
  Interner interner;
  Names names;
  for (int i = 0; i < 3000; ++i) names.push_back(std::string(4000, 'n') + std::to_string(i));
  const std::uint32_t stack = stack_of(interner, names);
  StackTable table;
  pass_on(interner, table);
  CHECK(names_of(table, stack) == names);
}

TEST_CASE("a full table of strings answers 0 and stays what it was") {
  Interner interner;
  for (std::size_t i = 0; i < snag::stream::kMaxStrings; ++i) REQUIRE(interner.string(std::to_string(i)) == i + 1);
  CHECK(interner.string("one more") == 0);
  CHECK(interner.frame("one more", "0", 1, Frame::PYTHON) == 0);
  CHECK(interner.thread(1, 1, "one more") == 0);
  CHECK(interner.string("5") == 6);
}

TEST_CASE("a client follows no number that was not defined") {
  StackTable table;
  std::vector<std::uint32_t> frames;
  for (const std::uint32_t id : {0U, 1U, 0xFFFFFFFFU}) {
    CHECK(table.string(id) == nullptr);
    CHECK(table.frame(id) == nullptr);
    CHECK(table.thread(id) == nullptr);
    CHECK(table.depth(id) == 0);
    CHECK_FALSE(table.link(id));
    CHECK_FALSE(table.frames_root_first(id, frames));
  }
  CHECK(frames.empty());
}

TEST_CASE("a client refuses unsound definitions with a sentence") {
  StackTable table;
  Definitions sound;
  sound.add_strings()->set_id(1);
  sound.add_frames()->set_id(1);
  sound.mutable_frames(0)->set_function(1);
  sound.mutable_frames(0)->set_file(1);
  REQUIRE_FALSE(table.add(sound));

  Definitions bad;
  SECTION("a number out of order") {
    bad.add_strings()->set_id(4'000'000'000);
    CHECK(complaint(table, bad) == "string 4000000000 is defined where 2 comes next");
  }
  SECTION("a number defined again") {
    bad.add_strings()->set_id(1);
    CHECK(complaint(table, bad) == "string 1 is defined where 2 comes next");
  }
  SECTION("a frame of an unknown string") {
    bad.add_frames()->set_id(2);
    bad.mutable_frames(0)->set_function(1);
    bad.mutable_frames(0)->set_file(9);
    CHECK(complaint(table, bad) == "frame 2 refers to a string that is not defined");
  }
  SECTION("a stack that is its own caller") {
    bad.add_stacks()->set_id(1);
    bad.mutable_stacks(0)->set_frame(1);
    bad.mutable_stacks(0)->set_caller(1);
    CHECK(complaint(table, bad) == "stack 1 refers to a stack that is not defined");
  }
  SECTION("a stack of no frame") {
    bad.add_stacks()->set_id(1);
    CHECK(complaint(table, bad) == "stack 1 refers to a frame that is not defined");
  }
  SECTION("a thread of no name") {
    bad.add_threads()->set_id(1);
    CHECK(complaint(table, bad) == "thread 1 refers to a string that is not defined");
  }
  SECTION("a stack without end") {
    for (std::uint32_t id = 1; id <= snag::stream::kMaxStackDepth + 1; ++id) {
      snag::v1::StackDefinition& stack = *bad.add_stacks();
      stack.set_id(id);
      stack.set_caller(id - 1);
      stack.set_frame(1);
    }
    CHECK_THAT(complaint(table, bad), Catch::Matchers::Contains("deeper than 16384"));
  }
}
