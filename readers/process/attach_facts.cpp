#include <array>
#include <cerrno>
#include <string_view>

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <unistd.h>

#include "readers/base/printable.h"
#include "readers/process/live_memory.h"
#include "readers/process/namespaces.h"
#include "readers/process/permission.h"
#include "readers/process/proc_number.h"
#include "readers/process/unique_descriptor.h"

namespace snag {
namespace {

constexpr const char* kStatus = "/proc/PID/status";
// MAX_USER_NS_LEVEL and MAX_PID_NS_LEVEL of the kernel.
constexpr int kMaxNamespaceDepth = 33;
// Ancestors that are followed: a chain of shells, supervisors and wrappers has some ten.
constexpr int kMaxAncestors = 256;
constexpr std::size_t kMaxLabel = 256;

std::string field(const std::filesystem::path& status, std::string_view name) {
  auto value = read_proc_field(status, name, kStatus);
  return value ? *std::move(value) : std::string();
}

// "Uid:" and "Gid:" name the real, effective, saved and file system's one.
std::optional<std::array<std::uint32_t, 3>> real_effective_saved(const std::string& text) {
  std::array<std::uint32_t, 3> numbers = {};
  std::string_view rest = text;
  for (std::uint32_t& number : numbers) {
    if (!take_number(rest, number)) return std::nullopt;
  }
  return numbers;
}

// kernel/ptrace.c, __ptrace_may_access with PTRACE_MODE_REALCREDS: our real ids against all three of the target.
bool are_equal(const std::string& ours, const std::string& theirs) {
  const auto our_ids = real_effective_saved(ours);
  const auto their_ids = real_effective_saved(theirs);
  if (!our_ids || !their_ids) return false;
  const std::uint32_t real = our_ids->front();
  return *their_ids == std::array{real, real, real};
}

// A process that may not be dumped has its /proc files owned by root (proc(5)). Nothing to be told by for root's own.
std::optional<bool> is_dumpable(const ProcRoot& root, Pid pid, std::optional<std::uint32_t> user) {
  struct stat status = {};
  if (!user || *user == 0 || ::stat(root.of(pid, "environ").c_str(), &status) != 0) return std::nullopt;
  return status.st_uid == *user;
}

std::string read_label(const std::filesystem::path& directory) {
  auto label = read_proc_file(directory / "attr/current", kMaxSmallProcFile, "/proc/PID/attr/current");
  if (!label) return {};
  const std::size_t end = label->find_last_not_of(std::string_view("\n\0", 2));
  label->resize(end == std::string::npos ? 0 : end + 1);
  return printable(*label, kMaxLabel);
}

// Whether the target's user namespace is ours or one below it: upwards from it (ioctl_ns(2)).
bool is_below_our_user_namespace(const ProcRoot& root, Pid pid) {
  struct stat ours = {};
  if (::stat((root.path() / "self/ns/user").c_str(), &ours) != 0) return false;
  UniqueDescriptor space(::open(root.of(pid, "ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  for (int depth = 0; depth < kMaxNamespaceDepth && space.is_open(); ++depth) {
    struct stat status = {};
    if (::fstat(space.get(), &status) != 0) return false;
    if (status.st_ino == ours.st_ino && status.st_dev == ours.st_dev) return true;
    space = UniqueDescriptor(::ioctl(space.get(), NS_GET_PARENT));
  }
  return false;
}

bool descends_from_us(const ProcRoot& root, Pid pid) {
  const auto us = whole_number<std::int32_t>(field(root.path() / "self/status", "Pid"));
  for (int i = 0; us && i < kMaxAncestors && pid.value > 1; ++i) {
    if (pid.value == *us) return true;
    const auto stat = read_stat(root, pid);
    if (!stat) return false;
    pid = stat->parent;
  }
  return false;
}

std::optional<bool> shares(const ProcRoot& root, Pid pid, std::string_view kind) {
  const auto shared = shares_namespace(root, pid, kind);
  return shared ? std::optional(*shared) : std::nullopt;
}

void add_target(AttachFacts& facts, const ProcRoot& root, Pid pid, const AttachProbes& probes) {
  facts.target = pid;
  facts.attachability = attachability(root, pid);
  if (facts.attachability == Attachability::kMissing) return;
  const auto status = root.of(pid, "status");
  if (facts.attachability == Attachability::kNotAThreadGroup) {
    facts.leader = whole_number<std::int32_t>(field(status, "Tgid")).value_or(0);
  }
  const std::string users = field(status, "Uid");
  if (const auto ids = real_effective_saved(users)) facts.target_user = (*ids)[1];
  const auto own_status = root.path() / "self/status";
  facts.users_equal =
      are_equal(field(own_status, "Uid"), users) && are_equal(field(own_status, "Gid"), field(status, "Gid"));
  facts.dumpable = is_dumpable(root, pid, facts.target_user);
  facts.same_user_namespace = shares(root, pid, "user");
  facts.same_pid_namespace = shares(root, pid, "pid");
  facts.same_mount_namespace = shares(root, pid, "mnt");
  facts.below_our_user_namespace = is_below_our_user_namespace(root, pid);
  facts.tracer = {whole_number<std::int32_t>(field(status, "TracerPid")).value_or(0)};
  facts.descendant = descends_from_us(root, pid);
  facts.target_label = read_label(root.of(pid, ""));
  facts.read_error = probes.read_memory(pid);
}

// One byte of the first page, which is never mapped: the kernel checks the permission before the address.
int try_to_read(Pid pid) {
  const auto byte = LiveMemory(pid).read_value<std::byte>({0}, "first page");
  return byte || byte.error().kind == ErrorKind::kUnreadable ? 0 : byte.error().system_error;
}

int try_to_trace() {
  if (::ptrace(PTRACE_INTERRUPT, 0, nullptr, nullptr) == 0 || errno == ESRCH) return 0;
  return errno;
}

Surroundings find_surroundings() {
  if (::access("/var/run/secrets/kubernetes.io", F_OK) == 0) return Surroundings::kKubernetes;
  // Docker's mark, and Podman's.
  for (const char* mark : {"/.dockerenv", "/run/.containerenv"}) {
    if (::access(mark, F_OK) == 0) return Surroundings::kContainer;
  }
  return Surroundings::kHost;
}

}  // namespace

AttachProbes AttachProbes::real() {
  return {.cross_memory = cross_memory_error,
          .read_memory = try_to_read,
          .trace = try_to_trace,
          .surroundings = find_surroundings};
}

AttachFacts gather_attach_facts(const ProcRoot& root, std::optional<Pid> target, const AttachProbes& probes) {
  AttachFacts facts;
  facts.surroundings = probes.surroundings();
  const auto own_status = root.path() / "self/status";
  if (const auto ids = real_effective_saved(field(own_status, "Uid"))) facts.our_user = ids->front();
  const auto capabilities = whole_number<std::uint64_t>(field(own_status, "CapEff"), 16).value_or(0);
  facts.capable = (capabilities >> CAP_SYS_PTRACE & 1U) != 0;
  if (auto scope = read_proc_file(root.path() / "sys/kernel/yama/ptrace_scope", kMaxSmallProcFile, "Yama")) {
    int number = 0;
    std::string_view rest = *scope;
    if (take_number(rest, number)) facts.yama_scope = number;
  }
  facts.cross_memory_error = probes.cross_memory();
  facts.trace_error = probes.trace();
  facts.our_label = read_label(root.path() / "self");
  if (target) add_target(facts, root, *target, probes);
  return facts;
}

}  // namespace snag
