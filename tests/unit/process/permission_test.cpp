#include "readers/process/permission.h"

#include <algorithm>
#include <cerrno>

#include <catch2/catch.hpp>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/process/child.h"

using namespace snag;
using snag::test::Child;
using snag::test::TemporaryDirectory;

namespace {

const Finding* find(const std::vector<Finding>& findings, const std::string& name) {
  const auto found = std::find_if(findings.begin(), findings.end(), [&](const auto& f) { return f.name == name; });
  return found == findings.end() ? nullptr : &*found;
}

bool has_missing(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(), [](const auto& f) { return f.outcome == Outcome::kMissing; });
}

// A target of another user, seen by somebody without rights, whose read was refused.
AttachFacts refused() {
  AttachFacts facts;
  facts.our_user = 1000;
  facts.target = Pid{4242};
  facts.target_user = 33;
  facts.dumpable = true;
  facts.below_our_user_namespace = true;
  facts.same_user_namespace = facts.same_pid_namespace = facts.same_mount_namespace = true;
  facts.read_error = EPERM;
  return facts;
}

AttachFacts refused_own() {
  AttachFacts facts = refused();
  facts.target_user = 1000;
  facts.users_equal = true;
  return facts;
}

}  // namespace

TEST_CASE("another user's process needs the capability, and the remedy fits the surroundings") {
  AttachFacts facts = refused();
  CHECK(find(judge(facts), "capability")->outcome == Outcome::kMissing);
  CHECK(find(judge(facts), "capability")->remedy == "sudo snag stalls 4242");
  CHECK(find(judge(facts), "user")->outcome == Outcome::kMissing);
  facts.surroundings = Surroundings::kContainer;
  CHECK(find(judge(facts), "capability")->remedy == "docker run --cap-add SYS_PTRACE …");
  facts.surroundings = Surroundings::kKubernetes;
  CHECK(find(judge(facts), "capability")->remedy ==
        "kubectl debug --profile=general --target=CONTAINER -it POD --image=IMAGE");
}

TEST_CASE("Yama's modes are told apart") {
  AttachFacts facts = refused_own();
  facts.yama_scope = 1;
  CHECK(find(judge(facts), "yama")->outcome == Outcome::kMissing);
  CHECK(find(judge(facts), "yama")->remedy == "sudo sysctl kernel.yama.ptrace_scope=0");
  facts.descendant = true;
  CHECK(find(judge(facts), "yama")->outcome == Outcome::kOk);
  facts.yama_scope = 2;
  CHECK(find(judge(facts), "yama")->outcome == Outcome::kMissing);
  facts.capable = true;
  CHECK(find(judge(facts), "yama")->outcome == Outcome::kOk);
  facts.yama_scope = 3;
  CHECK(find(judge(facts), "yama")->outcome == Outcome::kMissing);
  CHECK(find(judge(facts), "yama")->remedy.find("reboot") != std::string::npos);
  facts.yama_scope = 0;
  CHECK(find(judge(facts), "yama")->outcome == Outcome::kOk);
  facts.yama_scope = std::nullopt;
  CHECK(find(judge(facts), "yama")->outcome == Outcome::kOk);
}

TEST_CASE("a process of our own that may not be dumped needs the capability") {
  AttachFacts facts = refused_own();
  facts.dumpable = false;
  REQUIRE(find(judge(facts), "dumpable") != nullptr);
  CHECK(find(judge(facts), "dumpable")->outcome == Outcome::kMissing);
}

TEST_CASE("a capability does not count in a user namespace that is not below ours") {
  AttachFacts facts = refused();
  facts.capable = true;
  facts.same_user_namespace = false;
  facts.below_our_user_namespace = false;
  CHECK(find(judge(facts), "capability")->outcome == Outcome::kMissing);
  CHECK(find(judge(facts), "namespaces")->outcome == Outcome::kNote);
}

TEST_CASE("a seccomp filter is told by what it does to us") {
  AttachFacts facts = refused();
  // /proc/PID/mem takes its place: whether that can be read is told beside it.
  facts.cross_memory_error = GENERATE(ENOSYS, EPERM);
  CHECK(find(judge(facts), "seccomp")->outcome == Outcome::kNote);
  facts.cross_memory_error = 0;
  facts.trace_error = EPERM;
  CHECK(find(judge(facts), "seccomp")->outcome == Outcome::kNote);
}

TEST_CASE("nothing stands in the way of a read that works") {
  AttachFacts facts = refused();
  facts.yama_scope = 2;
  facts.read_error = 0;
  CHECK_FALSE(has_missing(judge(facts)));
  CHECK(find(judge(facts), "memory")->outcome == Outcome::kOk);
}

TEST_CASE("what cannot be a target is all that is said about it") {
  AttachFacts facts = refused();
  facts.attachability = GENERATE(Attachability::kMissing, Attachability::kZombie, Attachability::kKernelThread,
                                 Attachability::kNotAThreadGroup);
  facts.leader = 4000;
  const auto findings = judge(facts);
  REQUIRE(findings.size() == 1);
  CHECK(findings.front().name == "process");
  CHECK(findings.front().outcome == Outcome::kMissing);
  CHECK(findings.front().finding.find("4242") != std::string::npos);
}

TEST_CASE("without a target the machine is judged, and nothing is missing for certain") {
  AttachFacts facts;
  facts.yama_scope = 1;
  const auto findings = judge(facts);
  CHECK_FALSE(has_missing(findings));
  CHECK(find(findings, "yama")->outcome == Outcome::kNote);
  CHECK(find(findings, "memory") == nullptr);
}

