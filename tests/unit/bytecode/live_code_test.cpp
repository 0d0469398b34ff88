// Code as it lies in the memory of interpreters that have run it, and the tables that say what it means.

#include <algorithm>

#include <catch2/catch.hpp>

#include "readers/python/bytecode/for_body.h"
#include "readers/python/bytecode/instructions.h"
#include "tests/unit/bytecode/oracle.h"

namespace snag::python {
namespace {

bool same_instruction(const Instruction& a, const Instruction& b) {
  return a.begin == b.begin && a.end == b.end && a.opcode == b.opcode && a.argument == b.argument;
}

TEST_CASE("the committed opcode tables are what each interpreter says of itself") {
  for (const auto& interpreter : test::interpreters()) {
    INFO(interpreter.name);
    test::Oracle generator(interpreter, "../../../readers/python/bytecode/generate_opcodes.py --check");
    CHECK_FALSE(generator.next());
    CHECK(generator.finish() == 0);
  }
}

struct Tally {
  std::size_t instructions = 0;
  std::size_t rewritten = 0;  // code units that are not what the compiler wrote
  std::size_t compiled = 0;   // code objects of which the second tier has compiled something
};

void compare(const OpcodeSet& opcodes, const test::Record& record, Tally& tally) {
  const auto compiled = Instructions::decode(opcodes, record.at(0));
  const auto covered = test::numbers<CodeUnit>(record.at(2));
  const auto in_memory = Instructions::decode(opcodes, record.at(1), covered);
  if (!covered.empty()) {
    ++tally.compiled;
    CHECK_FALSE(Instructions::decode(opcodes, record.at(1)));
  }
  REQUIRE(compiled);
  REQUIRE(in_memory);
  CHECK(std::ranges::equal(compiled->all(), in_memory->all(), same_instruction));
  tally.instructions += in_memory->all().size();
  for (std::size_t unit = 0; unit < record.at(0).size(); unit += 2) {
    if (record.at(0)[unit] != record.at(1)[unit]) ++tally.rewritten;
  }
}

TEST_CASE("specialised and instrumented code decodes to what the compiler wrote") {
  for (const auto& interpreter : test::interpreters()) {
    Tally tally;
    test::Oracle oracle(interpreter, "oracle_adaptive.py");
    while (const auto record = oracle.next()) compare(*find_opcodes(interpreter.version), *record, tally);
    CHECK(oracle.finish() == 0);
    if (tally.instructions == 0) continue;  // nothing is rewritten before 3.11
    std::printf("%s: %zu instructions as they lie in memory, %zu code units rewritten\n", interpreter.name.c_str(),
                tally.instructions, tally.rewritten);
    CHECK(tally.rewritten > 1000);
  }
}

TEST_CASE("code that the second tier has compiled decodes to what the compiler wrote, given what lies below") {
  for (const auto& interpreter : test::interpreters()) {
    Tally tally;
    test::Oracle oracle(interpreter, "oracle_adaptive.py", "PYTHON_JIT=1");
    while (const auto record = oracle.next()) compare(*find_opcodes(interpreter.version), *record, tally);
    CHECK(oracle.finish() == 0);
    if (tally.compiled == 0) {
      std::printf("skipped: %s has no second tier\n", interpreter.name.c_str());
      continue;
    }
    std::printf("%s: %zu instructions, of which the second tier has compiled some in %zu code objects\n",
                interpreter.name.c_str(), tally.instructions, tally.compiled);
  }
}

void check_loop(const Instructions& decoded, CodeRange body, const test::Record& record) {
  const auto inside = test::numbers<std::uint32_t>(record.at(2));
  const auto outside = test::numbers<std::uint32_t>(record.at(3));
  const auto contains = [&](std::uint32_t offset) { return body.contains(offset); };
  CHECK(std::ranges::all_of(inside, contains));
  CHECK(std::ranges::none_of(outside, contains));
  for (const std::uint32_t offset : test::numbers<std::uint32_t>(record.at(4))) {
    CHECK(body.contains(offset));
    // While a Python callback runs, 3.11 and 3.12 leave the instruction in the call's caches.
    const Instruction& call = decoded.all()[decoded.index_at(offset).value()];
    CHECK(decoded.index_at(call.end - 2) == decoded.index_at(offset));
    CHECK(body.contains(call.end - 2));
  }
}

TEST_CASE("the loop over ready callbacks of _run_once is told from all before and after it") {
  for (const auto& interpreter : test::interpreters()) {
    INFO(interpreter.name);
    test::Oracle oracle(interpreter, "oracle_run_once.py");
    const auto record = oracle.next();
    CHECK(oracle.finish() == 0);
    REQUIRE(record);
    const auto decoded = Instructions::decode(*find_opcodes(interpreter.version), record->at(0));
    REQUIRE(decoded);
    const auto body = for_body_of(*decoded, test::numbers<std::uint32_t>(record->at(1)).at(0));
    REQUIRE(body);
    check_loop(*decoded, *body, *record);
    CHECK_FALSE(for_body_of(*decoded, 200));
  }
}

TEST_CASE("an EXTENDED_ARG prefix belongs to its instruction") {
  // 3.8: EXTENDED_ARG 1, LOAD_CONST 2; RETURN_VALUE. f_lasti is the prefix's offset while the instruction runs.
  const std::byte code[] = {std::byte{144}, std::byte{1}, std::byte{100}, std::byte{2}, std::byte{83}, std::byte{0}};
  const auto decoded = Instructions::decode(*find_opcodes({3, 8}), code);
  REQUIRE(decoded);
  REQUIRE(decoded->all().size() == 2);
  CHECK(decoded->all()[0].argument == 0x102);
  CHECK(decoded->all()[0].opcode_offset == 2);
  CHECK(decoded->index_at(0) == decoded->index_at(2));
  CHECK(decoded->index_at(4) == std::size_t{1});
  CHECK_FALSE(decoded->index_at(6));
}

TEST_CASE("an instruction that a tracer has replaced by one that does not tell what it was is unknown") {
  const std::byte line[] = {std::byte{254}, std::byte{0}, std::byte{83}, std::byte{0}};  // 3.12: INSTRUMENTED_LINE
  CHECK_FALSE(Instructions::decode(*find_opcodes({3, 12}), line));
}

TEST_CASE("a version without a table is refused") {
  CHECK(find_opcodes({3, 6}) == nullptr);
  CHECK(find_opcodes({3, 16}) == nullptr);
}

}  // namespace
}  // namespace snag::python
