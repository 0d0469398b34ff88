#include "daemon/target.h"

#include <unordered_map>

#include "daemon/clock.h"
#include "readers/process/elf_image.h"
#include "readers/process/live_memory.h"
#include "readers/process/namespaces.h"
#include "readers/process/permission.h"
#include "readers/process/threads.h"

namespace snag::daemon {
namespace {

Error refusal(ErrorKind kind, std::string detail) {
  return {.kind = kind, .what = "attach", .detail = std::move(detail)};
}

// What cannot be a target, said before anything of its memory is asked for.
std::optional<Error> why_not(const ProcRoot& proc, Pid pid) {
  switch (attachability(proc, pid)) {
    case Attachability::kAttachable:
      return std::nullopt;
    case Attachability::kMissing:
      return refusal(ErrorKind::kNoSuchProcess, "there is no such process");
    case Attachability::kZombie:
      return refusal(ErrorKind::kNoSuchProcess, "it has ended; a zombie waits for its parent to collect it");
    case Attachability::kKernelThread:
      return refusal(ErrorKind::kNotPython, "it is a kernel thread, not a Python process");
    case Attachability::kNotAThreadGroup:
      return refusal(ErrorKind::kNoSuchProcess, "it is a thread, not a process; give the number of its process");
  }
  return std::nullopt;
}

// The first finding that stands in the way, as the detail of a refusal.
Error not_permitted(const ProcRoot& proc, Pid pid) {
  for (const auto& finding : attach_findings(proc, pid)) {
    if (finding.outcome != Outcome::kMissing) continue;
    std::string sentence = finding.finding;
    if (sentence.ends_with('.')) sentence.pop_back();
    return refusal(ErrorKind::kNotPermitted, sentence + (finding.remedy.empty() ? "" : "; " + finding.remedy));
  }
  return refusal(ErrorKind::kNotPermitted, "the kernel does not let us read its memory; run as root");
}

std::string executable_of(const ProcRoot& proc, Pid pid) {
  auto link = read_proc_link(proc.of(pid, "exe"), "/proc/PID/exe");
  return link ? *link : std::string();
}

ElfOpener opener_of(const ProcRoot& proc, Pid pid) {
  return [&proc, pid](const Mapping& mapping) { return open_mapped_elf(proc, pid, mapping); };
}

}  // namespace

Result<std::unique_ptr<Target>> Target::attach(const ProcRoot& proc, Pid pid) {
  if (auto error = why_not(proc, pid)) return fail(std::move(*error));
  auto identity = identify(proc, pid);
  if (!identity) return fail(identity);
  auto mappings = read_mappings(proc, pid);
  if (!mappings) {
    if (mappings.error().kind == ErrorKind::kNotPermitted) return fail(not_permitted(proc, pid));
    return fail(mappings);
  }
  auto runtime = python::find_runtime(opener_of(proc, pid), LiveMemory(pid), *mappings);
  if (!runtime) {
    if (runtime.error().kind == ErrorKind::kNotPermitted) return fail(not_permitted(proc, pid));
    return fail(runtime);
  }
  auto offset = monotonic_offset(proc, pid);
  return std::unique_ptr<Target>(
      new Target(proc, *identity, std::move(*mappings), std::move(*runtime), offset ? *offset : Nanoseconds{}));
}

Target::Target(const ProcRoot& proc, ProcessIdentity identity, std::vector<Mapping> mappings, python::Runtime runtime,
               Nanoseconds clock_offset)
    : PythonProcess(identity.pid, std::make_unique<LiveMemory>(identity.pid), std::move(runtime), &now),
      proc_(proc),
      identity_(identity),
      mappings_(std::move(mappings)),
      clock_offset_(clock_offset),
      executable_(executable_of(proc, identity.pid)) {}

Result<std::vector<TargetThread>> Target::threads() const {
  auto numbers = all_thread_numbers(proc_, pid());
  if (!numbers) return fail(numbers);
  std::vector<Tid> tids;
  std::unordered_map<std::int32_t, Tid> ours;
  for (const auto& number : *numbers) {
    tids.push_back(Tid{number.targets});
    ours.emplace(number.targets, number.ours);
  }
  auto states = python::list_thread_states(memory(), runtime(), tids);
  if (!states) return fail(states);
  std::vector<TargetThread> threads;
  for (auto& state : *states) {
    TargetThread thread{.state = state, .tid = {}, .name = {}};
    if (auto found = ours.find(state.tid.value); found != ours.end()) {
      thread.tid = found->second;
      if (auto name = thread_name(proc_, pid(), thread.tid)) thread.name = std::move(*name);
    }
    threads.push_back(std::move(thread));
  }
  return threads;
}

std::optional<asyncio::ModuleOffsets> Target::asyncio_offsets() const {
  // Its mappings now: asyncio may have been imported since we attached.
  const auto mappings = read_mappings(proc_, pid());
  if (!mappings) return std::nullopt;
  const auto offsets = asyncio::find_module_offsets(opener_of(proc_, pid()), runtime().file, *mappings);
  return offsets ? *offsets : std::nullopt;
}

std::optional<char> Target::run_state(Tid tid) const {
  auto stat = read_thread_stat(proc_, pid(), tid);
  return stat ? std::optional(stat->state) : std::nullopt;
}

std::optional<std::string> Target::ended() const {
  const std::string who = "pid " + std::to_string(pid().value);
  if (!still_alive(proc_, identity_)) return who + " has ended";
  if (!executable_.empty() && executable_of(proc_, pid()) != executable_) return who + " executes another program now";
  auto now = python::prove_threads(memory(), runtime());
  if (!now && now.error().kind != ErrorKind::kNotPermitted) return who + " has no Python runtime any more";
  return std::nullopt;
}

}  // namespace snag::daemon