TEST_CASE("what stands in the way comes first") {
  const auto findings = judge(refused());
  const auto is_missing = [](const Finding& f) { return f.outcome == Outcome::kMissing; };
  CHECK(std::is_partitioned(findings.begin(), findings.end(), is_missing));
  CHECK(is_missing(findings.front()));
}

TEST_CASE("the facts are read from /proc") {
  const TemporaryDirectory tree;
  tree.write("self/status",
             "Pid:\t7\nUid:\t1000\t1000\t1000\t1000\nGid:\t100\t100\t100\t100\nCapEff:\t0000000000080000\n");
  tree.write("sys/kernel/yama/ptrace_scope", "1\n");
  tree.write("5/status", "Tgid:\t5\nPid:\t5\nTracerPid:\t99\nUid:\t1000\t33\t33\t33\nGid:\t100\t100\t100\t100\n");
  const std::string stat_end =
      " 7 5351 3090 0 -1 4194368 53 0 0 0 0 0 0 0 20 0 1 0 9 4595712 441 1 2 3 4 0 0 0 0 6 16384 1 0 0 17 1 0 0 0 0 "
      "0\n";
  tree.write("5/stat", "5 (x) S" + stat_end);
  tree.write("5/attr/current", "docker-default (enforce)\n");
  for (const char* kind : {"user", "pid", "mnt"}) {
    tree.link(std::string("self/ns/") + kind, std::string(kind) + ":[1]");
    tree.link(std::string("5/ns/") + kind, std::string(kind) + (std::string(kind) == "pid" ? ":[2]" : ":[1]"));
  }
  AttachProbes probes = {.cross_memory = [] { return 0; },
                         .read_memory = [](Pid pid) { return pid.value == 5 ? EPERM : 0; },
                         .trace = [] { return ENOSYS; },
                         .surroundings = [] { return Surroundings::kContainer; }};
  const AttachFacts facts = gather_attach_facts(ProcRoot(tree.path()), Pid{5}, probes);
  CHECK(facts.our_user == 1000);
  CHECK(facts.capable);
  CHECK(facts.yama_scope == 1);
  CHECK(facts.cross_memory_error == 0);
  CHECK(facts.trace_error == ENOSYS);
  CHECK(facts.surroundings == Surroundings::kContainer);
  CHECK(facts.target_user == 33U);
  CHECK_FALSE(facts.users_equal);
  CHECK(facts.same_user_namespace == true);
  CHECK(facts.same_pid_namespace == false);
  CHECK(facts.tracer == Pid{99});
  CHECK(facts.descendant);
  CHECK(facts.target_label == "docker-default (enforce)");
  CHECK(facts.read_error == EPERM);
}

TEST_CASE("a child of ours can be read, which is found out by doing it") {
  const Child child([](const auto& ready) {
    ready();
    ::pause();
  });
  const auto facts = gather_attach_facts(ProcRoot(), child.pid());
  CHECK(facts.read_error == 0);
  CHECK(facts.cross_memory_error == 0);
  CHECK(facts.users_equal);
  CHECK(facts.descendant);
  CHECK(facts.below_our_user_namespace);
  CHECK_FALSE(has_missing(judge(facts)));
}

TEST_CASE("who has no rights is told what is missing, by a real refusal") {
  if (::geteuid() != 0) {
    WARN("skipped: needs root, to give up its rights in a child");
    return;
  }
  const Child target([](const auto& ready) {
    ready();
    ::pause();
  });
  Child observer([&](const auto& ready) {
    static_cast<void>(!::setresgid(65534, 65534, 65534));
    static_cast<void>(!::setresuid(65534, 65534, 65534));
    const auto facts = gather_attach_facts(ProcRoot(), target.pid());
    const auto findings = judge(facts);
    const Finding* capability = find(findings, "capability");
    const Finding* user = find(findings, "user");
    const bool right = facts.read_error == EPERM && !facts.capable && !facts.users_equal && capability != nullptr &&
                       capability->outcome == Outcome::kMissing && user != nullptr &&
                       user->outcome == Outcome::kMissing;
    ready();
    ::_exit(right ? 0 : 1);
  });
  CHECK(WEXITSTATUS(observer.join()) == 0);
}

TEST_CASE("a process that is not dumpable is seen as such") {
  if (::geteuid() != 0) {
    WARN("skipped: needs root, to change the user of a child");
    return;
  }
  const bool dumpable = GENERATE(true, false);
  const Child child([&](const auto& ready) {
    static_cast<void>(!::setresuid(65534, 65534, 65534));
    ::prctl(PR_SET_DUMPABLE, dumpable ? 1 : 0);
    ready();
    ::pause();
  });
  CHECK(gather_attach_facts(ProcRoot(), child.pid()).dumpable == dumpable);
}

TEST_CASE("a tracer of the target is noted") {
  const Child child([](const auto& ready) {
    ready();
    ::pause();
  });
  const Child tracer([&](const auto& ready) {
    ::ptrace(PTRACE_SEIZE, child.pid().value, nullptr, nullptr);
    ready();
    ::pause();
  });
  const auto facts = gather_attach_facts(ProcRoot(), child.pid());
  CHECK(facts.tracer == tracer.pid());
  CHECK(find(judge(facts), "tracer")->outcome == Outcome::kNote);
}
