// The bytes belong to somebody else: whatever they are, every function ends, soon, and stays within them. Under
// AddressSanitizer the exact-size copies catch a read beyond the end.

#include <chrono>
#include <random>

#include <catch2/catch.hpp>

#include "readers/python/bytecode/call_site.h"
#include "readers/python/bytecode/exception_table.h"
#include "readers/python/bytecode/for_body.h"
#include "readers/python/bytecode/instructions.h"
#include "readers/python/bytecode/line_table.h"
#include "readers/python/bytecode/stack_depth.h"

namespace snag::python {
namespace {

using Bytes = std::vector<std::byte>;

class Random {
 public:
  std::uint32_t below(std::uint32_t limit) {
    return std::uniform_int_distribution<std::uint32_t>(0, limit - 1)(engine_);
  }
  Bytes bytes(std::size_t size) {
    Bytes result(size);
    for (std::byte& one : result) one = static_cast<std::byte>(below(256));
    return result;
  }
  // Opcodes that exist, so that decoding gets through and the analyses see them.
  Bytes code(const OpcodeSet& opcodes, std::size_t units) {
    Bytes result;
    while (result.size() < 2 * units) {
      const auto opcode = static_cast<std::uint8_t>(below(256));
      if (opcodes.opcodes[opcode].name.empty()) continue;
      result.push_back(static_cast<std::byte>(opcode));
      result.push_back(static_cast<std::byte>(below(4) == 0 ? below(256) : below(6)));
      for (unsigned cache = 0; cache < opcodes.opcodes[opcode].caches * 2U; ++cache) {
        result.push_back(static_cast<std::byte>(below(256)));
      }
    }
    return result;
  }

 private:
  std::mt19937 engine_{20240229};  // NOLINT(cert-msc51-cpp): a failure must come again
};

constexpr Version kVersions[] = {{3, 7}, {3, 8}, {3, 9}, {3, 10}, {3, 11}, {3, 12}, {3, 13}, {3, 14}, {3, 15}};

void use_everything(const OpcodeSet& opcodes, const Bytes& code, const Bytes& exception_table) {
  const auto decoded = Instructions::decode(opcodes, code);
  if (!decoded) return;
  (void)for_body_of(*decoded, 3);
  for (std::uint32_t offset = 0; offset < code.size() + 4; ++offset) (void)decoded->index_at(offset);
  const auto depths = StackDepths::analyse(*decoded, exception_table);
  for (std::size_t i = 0; i <= decoded->all().size(); ++i) {
    for (const unsigned depth : {0U, 1U, 5U, 70000U, UINT32_MAX}) (void)call_site(*decoded, i, depth);
    if (!depths) continue;
    for (const unsigned depth : depths->possible(i)) (void)call_site(*decoded, i, depth);
  }
}

TEST_CASE("random code, and random code of known opcodes, is analysed or refused") {
  Random random;
  for (int round = 0; round < 4000; ++round) {
    for (const Version version : kVersions) {
      const OpcodeSet& opcodes = *find_opcodes(version);
      use_everything(opcodes, random.bytes(random.below(40)), random.bytes(random.below(20)));
      use_everything(opcodes, random.code(opcodes, random.below(60)), {});
      use_everything(opcodes, random.code(opcodes, random.below(60)), random.bytes(random.below(10)));
    }
  }
}

TEST_CASE("random tables yield lines or none") {
  Random random;
  for (int round = 0; round < 20000; ++round) {
    const Bytes table = random.bytes(random.below(40));
    const int first_line = round % 2 == 0 ? static_cast<int>(random.below(1000)) : std::numeric_limits<int>::max();
    for (const auto kind : {LineTableKind::kLnotab, LineTableKind::kLineDeltas, LineTableKind::kLocations}) {
      for (const std::uint32_t offset : {0U, 2U, 100U, UINT32_MAX}) (void)line_at(kind, table, first_line, offset);
    }
    (void)exception_entries(table);
  }
}

TEST_CASE("lines that leave the range of line numbers are none") {
  const Bytes up(2000, std::byte{127});  // pairs of 127 bytes, 127 lines further
  CHECK_FALSE(line_at(LineTableKind::kLnotab, up, std::numeric_limits<int>::max(), 127));
  const Bytes down(2000, std::byte{0x80});  // 3.8: pairs of 128 bytes, 128 lines back
  CHECK_FALSE(line_at(LineTableKind::kLnotab, down, 100, 128));
}

TEST_CASE("a location table that ends within an entry has no line there") {
  // Long form (code 14) for one unit, and nothing behind it; then a number that never ends.
  CHECK_FALSE(line_at(LineTableKind::kLocations, Bytes{std::byte{0xF0}}, 1, 0));
  Bytes endless(100, std::byte{0x7F});
  endless[0] = std::byte{0xF0};
  CHECK_FALSE(position_at(endless, 1, 0));
}

TEST_CASE("an exception table that is out of order is refused") {
  // Two entries with start 5, length 1, target 0, depth 0.
  const Bytes table = {std::byte{0x85}, std::byte{1}, std::byte{0}, std::byte{0},
                       std::byte{0x85}, std::byte{1}, std::byte{0}, std::byte{0}};
  CHECK(exception_entries(std::span(table).first(4)).value().size() == 1);
  CHECK_FALSE(exception_entries(table));
}

TEST_CASE("the largest code that is looked at takes no time to speak of, whatever it is") {
  Random random;
  for (const Version version : kVersions) {
    const OpcodeSet& opcodes = *find_opcodes(version);
    const Bytes code = random.code(opcodes, kMaxCodeBytes / 2 - 100);
    const auto start = std::chrono::steady_clock::now();
    const auto decoded = Instructions::decode(opcodes, std::span(code).first(std::min(code.size(), kMaxCodeBytes)));
    if (decoded) (void)StackDepths::analyse(*decoded, {});
    // A sanitizer slows it tenfold; work that grew with the square would take hours.
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
  }
  CHECK_FALSE(Instructions::decode(*find_opcodes({3, 8}), Bytes(kMaxCodeBytes + 2, std::byte{9})));
}

}  // namespace
}  // namespace snag::python
