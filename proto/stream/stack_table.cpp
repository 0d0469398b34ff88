#include "proto/stream/stack_table.h"

#include <algorithm>

#include "proto/stream/utf8.h"

namespace snag::stream {
namespace {

// Null: this number comes next and there is room.
std::optional<std::string> check_number(const char* kind, std::uint32_t id, std::size_t known, std::size_t limit) {
  if (known >= limit) return std::string("more than ") + std::to_string(limit) + " " + kind + "s are defined";
  if (id == known + 1) return std::nullopt;
  return std::string(kind) + " " + std::to_string(id) + " is defined where " + std::to_string(known + 1) +
         " comes next";
}

std::string unknown(const char* kind, std::uint32_t id, const char* refers_to) {
  return std::string(kind) + " " + std::to_string(id) + " refers to a " + refers_to + " that is not defined";
}

}  // namespace

std::optional<std::string> StackTable::add(const v1::StringDefinition& definition) {
  if (auto wrong = check_number("string", definition.id(), strings_.size(), kMaxStrings)) return wrong;
  strings_.push_back(to_utf8(definition.value(), kMaxStringBytes));
  return std::nullopt;
}

std::optional<std::string> StackTable::add(const v1::FrameDefinition& definition) {
  if (auto wrong = check_number("frame", definition.id(), frames_.size(), kMaxFrames)) return wrong;
  if (string(definition.function()) == nullptr || string(definition.file()) == nullptr) {
    return unknown("frame", definition.id(), "string");
  }
  frames_.push_back({.function = definition.function(),
                     .file = definition.file(),
                     .line = std::max(definition.line(), 0),
                     .kind = definition.kind()});
  return std::nullopt;
}

std::optional<std::string> StackTable::add(const v1::StackDefinition& definition) {
  if (auto wrong = check_number("stack", definition.id(), stacks_.size(), kMaxStacks)) return wrong;
  if (frame(definition.frame()) == nullptr) return unknown("stack", definition.id(), "frame");
  if (definition.caller() > stacks_.size()) return unknown("stack", definition.id(), "stack");
  const std::size_t depth = this->depth(definition.caller()) + 1;
  if (depth > kMaxStackDepth) {
    return "stack " + std::to_string(definition.id()) + " is deeper than " + std::to_string(kMaxStackDepth) + " frames";
  }
  stacks_.push_back(
      {.caller = definition.caller(), .frame = definition.frame(), .depth = static_cast<std::uint32_t>(depth)});
  return std::nullopt;
}

std::optional<std::string> StackTable::add(const v1::ThreadDefinition& definition) {
  if (auto wrong = check_number("thread", definition.id(), threads_.size(), kMaxThreads)) return wrong;
  if (string(definition.name()) == nullptr) return unknown("thread", definition.id(), "string");
  threads_.push_back({.pid = definition.pid(), .tid = definition.tid(), .name = definition.name()});
  return std::nullopt;
}

std::optional<std::string> StackTable::add(const v1::Definitions& definitions) {
  const auto add_all = [this](const auto& list) -> std::optional<std::string> {
    for (const auto& definition : list) {
      if (auto wrong = add(definition)) return wrong;
    }
    return std::nullopt;
  };
  // The order in which each may refer to the ones before.
  if (auto wrong = add_all(definitions.strings())) return wrong;
  if (auto wrong = add_all(definitions.frames())) return wrong;
  if (auto wrong = add_all(definitions.stacks())) return wrong;
  return add_all(definitions.threads());
}

const std::string* StackTable::string(std::uint32_t id) const {
  return id == 0 || id > strings_.size() ? nullptr : &strings_[id - 1];
}

const StackTable::Frame* StackTable::frame(std::uint32_t id) const {
  return id == 0 || id > frames_.size() ? nullptr : &frames_[id - 1];
}

const StackTable::Thread* StackTable::thread(std::uint32_t id) const {
  return id == 0 || id > threads_.size() ? nullptr : &threads_[id - 1];
}

std::size_t StackTable::depth(std::uint32_t stack) const {
  return stack == 0 || stack > stacks_.size() ? 0 : stacks_[stack - 1].depth;
}

std::optional<StackTable::Link> StackTable::link(std::uint32_t stack) const {
  if (stack == 0 || stack > stacks_.size()) return std::nullopt;
  return Link{.caller = stacks_[stack - 1].caller, .frame = stacks_[stack - 1].frame};
}

bool StackTable::frames_root_first(std::uint32_t stack, std::vector<std::uint32_t>& frames) const {
  const std::size_t count = depth(stack);
  if (count == 0) return false;
  frames.resize(frames.size() + count);
  auto place = frames.rbegin();
  for (; stack != 0; stack = stacks_[stack - 1].caller) *place++ = stacks_[stack - 1].frame;
  return true;
}

}  // namespace snag::stream
