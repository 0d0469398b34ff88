// What a frame that stands in C code is calling, held against frames of live interpreters (oracle_calls.py).

#include <algorithm>
#include <map>

#include <catch2/catch.hpp>

#include "readers/python/bytecode/call_site.h"
#include "readers/python/bytecode/instructions.h"
#include "readers/python/bytecode/stack_depth.h"
#include "tests/unit/bytecode/oracle.h"

namespace snag::python {
namespace {

const char* name_of(CallKind kind) {
  switch (kind) {
    case CallKind::kCall:
      return "call";
    case CallKind::kSpecialMethod:
      return "special";
    case CallKind::kEnter:
      return "enter";
    case CallKind::kExit:
      return "exit";
    case CallKind::kAttribute:
      return "attribute";
    case CallKind::kImport:
      return "import";
    case CallKind::kRelease:
      return "release";
  }
  return "?";
}

// Whether what the site says to look for is there: a call's callable is the first that is not NULL, elsewhere any slot
// counts.
bool holds(std::string_view opcode, const CallSite& site, const std::vector<std::uint64_t>& expected,
           const std::vector<std::uint64_t>& stack) {
  if (expected.empty()) return true;
  Dialect tagged{};  // objects are aligned to 16 bytes: before 3.14, too, the bits of the tags are not set
  tagged.tagged_references = true;
  if (site.slot_count == 0) return opcode.starts_with("BUILD_");  // 3.8: any of the operands
  for (std::uint8_t i = 0; i < site.slot_count; ++i) {
    const std::uint64_t raw = site.slots.at(i) < stack.size() ? stack[site.slots.at(i)] : 0;
    const std::uint64_t word = referent(tagged, raw).value;
    if (std::ranges::find(expected, word) != expected.end()) return true;
    if (word != 0 && site.kind == CallKind::kCall) return false;
  }
  return false;
}

std::string judge(const test::Record& record, const OpcodeSet& opcodes, std::string& opcode) {
  const auto decoded = Instructions::decode(opcodes, record[0]);
  if (!decoded) return "not decoded";
  const auto depths = StackDepths::analyse(*decoded, record[1]);
  const auto index = decoded->index_at(test::numbers<std::uint32_t>(record[2]).at(0));
  if (!depths || !index) return "no depth";
  opcode = decoded->opcode_of(decoded->all()[*index]).name;
  const auto depth = depths->possible(*index);
  if (depth.empty()) return "no depth";
  const auto site = call_site(*decoded, *index, depth.front());
  if (!site) return "no call site";
  if (name_of(site->kind) != test::text(record[3])) return std::string("kind is ") + name_of(site->kind);
  if (site->method != test::text(record[4])) return "method is " + std::string(site->method);
  const int name = test::numbers<std::int32_t>(record[5]).at(0);
  if (site->name_index.has_value() != (name >= 0)) return "wrong whether it has a name";
  if (site->name_index && *site->name_index != static_cast<unsigned>(name)) return "wrong name";
  if (!holds(opcode, *site, test::numbers<std::uint64_t>(record[6]), test::numbers<std::uint64_t>(record[7])))
    return "wrong slot";
  return {};
}

TEST_CASE("a frame that stands in C code is known by what it calls") {
  for (const auto& interpreter : test::interpreters()) {
    test::Oracle oracle(interpreter, "oracle_calls.py");
    std::size_t frames = 0;
    std::size_t wrong = 0;
    std::map<std::string, std::size_t> opcodes;
    while (const auto record = oracle.next()) {
      std::string opcode;
      const std::string verdict = judge(*record, *find_opcodes(interpreter.version), opcode);
      ++frames;
      ++opcodes[opcode];
      if (verdict.empty()) continue;
      ++wrong;
      std::printf("%s, %s %s: %s: %s\n", opcode.c_str(), test::text((*record)[3]).c_str(),
                  test::text((*record)[4]).c_str(), verdict.c_str(), test::text((*record)[8]).c_str());
    }
    INFO(interpreter.name);
    CHECK(oracle.finish() == 0);
    std::printf("%s: %zu different frames that stood in C code, at %zu kinds of instruction\n",
                interpreter.name.c_str(), frames, opcodes.size());
    CHECK(frames > 100);
    CHECK(wrong == 0);
  }
}

}  // namespace
}  // namespace snag::python
