#include "daemon/stall_evidence.h"

#include <numeric>

#include <catch2/catch.hpp>
#include <sys/syscall.h>

namespace snag::daemon {
namespace {

using Catch::Matchers::WithinAbs;

SeenStack blames(std::string function, std::string blocking_call, bool whole = true) {
  SeenStack seen;
  seen.frames.push_back({.function = std::move(function), .file = "/srv/app/views.py", .line = 1, .module = {}});
  seen.blocking_call = std::move(blocking_call);
  seen.whole = whole;
  return seen;
}

// Stacks of one frame each, told apart by its instruction.
class Stacks {
 public:
  ResolvedStack at(std::int64_t instruction, bool whole = true) const {
    ResolvedStack stack;
    stack.frames.push_back({.function = &function_, .line = 1, .raw = {}});
    stack.frames.back().raw.instruction = instruction;
    stack.whole = whole;
    return stack;
  }

 private:
  python::Function function_{};
};

Situation in_call(std::int64_t number) {
  SystemCall call;
  call.number = number;
  return {.system_call = call, .descriptor = {}, .builtin = {}, .called = {}};
}

void look(StallEvidence& evidence, const ResolvedStack& stack, const SeenStack& seen, int times,
          Cause cause = Cause::kNetwork) {
  auto index = evidence.find(stack, 1);
  if (!index) index = evidence.add(stack, 1, seen);
  REQUIRE(index);
  for (int i = 0; i < times; ++i) evidence.count(*index, in_call(SYS_recvfrom), cause);
}

TEST_CASE("without a look that succeeded there is no verdict") {
  StallEvidence evidence;
  CHECK_FALSE(evidence.verdict());
  evidence.count_lost();
  CHECK_FALSE(evidence.verdict());
  CHECK(evidence.lost() == 1);
}

TEST_CASE("a stack that was seen is found again by its functions, instructions and wholeness") {
  StallEvidence evidence;
  const Stacks stacks;
  const auto index = evidence.add(stacks.at(4), 1, blames("report", "requests.get"));
  CHECK(evidence.find(stacks.at(4), 1) == index);
  CHECK_FALSE(evidence.find(stacks.at(6), 1));
  CHECK_FALSE(evidence.find(stacks.at(4, false), 1));
}

TEST_CASE("the culprit of most looks is blamed, though another's stack was the single most frequent") {
  StallEvidence evidence;
  const Stacks stacks;
  look(evidence, stacks.at(0), blames("once", "time.sleep"), 4);
  look(evidence, stacks.at(2), blames("often", "requests.get"), 3);
  look(evidence, stacks.at(4), blames("often", "requests.get"), 3);
  CHECK(evidence.verdict()->stack.frames.front().function == "often");
}

TEST_CASE("among the culprit's looks the most frequent blocking call decides") {
  StallEvidence evidence;
  const Stacks stacks;
  look(evidence, stacks.at(0), blames("report", "json.loads"), 4);
  look(evidence, stacks.at(2), blames("report", "requests.get"), 3);
  look(evidence, stacks.at(4), blames("report", "requests.get"), 2);
  CHECK(evidence.verdict()->stack.blocking_call == "requests.get");
}

TEST_CASE("of equally frequent stacks a whole one stands for the stall") {
  StallEvidence evidence;
  const Stacks stacks;
  look(evidence, stacks.at(0, false), blames("report", "requests.get", false), 3);
  look(evidence, stacks.at(0, true), blames("report", "requests.get", true), 3);
  CHECK(evidence.verdict()->stack.whole);
  CHECK(evidence.whole() == 3);
  CHECK(evidence.partial() == 3);
}

TEST_CASE("the shares of the causes add up to one, largest first") {
  StallEvidence evidence;
  const Stacks stacks;
  look(evidence, stacks.at(0), blames("report", "requests.get"), 1, Cause::kCpuPython);
  look(evidence, stacks.at(0), blames("report", "requests.get"), 4, Cause::kNetwork);
  look(evidence, stacks.at(2, false), blames("report", "requests.get", false), 2, Cause::kDns);
  const auto verdict = evidence.verdict();
  REQUIRE(verdict);
  CHECK(verdict->cause == Cause::kNetwork);
  REQUIRE(verdict->shares.size() == 3);
  CHECK_THAT(verdict->shares[0].second, WithinAbs(4.0 / 7, 1e-9));
  CHECK(verdict->shares[1].first == Cause::kDns);
  const double sum = std::accumulate(verdict->shares.begin(), verdict->shares.end(), 0.0,
                                     [](double total, const auto& share) { return total + share.second; });
  CHECK_THAT(sum, WithinAbs(1.0, 1e-9));
}

TEST_CASE("distinct stacks are kept up to a bound") {
  StallEvidence evidence;
  const Stacks stacks;
  constexpr auto kRoom = static_cast<std::int64_t>(StallEvidence::kMaxStacks);
  for (std::int64_t i = 0; i < kRoom; ++i) CHECK(evidence.add(stacks.at(i), 1, blames("report", "requests.get")));
  SECTION("beyond it a stack counts for its culprit where that is known") {
    const auto index = evidence.add(stacks.at(kRoom), 1, blames("report", "requests.get"));
    REQUIRE(index);
    CHECK(*index < StallEvidence::kMaxStacks);
  }
  SECTION("and for nobody where it is not") {
    CHECK_FALSE(evidence.add(stacks.at(kRoom), 1, blames("other", "time.sleep")));
  }
}

TEST_CASE("the most frequent system call and what it worked on are told") {
  StallEvidence evidence;
  const Stacks stacks;
  look(evidence, stacks.at(0), blames("report", "requests.get"), 3);
  auto reads = in_call(SYS_read);
  reads.descriptor = Descriptor{.kind = DescriptorKind::kFile, .target = "/etc/hosts", .inode = {}, .ends = {}};
  evidence.count(0, reads, Cause::kDns);
  const auto verdict = evidence.verdict();
  CHECK(verdict->system_call == "recvfrom");
  CHECK(verdict->path == "/etc/hosts");
  CHECK(verdict->endpoint.empty());
}

TEST_CASE("nothing of one stall is left for the next") {
  StallEvidence evidence;
  const Stacks stacks;
  look(evidence, stacks.at(0), blames("report", "requests.get"), 3);
  evidence.clear();
  CHECK_FALSE(evidence.verdict());
  CHECK_FALSE(evidence.find(stacks.at(0), 1));
  CHECK(evidence.whole() == 0);
}

TEST_CASE("a stack with nothing to blame still gives a verdict") {
  StallEvidence evidence;
  const Stacks stacks;
  SeenStack nothing;
  nothing.whole = true;
  look(evidence, stacks.at(0), nothing, 1, Cause::kGil);
  REQUIRE(evidence.verdict());
  CHECK(evidence.verdict()->cause == Cause::kGil);
}

}  // namespace
}  // namespace snag::daemon
