#include "readers/process/permission.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <sys/stat.h>

namespace snag {
namespace {

// A finding, or none where there is nothing to say.
using MaybeFinding = std::optional<Finding>;

std::string pid_text(const AttachFacts& facts) {
  return facts.target ? std::to_string(facts.target->value) : std::string("PID");
}

// How to come by CAP_SYS_PTRACE here.
std::string remedy_by_capability(const AttachFacts& facts) {
  switch (facts.surroundings) {
    case Surroundings::kHost:
      return "sudo snag stalls " + pid_text(facts);
    case Surroundings::kContainer:
      return "docker run --cap-add SYS_PTRACE …";
    case Surroundings::kKubernetes:
      return "kubectl debug --profile=general --target=CONTAINER -it POD --image=IMAGE";
  }
  return {};
}

bool is_ours(const AttachFacts& facts) { return facts.users_equal && facts.dumpable.value_or(true); }

// CAP_SYS_PTRACE counts in the target's user namespace.
bool is_capable_over_target(const AttachFacts& facts) {
  return facts.capable && (!facts.target || facts.below_our_user_namespace);
}

MaybeFinding judge_process(const AttachFacts& facts) {
  if (!facts.target) return std::nullopt;
  Finding finding = {.name = "process", .outcome = Outcome::kMissing, .finding = {}, .remedy = {}};
  const std::string pid = pid_text(facts);
  switch (facts.attachability) {
    case Attachability::kAttachable:
      return std::nullopt;
    case Attachability::kMissing:
      finding.finding = "There is no process " + pid + " here.";
      finding.remedy = "snag ps";
      break;
    case Attachability::kZombie:
      finding.finding = "Process " + pid + " has ended; its parent has not yet asked for its exit status.";
      break;
    case Attachability::kKernelThread:
      finding.finding = "Process " + pid + " is a thread of the kernel, and has no memory of its own.";
      finding.remedy = "snag ps";
      break;
    case Attachability::kNotAThreadGroup:
      finding.finding = pid + " is a thread of process " + std::to_string(facts.leader) + ".";
      finding.remedy = "snag stalls " + std::to_string(facts.leader);
      break;
  }
  return finding;
}

MaybeFinding judge_seccomp(const AttachFacts& facts) {
  Finding finding = {.name = "seccomp", .outcome = Outcome::kOk, .finding = {}, .remedy = {}};
  const auto by_filter = [&](const std::string& call, int error) {
    return "A seccomp filter keeps us from " + call + " (" + std::generic_category().message(error) + ").";
  };
  if (facts.surroundings == Surroundings::kHost) {
    finding.remedy = "systemctl edit snagd, and there: [Service] SystemCallFilter=process_vm_readv ptrace";
  } else {
    // Docker's and containerd's default filters allow both to who has the capability.
    finding.remedy = remedy_by_capability(facts);
  }
  if (facts.cross_memory_error == ENOSYS) {
    finding.outcome = Outcome::kNote;
    finding.finding =
        "This kernel has no process_vm_readv, or a seccomp filter hides it. /proc/PID/mem is read instead.";
  } else if (facts.cross_memory_error != 0) {
    finding.outcome = Outcome::kNote;
    finding.finding = by_filter("process_vm_readv", facts.cross_memory_error) + " /proc/PID/mem is read instead.";
  } else if (facts.trace_error != 0) {
    finding.outcome = Outcome::kNote;
    finding.finding = by_filter("ptrace", facts.trace_error) + " Threads are never stopped then.";
  } else {
    finding.finding = "The system calls that Snag needs are allowed.";
    finding.remedy.clear();
  }
  return finding;
}

MaybeFinding judge_capability(const AttachFacts& facts) {
  Finding finding = {.name = "capability", .outcome = Outcome::kOk, .finding = {}, .remedy = {}};
  if (is_capable_over_target(facts)) {
    finding.finding = "CAP_SYS_PTRACE is there.";
    return finding;
  }
  if (facts.capable) {
    finding.outcome = is_ours(facts) ? Outcome::kNote : Outcome::kMissing;
    finding.finding = "CAP_SYS_PTRACE is there, but does not count in the user namespace of the target.";
    finding.remedy = "run snag on the host, outside of containers";
    return finding;
  }
  finding.outcome = facts.target && !is_ours(facts) ? Outcome::kMissing : Outcome::kNote;
  finding.finding = "CAP_SYS_PTRACE is not there: only processes of our own user can be read.";
  finding.remedy = remedy_by_capability(facts);
  return finding;
}

MaybeFinding judge_user(const AttachFacts& facts) {
  if (!facts.target || !facts.target_user || is_capable_over_target(facts)) return std::nullopt;
  Finding finding = {.name = "user", .outcome = Outcome::kOk, .finding = "The target is our own user's.", .remedy = {}};
  if (!facts.users_equal) {
    finding.outcome = Outcome::kMissing;
    finding.finding = "The target is user " + std::to_string(*facts.target_user) + "'s, we are user " +
                      std::to_string(facts.our_user) + ", or the groups differ.";
    finding.remedy = remedy_by_capability(facts);
  } else if (facts.dumpable == false) {
    finding.name = "dumpable";
    finding.outcome = Outcome::kMissing;
    finding.finding =
        "The target may not be dumped (prctl PR_SET_DUMPABLE, or it changed its user): only "
        "CAP_SYS_PTRACE reads it.";
    finding.remedy = remedy_by_capability(facts);
  }
  return finding;
}

// Documentation/admin-guide/LSM/Yama.rst. It counts for reading memory as for tracing.
MaybeFinding judge_yama(const AttachFacts& facts) {
  Finding finding = {.name = "yama", .outcome = Outcome::kOk, .finding = {}, .remedy = {}};
  if (!facts.yama_scope || *facts.yama_scope <= 0) {
    finding.finding = facts.yama_scope ? "kernel.yama.ptrace_scope is 0." : "This kernel has no Yama.";
    return finding;
  }
  finding.finding = "kernel.yama.ptrace_scope is " + std::to_string(*facts.yama_scope);
  if (*facts.yama_scope >= 3) {
    finding.outcome = Outcome::kMissing;
    finding.finding += ": no process may read another one, root neither, until the next boot.";
    finding.remedy = "set kernel.yama.ptrace_scope=0 in /etc/sysctl.d/10-ptrace.conf, and reboot";
    return finding;
  }
  if (is_capable_over_target(facts) || (*facts.yama_scope == 1 && facts.descendant)) {
    finding.finding += ", which does not hinder us.";
    return finding;
  }
  finding.outcome = facts.target ? Outcome::kMissing : Outcome::kNote;
  finding.finding += *facts.yama_scope == 1 ? ": without CAP_SYS_PTRACE a process may read only its own children."
                                            : ": only who has CAP_SYS_PTRACE may read other processes.";
  finding.remedy = "sudo sysctl kernel.yama.ptrace_scope=0";
  return finding;
}

MaybeFinding judge_namespaces(const AttachFacts& facts) {
  std::string others;
  const auto add = [&](std::optional<bool> same, const char* name) {
    if (same == false) others += (others.empty() ? "" : ", ") + std::string(name);
  };
  add(facts.same_user_namespace, "user");
  add(facts.same_pid_namespace, "PID");
  add(facts.same_mount_namespace, "mount");
  if (others.empty()) return std::nullopt;
  return Finding{.name = "namespaces",
                 .outcome = Outcome::kNote,
                 .finding = "The target lives in another namespace (" + others +
                            "): a container. Its files are read through /proc/" + pid_text(facts) + "/root.",
                 .remedy = {}};
}

MaybeFinding judge_tracer(const AttachFacts& facts) {
  if (facts.tracer.value == 0) return std::nullopt;
  return Finding{.name = "tracer",
                 .outcome = Outcome::kNote,
                 .finding = "The target is traced by process " + std::to_string(facts.tracer.value) +
                            " (a debugger, strace): it can be read, but not stopped for a sample.",
                 .remedy = {}};
}

MaybeFinding judge_label(const AttachFacts& facts) {
  const auto confines = [](const std::string& label) { return !label.empty() && label != "unconfined"; };
  if (!confines(facts.our_label) && !confines(facts.target_label)) return std::nullopt;
  return Finding{.name = "security module",
                 .outcome = Outcome::kNote,
                 .finding = "AppArmor or SELinux confines us (" + facts.our_label + ") or the target (" +
                            facts.target_label + "), and may refuse on its own.",
                 .remedy = "sudo journalctl -k -g 'apparmor|avc' --since -5min"};
}

// The proof, when it was tried.
MaybeFinding judge_memory(const AttachFacts& facts) {
  if (!facts.read_error) return std::nullopt;
  if (*facts.read_error == 0) {
    return Finding{
        .name = "memory", .outcome = Outcome::kOk, .finding = "The target's memory can be read.", .remedy = {}};
  }
  return Finding{
      .name = "memory",
      .outcome = Outcome::kMissing,
      .finding = "The target's memory cannot be read (" + std::generic_category().message(*facts.read_error) + ").",
      .remedy = remedy_by_capability(facts)};
}

}  // namespace

std::vector<Finding> judge(const AttachFacts& facts) {
  std::vector<Finding> findings;
  if (auto finding = judge_process(facts)) return {*std::move(finding)};
  for (const auto& judge_one : {judge_memory, judge_seccomp, judge_capability, judge_user, judge_yama, judge_namespaces,
                                judge_tracer, judge_label}) {
    if (auto finding = judge_one(facts)) findings.push_back(*std::move(finding));
  }
  if (facts.read_error == 0) {
    // It works: what could stand in the way evidently does not.
    for (Finding& finding : findings) {
      if (finding.outcome != Outcome::kMissing) continue;
      finding.outcome = Outcome::kNote;
      finding.remedy.clear();
    }
  }
  std::stable_partition(findings.begin(), findings.end(),
                        [](const Finding& finding) { return finding.outcome == Outcome::kMissing; });
  return findings;
}

std::vector<Finding> attach_findings(const ProcRoot& root, std::optional<Pid> target) {
  return judge(gather_attach_facts(root, target));
}

}  // namespace snag
