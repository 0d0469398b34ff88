#include "proto/stream/intern.h"

#include "proto/stream/utf8.h"

namespace snag::stream {
namespace {

// At most: five varints of five bytes with their tags, the tag and the length of the message in its list.
constexpr std::size_t kDefinitionBytes = 40;

// 2^64 / golden ratio: spreads consecutive numbers over all bits.
std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15ULL;
  return hash ^ (hash >> 32U);
}

}  // namespace

std::size_t Interner::FrameHash::operator()(const Frame& frame) const noexcept {
  const std::uint64_t names = (std::uint64_t{frame.function} << 32U) | frame.file;
  const std::uint64_t place =
      (std::uint64_t{static_cast<std::uint32_t>(frame.line)} << 8U) | static_cast<std::uint32_t>(frame.kind);
  return mix(mix(0, names), place);
}

std::size_t Interner::ThreadHash::operator()(const ThreadKey& key) const noexcept {
  const std::uint64_t ids =
      (std::uint64_t{static_cast<std::uint32_t>(key.pid)} << 32U) | static_cast<std::uint32_t>(key.tid);
  return mix(mix(0, ids), key.name);
}

v1::Definitions& Interner::batch_for(std::size_t bytes) {
  if (batches_.empty() || last_batch_bytes_ + bytes > kDefinitionBatchBytes) {
    batches_.emplace_back();
    last_batch_bytes_ = 0;
  }
  last_batch_bytes_ += bytes;
  return batches_.back();
}

std::uint32_t Interner::string(std::string_view value) {
  const auto known = strings_.find(value);
  if (known != strings_.end()) return known->second;
  if (value.size() > kMaxStringBytes || !is_utf8(value)) {
    // Sound once cleaned, so this goes one deep.
    return string(std::string_view(to_utf8(value, kMaxStringBytes)));
  }
  if (strings_.size() >= kMaxStrings) return 0;
  const auto id = static_cast<std::uint32_t>(strings_.size() + 1);
  strings_.emplace(value, id);
  v1::StringDefinition& definition = *batch_for(kDefinitionBytes + value.size()).add_strings();
  definition.set_id(id);
  definition.set_value(std::string(value));
  return id;
}

std::uint32_t Interner::frame(const Frame& frame) {
  const auto known = frames_.find(frame);
  if (known != frames_.end()) return known->second;
  if (frame.function == 0 || frame.file == 0 || frames_.size() >= kMaxFrames) return 0;
  const auto id = static_cast<std::uint32_t>(frames_.size() + 1);
  frames_.emplace(frame, id);
  v1::FrameDefinition& definition = *batch_for(kDefinitionBytes).add_frames();
  definition.set_id(id);
  definition.set_function(frame.function);
  definition.set_file(frame.file);
  definition.set_line(frame.line);
  definition.set_kind(frame.kind);
  return id;
}

std::uint32_t Interner::frame(std::string_view function, std::string_view file, std::int32_t line,
                              v1::Frame::Kind kind) {
  return frame(Frame{.function = string(function), .file = string(file), .line = line, .kind = kind});
}

bool Interner::is_stack(std::uint32_t stack, std::span<const std::uint32_t> frames_innermost_first) const {
  for (const std::uint32_t frame : frames_innermost_first) {
    if (stack == 0) return false;
    const Node& node = nodes_[stack - 1];
    if (node.frame != frame) return false;
    stack = node.caller;
  }
  return stack == 0;
}

std::uint32_t Interner::child(std::uint32_t caller, std::uint32_t frame) {
  const std::uint64_t key = (std::uint64_t{caller} << 32U) | frame;
  const auto known = children_.find(key);
  if (known != children_.end()) return known->second;
  if (frame == 0 || frame > frames_.size() || nodes_.size() >= kMaxStacks) return 0;
  nodes_.push_back({.caller = caller, .frame = frame});
  const auto id = static_cast<std::uint32_t>(nodes_.size());
  children_.emplace(key, id);
  v1::StackDefinition& definition = *batch_for(kDefinitionBytes).add_stacks();
  definition.set_id(id);
  definition.set_caller(caller);
  definition.set_frame(frame);
  return id;
}

std::uint32_t Interner::stack(std::span<const std::uint32_t> frames_innermost_first) {
  if (frames_innermost_first.empty() || frames_innermost_first.size() > kMaxStackDepth) return 0;
  std::uint64_t hash = frames_innermost_first.size();
  for (const std::uint32_t frame : frames_innermost_first) hash = mix(hash, frame);
  const auto hint = by_hash_.find(hash);
  // Two stacks may share a hash; only the walk proves it.
  if (hint != by_hash_.end() && is_stack(hint->second, frames_innermost_first)) return hint->second;
  std::uint32_t stack = 0;
  for (auto frame = frames_innermost_first.rbegin(); frame != frames_innermost_first.rend(); ++frame) {
    stack = child(stack, *frame);
    if (stack == 0) return 0;
  }
  by_hash_[hash] = stack;
  return stack;
}

std::uint32_t Interner::thread(std::int32_t pid, std::int32_t tid, std::string_view name) {
  const ThreadKey key{.pid = pid, .tid = tid, .name = string(name)};
  const auto known = threads_.find(key);
  if (known != threads_.end()) return known->second;
  if (key.name == 0 || threads_.size() >= kMaxThreads) return 0;
  const auto id = static_cast<std::uint32_t>(threads_.size() + 1);
  threads_.emplace(key, id);
  v1::ThreadDefinition& definition = *batch_for(kDefinitionBytes).add_threads();
  definition.set_id(id);
  definition.set_pid(pid);
  definition.set_tid(tid);
  definition.set_name(key.name);
  return id;
}

bool Interner::take(v1::Definitions& batch) {
  if (batches_.empty()) return false;
  batch.Clear();
  batch.Swap(&batches_.front());
  batches_.pop_front();
  if (batches_.empty()) last_batch_bytes_ = 0;
  return true;
}

}  // namespace snag::stream
