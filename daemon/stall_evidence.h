#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/cause.h"
#include "daemon/resolved_stack.h"
#include "daemon/shown_frame.h"
#include "readers/base/clock.h"

namespace snag::daemon {

// What a stack of the blocked thread says, worked out once for each distinct one.
struct SeenStack {
  std::vector<ShownFrame> frames;  // innermost first, to the frame above the loop's own; a builtin call comes first
  std::size_t culprit = 0;         // index in frames; frames.size(): nothing to blame
  std::string blocking_call;       // what the culprit called; empty: it ran itself
  std::string innermost_call;
  bool whole = false;
};

// What many looks at one run of one callback add up to.
struct Verdict {
  SeenStack stack;  // the one that stands for the stall
  Cause cause = Cause::kUnknown;
  std::vector<std::pair<Cause, double>> shares;  // largest first; add up to 1
  std::string system_call;
  std::string endpoint;
  std::string path;
};

// Collects the looks at one run. Bounded: a stack that is not among the first kMaxStacks distinct ones counts as the
// culprit's only where its culprit is known already.
class StallEvidence {
 public:
  static constexpr std::size_t kMaxStacks = 64;

  void clear();
  // Which stack this is, to be asked first: working a stack out is dear. nullopt: not seen before.
  [[nodiscard]] std::optional<std::size_t> find(const ResolvedStack& stack, std::size_t depth) const;
  // nullopt: there is no room for another.
  [[nodiscard]] std::optional<std::size_t> add(const ResolvedStack& stack, std::size_t depth, SeenStack seen);
  [[nodiscard]] const SeenStack& at(std::size_t index) const { return stacks_[index].seen; }

  void count(std::size_t index, const Situation& situation, Cause cause);
  void count_lost() { ++lost_; }

  [[nodiscard]] std::int32_t whole() const { return whole_; }
  [[nodiscard]] std::int32_t partial() const { return partial_; }
  [[nodiscard]] std::int32_t lost() const { return lost_; }
  // nullopt: no look succeeded.
  [[nodiscard]] std::optional<Verdict> verdict() const;

 private:
  using Key = std::vector<std::uint64_t>;  // (function, instruction) of each frame
  struct Stack {
    Key key;
    SeenStack seen;
    std::int32_t count = 0;
  };
  [[nodiscard]] static Key key_of(const ResolvedStack& stack, std::size_t depth);
  [[nodiscard]] const Stack& most_telling() const;

  std::vector<Stack> stacks_;
  std::array<std::int32_t, kCauses> causes_{};
  std::map<std::string, std::int32_t> system_calls_;  // "" ran
  std::string endpoint_;
  std::string path_;
  std::int32_t whole_ = 0;
  std::int32_t partial_ = 0;
  std::int32_t lost_ = 0;
};

}  // namespace snag::daemon
