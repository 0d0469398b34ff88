#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "readers/base/ids.h"
#include "readers/process/identity.h"
#include "readers/process/proc_root.h"

namespace snag {

// Where we run: decides which command a remedy names.
enum class Surroundings { kHost, kContainer, kKubernetes };

// What decides whether the kernel lets us read a target: ptrace(2), "Ptrace access mode checking". Facts only; absent
// where there is no target or the fact cannot be known.
struct AttachFacts {
  // Of ourselves.
  Surroundings surroundings = Surroundings::kHost;
  std::uint32_t our_user = 0;     // real
  bool capable = false;           // CAP_SYS_PTRACE is effective
  std::optional<int> yama_scope;  // absent: no Yama in this kernel
  int cross_memory_error = 0;     // errno of any process_vm_readv: 0, or that of a kernel without it or of a filter
  int trace_error = 0;            // errno of a ptrace request to no process: ESRCH is 0 here, a filter's otherwise
  std::string our_label;          // of the security module; "" none

  // Of the target.
  std::optional<Pid> target;
  Attachability attachability = Attachability::kAttachable;
  std::int32_t leader = 0;                   // of the process, if the target is one of its threads; else 0
  std::optional<std::uint32_t> target_user;  // effective
  bool users_equal = false;                  // our real user and group are all of the target's
  std::optional<bool> dumpable;              // absent where it cannot be told: root's processes
  std::optional<bool> same_user_namespace;
  std::optional<bool> same_pid_namespace;
  std::optional<bool> same_mount_namespace;
  bool below_our_user_namespace = false;  // the target's user namespace is ours or descends from it
  Pid tracer;                             // 0: none
  bool descendant = false;                // of ours: what Yama's mode 1 allows
  std::string target_label;
  std::optional<int> read_error;  // errno of an actual read of its memory: 0 it works
};

// What the facts are found by, beyond /proc: each returns an errno, or 0.
struct AttachProbes {
  int (*cross_memory)();
  int (*read_memory)(Pid pid);
  int (*trace)();
  Surroundings (*surroundings)();
  [[nodiscard]] static AttachProbes real();
};

[[nodiscard]] AttachFacts gather_attach_facts(const ProcRoot& root, std::optional<Pid> target,
                                              const AttachProbes& probes = AttachProbes::real());

enum class Outcome { kOk, kMissing, kNote };

// One line of `snag doctor`.
struct Finding {
  std::string name;  // "capability", "yama", "seccomp", "target", "tracer" …
  Outcome outcome = Outcome::kOk;
  std::string finding;  // a sentence
  std::string remedy;   // the exact command; "" where there is none to give
};

// What the facts mean, most decisive first. Something is kMissing only if it does stand in the way.
[[nodiscard]] std::vector<Finding> judge(const AttachFacts& facts);
[[nodiscard]] std::vector<Finding> attach_findings(const ProcRoot& root, std::optional<Pid> target);

}  // namespace snag
