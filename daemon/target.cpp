#include "daemon/target.h"

#include <unordered_map>

#include <sys/wait.h>

#include "daemon/clock.h"
#include "readers/process/elf_image.h"
#include "readers/process/live_memory.h"
#include "readers/process/namespaces.h"
#include "readers/process/permission.h"
#include "readers/process/process_end.h"
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

std::string how_ended(int wait_status) {
  if (WIFSIGNALED(wait_status)) return "killed by signal " + std::to_string(WTERMSIG(wait_status));
  return "exit status " + std::to_string(WEXITSTATUS(wait_status));
}

}  // namespace

TargetEnd process_end(Pid pid, const UniqueDescriptor& process) {
  const std::string sentence = "pid " + std::to_string(pid.value) + " has ended";
  const auto status = wait_status_of(process);
  if (!status) return {.sentence = sentence, .how = "has ended"};
  const std::string how = how_ended(*status);
  return {.sentence = sentence + ": " + how, .how = how, .abnormal = *status != 0};
}

Result<std::unique_ptr<Target>> Target::attach(const ProcRoot& proc, Pid pid) {
  if (auto error = why_not(proc, pid)) return fail(std::move(*error));
  auto stat = read_stat(proc, pid);
  if (!stat) return fail(stat);
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
  return std::unique_ptr<Target>(new Target(proc, {.pid = pid, .start_time = stat->start_time}, stat->start_stack,
                                            std::move(*mappings), std::move(*runtime),
                                            offset ? *offset : Nanoseconds{}));
}

Target::Target(const ProcRoot& proc, ProcessIdentity identity, std::uint64_t start_stack, std::vector<Mapping> mappings,
               python::Runtime runtime, Nanoseconds clock_offset)
    : PythonProcess(identity.pid, std::make_unique<LiveMemory>(identity.pid), std::move(runtime), &now),
      proc_(proc),
      identity_(identity),
      process_(open_process(identity.pid)),
      start_stack_(start_stack),
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

std::optional<TargetEnd> Target::ended() const {
  const auto stat = read_stat(proc_, pid());
  if (!stat || stat->start_time != identity_.start_time || stat->is_zombie()) {
    return process_end(pid(), process_);
  }
  const auto left = [&](bool executed, const std::string& how) {
    const std::string sentence = "pid " + std::to_string(pid().value) + " " + how;
    return TargetEnd{.lives = true, .executed = executed, .sentence = sentence, .how = how};
  };
  // A process that is ending has neither a program nor a stack any more, before it is a zombie.
  constexpr std::uint64_t kHidden = 1;
  const std::string executable = executable_of(proc_, pid());
  const bool another_program = !executable_.empty() && !executable.empty() && executable != executable_;
  const bool another_stack = stat->start_stack > kHidden && stat->start_stack != start_stack_;
  if (another_program || another_stack) return left(true, "executes another program now");
  auto now = python::prove_runtime(memory(), runtime().address, runtime().version);
  if (!now && now.error().kind != ErrorKind::kNotPermitted) return left(false, "has no Python runtime any more");
  return std::nullopt;
}

}  // namespace snag::daemon
