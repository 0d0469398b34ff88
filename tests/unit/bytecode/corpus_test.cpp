// Every code object of the standard library, held against what the interpreter itself says of it (oracle_corpus.py).

#include <algorithm>
#include <cstdlib>
#include <set>

#include <catch2/catch.hpp>

#include "readers/python/bytecode/call_site.h"
#include "readers/python/bytecode/exception_table.h"
#include "readers/python/bytecode/instructions.h"
#include "readers/python/bytecode/line_table.h"
#include "readers/python/bytecode/stack_depth.h"
#include "tests/unit/bytecode/oracle.h"

namespace snag::python {
namespace {

using test::Record;

// dialect_of() is another module's; these are facts of the versions.
LineTableKind table_kind(Version version) {
  if (version.minor <= 9) return LineTableKind::kLnotab;
  return version.minor == 10 ? LineTableKind::kLineDeltas : LineTableKind::kLocations;
}

struct Tally {
  std::size_t code_objects = 0;
  std::size_t instructions = 0;
  std::size_t compared = 0;  // instructions whose opcode, argument and targets dis was asked for
  std::size_t positions = 0;
  std::size_t calls = 0;
  std::size_t deepest = 0;  // code objects whose depth reaches co_stacksize
  std::size_t unreachable = 0;
  std::size_t uncertain = 0;
  std::size_t wrong_lines = 0;
  std::size_t wrong_positions = 0;
  std::size_t wrong_instructions = 0;
  std::size_t wrong_targets = 0;
  std::size_t wrong_entries = 0;
  std::size_t wrong_depths = 0;
  std::size_t wrong_calls = 0;
};

void compare_lines(const Record& record, LineTableKind kind, Tally& tally) {
  const int first_line = test::numbers<std::int32_t>(record[3])[0];
  const auto lines = test::numbers<std::int32_t>(record[4]);
  for (std::uint32_t unit = 0; unit < lines.size(); ++unit) {
    if (line_at(kind, record[1], first_line, 2 * unit).value_or(-1) != lines[unit]) ++tally.wrong_lines;
  }
  const auto positions = test::numbers<std::int32_t>(record[8]);
  for (std::size_t unit = 0; 4 * unit < positions.size(); ++unit) {
    const auto offset = static_cast<std::uint32_t>(2 * unit);
    const Position at = position_at(record[1], first_line, offset).value_or(Position{});
    const std::int32_t ours[] = {at.line.value_or(-1), at.end_line.value_or(-1), at.column.value_or(-1),
                                 at.end_column.value_or(-1)};
    ++tally.positions;
    if (!std::equal(std::begin(ours), std::end(ours), &positions[4 * unit])) ++tally.wrong_positions;
  }
}

bool was_asked(const std::vector<std::uint32_t>& numbers) {
  return numbers.size() != 1 || numbers[0] != std::numeric_limits<std::uint32_t>::max();
}

void compare_instructions(const Record& record, const Instructions& decoded, Tally& tally) {
  const auto expected = test::numbers<std::uint32_t>(record[5]);
  const auto all = decoded.all();
  tally.instructions += all.size();
  if (!was_asked(expected)) return;
  tally.compared += all.size();
  if (3 * all.size() != expected.size()) ++tally.wrong_instructions;
  for (std::size_t i = 0; i < all.size() && 3 * i < expected.size(); ++i) {
    if (all[i].opcode_offset != expected[3 * i] || all[i].opcode != expected[3 * i + 1]) ++tally.wrong_instructions;
    // dis says None, here 0, for the argument of an opcode that has none, whatever byte is there.
    if (all[i].argument != expected[3 * i + 2] && expected[3 * i + 2] != 0) ++tally.wrong_instructions;
  }
  const auto targets = test::numbers<std::uint32_t>(record[6]);
  std::set<std::uint32_t> ours;
  for (const Instruction& one : all) {
    if (const auto target = decoded.jump_target(one)) ours.insert(all[*target].begin);
  }
  if (!std::ranges::equal(ours, targets)) ++tally.wrong_targets;
}

void compare_exception_table(const Record& record, Tally& tally) {
  const auto expected = test::numbers<std::uint32_t>(record[7]);
  const auto entries = exception_entries(record[2]);
  if (!entries || entries->size() * 5 != expected.size()) {
    ++tally.wrong_entries;
    return;
  }
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const ExceptionEntry& one = (*entries)[i];
    const std::uint32_t ours[] = {one.start, one.end, one.target, one.depth, one.pushes_index ? 1U : 0U};
    if (!std::equal(std::begin(ours), std::end(ours), &expected[5 * i])) ++tally.wrong_entries;
  }
}

// A call's callable must lie on the stack.
void check_call(const Instructions& decoded, std::size_t index, unsigned depth, Tally& tally) {
  const std::string_view name = decoded.opcode_of(decoded.all()[index]).name;
  if (!name.starts_with("CALL") || name.starts_with("CALL_INTRINSIC") || name == "CALL_FINALLY") return;
  ++tally.calls;
  const auto site = call_site(decoded, index, depth);
  if (!site || site->kind != CallKind::kCall || site->slots[0] >= depth) ++tally.wrong_calls;
}

void check_depths(const Record& record, const Instructions& decoded, Tally& tally) {
  const auto stack_size = static_cast<unsigned>(test::numbers<std::int32_t>(record[3])[1]);
  const auto depths = StackDepths::analyse(decoded, record[2]);
  if (!depths || depths->conflicts() != 0 || depths->before(0) != 0U) {
    ++tally.wrong_depths;
    return;
  }
  unsigned deepest = 0;
  for (std::size_t i = 0; i < decoded.all().size(); ++i) {
    const auto possible = depths->possible(i);
    if (possible.empty()) ++tally.unreachable;
    if (possible.size() > 1) ++tally.uncertain;
    for (const unsigned depth : possible) {
      deepest = std::max(deepest, depth);
      check_call(decoded, i, depth, tally);
    }
  }
  if (deepest > stack_size) ++tally.wrong_depths;
  if (deepest == stack_size) ++tally.deepest;
}

// All code objects are compared, or with SNAG_CORPUS_EVERY=N in the environment one in N: what takes forty seconds
// takes six minutes under a sanitizer, which looks for other faults than wrong lines.
std::size_t every() {
  const char* asked = std::getenv("SNAG_CORPUS_EVERY");
  return asked == nullptr ? 1 : std::max(1UL, std::strtoul(asked, nullptr, 10));
}

Tally compare(const test::Interpreter& interpreter) {
  const OpcodeSet& opcodes = *find_opcodes(interpreter.version);
  Tally tally;
  test::Oracle oracle(interpreter, "oracle_corpus.py");
  for (std::size_t number = 0; const auto record = oracle.next(); ++number) {
    if (number % every() != 0) continue;
    ++tally.code_objects;
    compare_lines(*record, table_kind(interpreter.version), tally);
    compare_exception_table(*record, tally);
    const auto decoded = Instructions::decode(opcodes, record->front());
    if (!decoded) {
      ++tally.wrong_instructions;
      continue;
    }
    compare_instructions(*record, *decoded, tally);
    check_depths(*record, *decoded, tally);
  }
  CHECK(oracle.finish() == 0);
  return tally;
}

void report(const test::Interpreter& interpreter, const Tally& tally) {
  std::printf(
      "%s: %zu code objects, %zu instructions, of %zu opcode and target; %zu positions; %zu calls; depth reaches "
      "co_stacksize in %zu, %zu instructions unreachable, %zu at several depths\n",
      interpreter.name.c_str(), tally.code_objects, tally.instructions, tally.compared, tally.positions, tally.calls,
      tally.deepest, tally.unreachable, tally.uncertain);
}

TEST_CASE("every instruction of the standard library has CPython's own line, opcode, targets and a depth that fits") {
  for (const auto& interpreter : test::interpreters()) {
    const Tally tally = compare(interpreter);
    report(interpreter, tally);
    INFO(interpreter.name);
    CHECK(tally.code_objects > 1000 / every());
    const std::vector<std::size_t> wrong = {tally.wrong_lines,   tally.wrong_positions, tally.wrong_instructions,
                                            tally.wrong_targets, tally.wrong_entries,   tally.wrong_depths,
                                            tally.wrong_calls};
    CHECK(wrong == std::vector<std::size_t>(7, 0));
  }
}

}  // namespace
}  // namespace snag::python
