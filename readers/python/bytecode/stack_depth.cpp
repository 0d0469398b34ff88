#include "readers/python/bytecode/stack_depth.h"

#include <algorithm>

#include "readers/python/bytecode/exception_table.h"

namespace snag::python {
namespace {

constexpr std::int64_t kMaxDepth = 0x7FFF;  // what StackDepths stores; a compiler that needs more has lost its way
// Visits per instruction: one when it is first reached, one if a conflict is found, and in 3.8 one for each new way
// into a finally block: kShortfalls for each of the levels around it, which are rarely more than three.
constexpr std::size_t kMaxVisits = 16;

// 3.8 alone. A finally block is entered with different numbers of values on the stack, and the compiler's accounting
// (which stack_effect() gives) takes them all for six. Python/ceval.c 3.8 pushes
//   six values when an exception is raised: the true depth is 0 less than accounted for,
//   NULL in BEGIN_FINALLY: 5 less,
//   the return address in CALL_FINALLY: 5 less, 4 above the value of a `return`, 8 or 7 when the three values of the
//   exception have gone that an `except … as name` block, whose end it is, was entered with.
// Between WITH_CLEANUP_START and _FINISH it is one more without an exception.
struct FinallyLevel {
  std::int64_t base;         // accounted depth outside of the block
  std::uint32_t shortfalls;  // bit n: the true depth may be n less than accounted for
};
constexpr std::int64_t kFinallyValues = 6;
constexpr std::uint32_t kByException = 1U << 0U;
constexpr std::int64_t kNormalShortfall = 5;
constexpr std::int64_t kMaxShortfall = 8;
constexpr std::uint32_t kAllShortfalls = (1U << (kMaxShortfall + 2)) - 1;
constexpr std::size_t kMaxFinallyLevels = 20;  // CO_MAXBLOCKS of Include/cpython/code.h

struct State {
  std::int64_t depth = 0;
  std::vector<FinallyLevel> levels;  // outermost first; empty but in 3.8
};

enum class Reached : std::uint8_t { kNever, kAtDepth, kConflicting };

// Forward data flow: every instruction is visited with the depth that its predecessors leave behind.
class Flow {
 public:
  Flow(const Instructions& instructions, std::span<const ExceptionEntry> entries)
      : instructions_(instructions),
        entries_(entries),
        states_(instructions.all().size()),
        reached_(states_.size(), Reached::kNever),
        entered_(entries.size(), false) {}

  // False if the work exceeds its bound.
  bool run() {
    arrive(0, State{});
    std::size_t visits_left = kMaxVisits * states_.size();
    while (!pending_.empty()) {
      if (visits_left-- == 0) return false;
      const std::size_t index = pending_.back();
      pending_.pop_back();
      visit(index);
    }
    return true;
  }

  [[nodiscard]] Reached reached(std::size_t index) const { return reached_[index]; }
  [[nodiscard]] const State& state(std::size_t index) const { return states_[index]; }

 private:
  void visit(std::size_t index) {
    const Instruction& instruction = instructions_.all()[index];
    const Opcode& opcode = instructions_.opcode_of(instruction);
    visit_handler(instruction);
    const auto target = instructions_.jump_target(instruction);
    if (reached_[index] == Reached::kConflicting) {
      if (target) arrive_in_conflict(*target);
      if (!opcode.ends_block && index + 1 < states_.size()) arrive_in_conflict(index + 1);
      return;
    }
    const State& before = states_[index];
    if (target) arrive(*target, jumping(before, opcode, *target));
    if (!opcode.ends_block && index + 1 < states_.size())
      arrive(index + 1, falling(before, opcode, instruction.argument));
  }

  // What the instruction raises goes where the exception table says, at the depth that the table says.
  void visit_handler(const Instruction& instruction) {
    const auto after = std::upper_bound(entries_.begin(), entries_.end(), instruction.opcode_offset,
                                        [](std::uint32_t at, const ExceptionEntry& one) { return at < one.start; });
    if (after == entries_.begin() || instruction.opcode_offset >= std::prev(after)->end) return;
    const auto number = static_cast<std::size_t>(std::prev(after) - entries_.begin());
    if (entered_[number]) return;
    entered_[number] = true;
    const ExceptionEntry& entry = entries_[number];
    const auto target = instructions_.index_at(entry.target);
    if (target) arrive(*target, State{.depth = std::int64_t{entry.depth} + (entry.pushes_index ? 2 : 1), .levels = {}});
  }

  [[nodiscard]] State jumping(const State& before, const Opcode& opcode, std::size_t target) const {
    State after = before;
    after.depth += opcode.taken;
    if (!instructions_.opcodes().finally_is_shared) return after;
    if (opcode.role == Role::kSetupHandler) {
      after.levels.push_back({.base = after.depth - kFinallyValues, .shortfalls = kByException});
    } else if (opcode.role == Role::kCallFinally && reached_[target] == Reached::kAtDepth) {
      return calling_finally(before, states_[target]);
    }
    drop_left_levels(after);
    return after;
  }

  // The block was set up before, so that its accounted depth is known: the state there, but for how this way leads to
  // it.
  static State calling_finally(const State& before, const State& block) {
    State after = block;
    for (std::size_t i = 0; i < after.levels.size(); ++i) {
      const bool around = i < before.levels.size() && before.levels[i].base == after.levels[i].base;
      after.levels[i].shortfalls = around ? before.levels[i].shortfalls : 0;
    }
    const std::int64_t shortfall = block.depth - (before.depth + 1);
    const bool possible = 0 < shortfall && shortfall <= kMaxShortfall && !after.levels.empty();
    if (possible) after.levels.back().shortfalls = 1U << static_cast<unsigned>(shortfall);
    if (!possible) after.depth = -1;
    return after;
  }

