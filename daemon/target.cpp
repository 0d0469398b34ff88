#include "daemon/target.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

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
      libc_(libc_of(mappings_)),
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
  auto states = python::list_thread_states(memory(), runtime(), libc_, tids);
  if (!states) return fail(states);
  find_unknown_numbers(*numbers, *states);
  std::vector<TargetThread> threads;
  for (auto& state : *states) {
    TargetThread thread{.state = state, .tid = {}, .name = {}};
    if (auto found = ours.find(state.tid.value); found != ours.end()) thread.tid = found->second;
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

std::optional<std::string> Target::kernel_name(Tid tid) const {
  auto name = thread_name(proc_, pid(), tid);
  return name ? std::optional(std::move(*name)) : std::nullopt;
}

// What CPython and its libc do not tell of a thread's number, the kernel may. The stacks of threads that began after we
// attached are not among our mappings: those are read anew, for the rare process that needs this.
void Target::find_unknown_numbers(std::span<const ThreadNumbers> numbers,
                                  std::vector<python::ThreadState>& states) const {
  std::unordered_set<std::int32_t> known;
  std::set<Address> unknown;
  for (const auto& state : states) {
    known.insert(state.tid.value);
    if (state.tid == Tid{} && !state.is_lent) unknown.insert(state.pthread);
  }
  const bool any_lent = std::any_of(states.begin(), states.end(), [](const auto& state) { return state.is_lent; });
  if (unknown.empty() && !any_lent) return;
  std::vector<ThreadNumbers> left;
  for (const auto& number : numbers) {
    if (known.count(number.targets) == 0) left.push_back(number);
  }
  if (left.empty() && !any_lent) return;
  auto mappings = read_mappings(proc_, pid());
  if (!mappings) return;
  if (any_lent) find_borrowers(numbers, *mappings, states);
  if (left.empty()) return;
  const std::vector<Address> pthreads(unknown.begin(), unknown.end());
  const auto found = thread_numbers_by_stack(memory(), proc_, pid(), *mappings, pthreads, left);
  for (auto& state : states) {
    if (state.tid != Tid{} || state.is_lent) continue;
    state.tid = found[static_cast<std::size_t>(std::lower_bound(pthreads.begin(), pthreads.end(), state.pthread) -
                                               pthreads.begin())];
  }
}

// Who runs a state that another thread made: the thread on whose stack its frame lies.
void Target::find_borrowers(std::span<const ThreadNumbers> numbers, std::span<const Mapping> mappings,
                            std::vector<python::ThreadState>& states) const {
  std::vector<python::ThreadState*> lent;
  std::vector<Address> places;
  std::unordered_map<std::int32_t, Address> pthreads;
  for (auto& state : states) {
    if (!state.is_lent) pthreads.emplace(state.tid.value, state.pthread);
    if (!state.is_lent || state.on_stack.is_null()) continue;
    lent.push_back(&state);
    places.push_back(state.on_stack);
  }
  if (lent.empty()) return;
  const auto found = thread_numbers_by_stack(memory_, proc_, pid(), mappings, places, numbers);
  for (std::size_t i = 0; i < lent.size(); ++i) {
    lent[i]->tid = found[i];
    if (const auto own = pthreads.find(found[i].value); own != pthreads.end()) lent[i]->pthread = own->second;
  }
}

std::optional<std::string> Target::ended() const {
  const std::string who = "pid " + std::to_string(pid().value);
  if (!still_alive(proc_, identity_)) return who + " has ended";
  if (!executable_.empty() && executable_of(proc_, pid()) != executable_) return who + " executes another program now";
  auto now = python::prove_runtime(memory(), runtime().address, runtime().version);
  if (!now && now.error().kind != ErrorKind::kNotPermitted) return who + " has no Python runtime any more";
  return std::nullopt;
}

}  // namespace snag::daemon
