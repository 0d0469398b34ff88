// The depth of the value stack, held against where the evaluation loop has its stack pointer (oracle_depths.py).

#include <algorithm>

#include <catch2/catch.hpp>

#include "readers/python/bytecode/instructions.h"
#include "readers/python/bytecode/stack_depth.h"
#include "tests/unit/bytecode/oracle.h"

namespace snag::python {
namespace {

struct Tally {
  std::size_t code_objects = 0;
  std::size_t points = 0;
  std::size_t several = 0;  // points where the depth is one of several
  std::size_t wrong = 0;
};

// Two instructions that run nobody's code stand at another depth than StackDepths says: GEN_START (3.10) in a generator
// that has been started, and END_FINALLY (to 3.8) when an exception left a with block: one value more, and in 3.7 one
// above it that says that the exception was swallowed.
bool is_known_exception(const Instructions& decoded, std::size_t index, unsigned ours, unsigned truly) {
  const std::string_view name = decoded.opcode_of(decoded.all()[index]).name;
  if (name == "GEN_START") return ours == 0 && truly == 1;
  return name == "END_FINALLY" && index > 0 && (truly == ours + 1 || truly == ours + 2) &&
         decoded.opcode_of(decoded.all()[index - 1]).name == "WITH_CLEANUP_FINISH";
}

void compare(const test::Record& record, const OpcodeSet& opcodes, Tally& tally) {
  const auto decoded = Instructions::decode(opcodes, record[0]);
  REQUIRE(decoded);
  const auto depths = StackDepths::analyse(*decoded, record[1]);
  REQUIRE(depths);
  const auto pairs = test::numbers<std::uint32_t>(record[2]);
  ++tally.code_objects;
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const auto index = decoded->index_at(pairs[i]);
    REQUIRE(index);
    const auto possible = depths->possible(*index);
    ++tally.points;
    if (possible.size() > 1) ++tally.several;
    if (std::ranges::find(possible, pairs[i + 1]) != possible.end()) continue;
    if (!possible.empty() && is_known_exception(*decoded, *index, possible.back(), pairs[i + 1])) continue;
    ++tally.wrong;
    std::printf("%s at %u: %s, truly %u\n", std::string(decoded->opcode_of(decoded->all()[*index]).name).c_str(),
                pairs[i], possible.empty() ? "unknown" : std::to_string(possible.front()).c_str(), pairs[i + 1]);
  }
}

TEST_CASE("the depth found from the code is where the evaluation loop has its stack pointer") {
  for (const auto& interpreter : test::interpreters()) {
    Tally tally;
    test::Oracle oracle(interpreter, "oracle_depths.py 2>/dev/null");
    while (const auto record = oracle.next()) compare(*record, *find_opcodes(interpreter.version), tally);
    INFO(interpreter.name);
    CHECK(oracle.finish() == 0);
    std::printf("%s: %zu code objects, %zu points where real code stood, %zu of them at one of several depths\n",
                interpreter.name.c_str(), tally.code_objects, tally.points, tally.several);
    CHECK(tally.points > 1000);
    CHECK(tally.wrong == 0);
  }
}

}  // namespace
}  // namespace snag::python