  [[nodiscard]] State falling(const State& before, const Opcode& opcode, std::uint32_t argument) const {
    State after = before;
    after.depth += stack_effect(opcode, argument);
    if (!instructions_.opcodes().finally_is_shared) return after;
    if (opcode.role == Role::kBeginFinally) {
      after.levels.push_back({.base = before.depth, .shortfalls = 1U << static_cast<unsigned>(kNormalShortfall)});
    } else if (!after.levels.empty()) {
      change_level(after, opcode.role);
    }
    drop_left_levels(after);
    return after;
  }

  static void change_level(State& state, Role role) {
    FinallyLevel& level = state.levels.back();
    const std::uint32_t by_exception = level.shortfalls & kByException;
    if (role == Role::kPopFinally) {
      state.levels.pop_back();
    } else if (role == Role::kWithCleanupStart) {
      level.shortfalls = by_exception | (((level.shortfalls & ~kByException) << 1U) & kAllShortfalls);
    } else if (role == Role::kWithCleanupFinish) {
      level.base -= 1;  // __exit__ is gone from below the block
      // An exception that __exit__ has swallowed leaves the block as if there had been none.
      level.shortfalls = by_exception | (1U << static_cast<unsigned>(kNormalShortfall));
    }
  }

  static void drop_left_levels(State& state) {
    while (!state.levels.empty() && state.levels.back().base >= state.depth) state.levels.pop_back();
  }

  void arrive(std::size_t index, State state) {
    if (state.depth < 0 || state.depth > kMaxDepth || state.levels.size() > kMaxFinallyLevels) {
      arrive_in_conflict(index);
    } else if (reached_[index] == Reached::kNever) {
      reached_[index] = Reached::kAtDepth;
      states_[index] = std::move(state);
      pending_.push_back(index);
    } else if (reached_[index] == Reached::kAtDepth) {
      merge(index, state);
    }
  }

  void merge(std::size_t index, const State& state) {
    State& known = states_[index];
    const auto same_base = [](const FinallyLevel& a, const FinallyLevel& b) { return a.base == b.base; };
    if (known.depth != state.depth || !std::ranges::equal(known.levels, state.levels, same_base)) {
      arrive_in_conflict(index);
      return;
    }
    bool grown = false;
    for (std::size_t i = 0; i < known.levels.size(); ++i) {
      const std::uint32_t merged = known.levels[i].shortfalls | state.levels[i].shortfalls;
      grown = grown || merged != known.levels[i].shortfalls;
      known.levels[i].shortfalls = merged;
    }
    if (grown) pending_.push_back(index);
  }

  void arrive_in_conflict(std::size_t index) {
    if (reached_[index] == Reached::kConflicting) return;
    reached_[index] = Reached::kConflicting;
    pending_.push_back(index);
  }

  const Instructions& instructions_;
  std::span<const ExceptionEntry> entries_;
  std::vector<State> states_;
  std::vector<Reached> reached_;
  std::vector<bool> entered_;  // exception entries
  std::vector<std::size_t> pending_;
};

// The true depths behind an accounted one, smallest first: that is the way without an exception.
std::vector<std::uint16_t> true_depths(const State& state) {
  constexpr std::size_t kMaxPossible = 8;  // more is no answer
  std::vector<std::int64_t> depths{state.depth};
  for (const FinallyLevel& level : state.levels) {
    std::vector<std::int64_t> further;
    for (unsigned shortfall = 0; level.shortfalls >> shortfall != 0; ++shortfall) {
      if ((level.shortfalls >> shortfall & 1U) == 0) continue;
      for (const std::int64_t depth : depths) further.push_back(depth - shortfall);
    }
    std::ranges::sort(further);
    further.erase(std::unique(further.begin(), further.end()), further.end());
    if (further.size() > kMaxPossible) return {};
    depths = std::move(further);
  }
  // Forged code may leave a finally block with no way into it.
  if (depths.empty() || depths.front() < 0) return {};
  std::vector<std::uint16_t> result;
  result.reserve(depths.size());
  for (const std::int64_t depth : depths) result.push_back(static_cast<std::uint16_t>(depth));
  return result;
}

constexpr std::int16_t kUnknown = -1;

}  // namespace

std::optional<StackDepths> StackDepths::analyse(const Instructions& instructions,
                                                std::span<const std::byte> exception_table) {
  const auto entries = exception_entries(exception_table);
  if (!entries) return std::nullopt;
  Flow flow(instructions, *entries);
  if (!flow.run()) return std::nullopt;
  StackDepths result;
  for (std::size_t i = 0; i < instructions.all().size(); ++i) {
    result.depths_.push_back(kUnknown);
    if (flow.reached(i) == Reached::kConflicting) ++result.conflicts_;
    if (flow.reached(i) != Reached::kAtDepth) continue;
    auto depths = true_depths(flow.state(i));
    if (depths.size() == 1) result.depths_.back() = static_cast<std::int16_t>(depths.front());
    if (depths.size() > 1) {
      result.several_.push_back({.instruction = static_cast<std::uint32_t>(i), .depths = std::move(depths)});
    }
  }
  return result;
}

std::optional<unsigned> StackDepths::before(std::size_t instruction) const {
  if (instruction >= depths_.size() || depths_[instruction] < 0) return std::nullopt;
  return static_cast<unsigned>(depths_[instruction]);
}

std::vector<unsigned> StackDepths::possible(std::size_t instruction) const {
  if (const auto depth = before(instruction)) return {*depth};
  const auto several = std::ranges::lower_bound(several_, instruction, {}, &Several::instruction);
  if (several == several_.end() || several->instruction != instruction) return {};
  return {several->depths.begin(), several->depths.end()};
}

}  // namespace snag::python
