#include "daemon/stall_evidence.h"

#include <algorithm>

namespace snag::daemon {
namespace {

// Whom a stack blames; stacks of one stall that agree in it support each other.
std::string blame_of(const SeenStack& stack) {
  if (stack.culprit >= stack.frames.size()) return {};
  const auto& frame = stack.frames[stack.culprit];
  return frame.file + '\0' + frame.function;
}

template <class Map>
auto most_frequent(const Map& counts) {
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; });
}

}  // namespace

void StallEvidence::clear() { *this = StallEvidence(); }

StallEvidence::Key StallEvidence::key_of(const ResolvedStack& stack, std::size_t depth) {
  constexpr unsigned kInstructionBits = 32;
  Key key;
  key.reserve(depth + 1);
  for (std::size_t i = 0; i < depth; ++i) {
    const auto& frame = stack.frames[i];
    key.push_back((std::uint64_t{frame.function->number} << kInstructionBits) |
                  static_cast<std::uint32_t>(frame.raw.instruction));
  }
  key.push_back(stack.whole ? 1 : 0);
  return key;
}

std::optional<std::size_t> StallEvidence::find(const ResolvedStack& stack, std::size_t depth) const {
  const Key key = key_of(stack, depth);
  const auto found = std::find_if(stacks_.begin(), stacks_.end(), [&](const Stack& seen) { return seen.key == key; });
  if (found == stacks_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - stacks_.begin());
}

std::optional<std::size_t> StallEvidence::add(const ResolvedStack& stack, std::size_t depth, SeenStack seen) {
  if (stacks_.size() >= kMaxStacks) {
    // It still speaks for its culprit.
    const std::string blame = blame_of(seen);
    const auto same =
        std::find_if(stacks_.begin(), stacks_.end(), [&](const Stack& other) { return blame_of(other.seen) == blame; });
    if (same == stacks_.end()) return std::nullopt;
    return static_cast<std::size_t>(same - stacks_.begin());
  }
  stacks_.push_back({.key = key_of(stack, depth), .seen = std::move(seen)});
  return stacks_.size() - 1;
}

void StallEvidence::count(std::size_t index, const Situation& situation, Cause cause) {
  auto& stack = stacks_[index];
  ++stack.count;
  ++(stack.seen.whole ? whole_ : partial_);
  ++causes_.at(static_cast<std::size_t>(cause));
  const auto& call = situation.system_call;
  ++system_calls_[call && call->number ? describe_system_call(*call->number) : std::string()];
  if (!situation.descriptor) return;
  const auto text = short_text(*situation.descriptor);
  (situation.descriptor->kind == DescriptorKind::kSocket ? endpoint_ : path_) = text;
}

// The most frequent stack among those with the most frequent culprit and, among these, the most frequent blocking call.
const StallEvidence::Stack& StallEvidence::most_telling() const {
  std::map<std::string, std::int32_t> blamed;
  for (const auto& stack : stacks_) blamed[blame_of(stack.seen)] += stack.count;
  const std::string blame = most_frequent(blamed)->first;
  std::map<std::string, std::int32_t> calls;
  for (const auto& stack : stacks_) {
    if (blame_of(stack.seen) == blame) calls[stack.seen.blocking_call] += stack.count;
  }
  const std::string call = most_frequent(calls)->first;
  const auto weight = [&](const Stack& stack) {
    if (blame_of(stack.seen) != blame || stack.seen.blocking_call != call) return 0;
    return stack.count * 2 + (stack.seen.whole ? 1 : 0);
  };
  return *std::max_element(stacks_.begin(), stacks_.end(),
                           [&](const Stack& a, const Stack& b) { return weight(a) < weight(b); });
}

std::optional<Verdict> StallEvidence::verdict() const {
  const std::int32_t looks = whole_ + partial_;
  if (looks == 0) return std::nullopt;
  Verdict verdict{.stack = most_telling().seen, .shares = {}, .system_call = {}, .endpoint = endpoint_, .path = path_};
  for (std::size_t i = 0; i < causes_.size(); ++i) {
    if (causes_[i] > 0) verdict.shares.emplace_back(static_cast<Cause>(i), double(causes_[i]) / looks);
  }
  std::stable_sort(verdict.shares.begin(), verdict.shares.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  verdict.cause = verdict.shares.front().first;
  verdict.system_call = most_frequent(system_calls_)->first;
  return verdict;
}

}  // namespace snag::daemon
