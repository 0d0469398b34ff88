#include "daemon/inspection.h"

#include <algorithm>

#include "daemon/publish.h"
#include "readers/process/permission.h"
#include "readers/process/process_list.h"

namespace snag::daemon {
namespace {

bool mentions_python(std::string_view text) { return text.find("python") != std::string_view::npos; }

// Whether the process may run Python at all: by its mappings where these may be read, else by its program.
bool may_be_python(const ProcRoot& proc, const ProcessEntry& process) {
  const auto mappings = read_mappings(proc, process.identity.pid);
  if (!mappings) return mentions_python(process.executable) || mentions_python(process.command);
  return std::any_of(mappings->begin(), mappings->end(),
                     [](const Mapping& mapping) { return mapping.is_file() && mentions_python(mapping.path); });
}

// By the extension modules that it has loaded; a loop may still not run.
v1::Loop::Kind loop_kind(const std::vector<Mapping>& mappings) {
  auto kind = v1::Loop::KIND_UNSPECIFIED;
  for (const auto& mapping : mappings) {
    if (mapping.path.find("/uvloop/loop.") != std::string::npos) return v1::Loop::UVLOOP;
    if (mapping.path.find("/_asyncio.") != std::string::npos) kind = v1::Loop::ASYNCIO;
  }
  return kind;
}

v1::Check::Outcome published(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return v1::Check::OK;
    case Outcome::kMissing:
      return v1::Check::MISSING;
    case Outcome::kNote:
      return v1::Check::NOTE;
  }
  return v1::Check::OUTCOME_UNSPECIFIED;
}

void describe_runtime(Request& request, const ProcessEntry& entry, v1::Process& into) {
  auto target = request.attach(entry.identity.pid);
  if (target) {
    into.set_version((*target)->runtime().version_text);
    into.set_implementation("CPython");
    into.set_loop(loop_kind((*target)->mappings()));
    into.set_attachable(true);
    return;
  }
  const auto& error = target.error();
  into.set_reason(to_text(error.detail.empty() ? describe(error) : error.detail));
}

void add_check(v1::Diagnosis& into, std::string name, v1::Check::Outcome outcome, const std::string& finding,
               const std::string& remedy) {
  auto& check = *into.add_checks();
  check.set_name(std::move(name));
  check.set_outcome(outcome);
  check.set_finding(to_text(finding));
  check.set_remedy(to_text(remedy));
}

}  // namespace

void list_python_processes(Request& request) {
  auto processes = list_processes(request.proc());
  v1::ServerMessage message;
  if (!processes) {
    message.mutable_failure()->set_status(v1::Failure::FAILED);
    message.mutable_failure()->set_message(to_text(describe(processes.error())));
    request.send(message);
    return;
  }
  for (const auto& entry : *processes) {
    if (!may_be_python(request.proc(), entry)) continue;
    v1::Process process;
    process.set_pid(entry.identity.pid.value);
    process.set_user(static_cast<std::int32_t>(entry.user));
    process.set_command(to_text(entry.command));
    process.set_runner(runner_of(entry.command));
    describe_runtime(request, entry, process);
    // Programs that only mention Python (a shell that runs a script of that name) are none.
    if (!process.attachable() && !mentions_python(entry.executable) && !entry.executable.empty()) continue;
    *message.mutable_process() = std::move(process);
    request.send(message);
  }
  message.mutable_done();
  request.send(message);
}

void diagnose(Request& request, const v1::Diagnose& asked) {
  v1::ServerMessage message;
  const Pid pid{asked.pid()};
  if (asked.pid() < 0) {
    request.fail_usage("a process id is a positive number");
    return;
  }
  if (asked.pid() != 0 && attachability(request.proc(), pid) == Attachability::kMissing) {
    publish({.kind = ErrorKind::kNoSuchProcess, .what = "diagnose", .detail = "there is no such process"}, pid,
            *message.mutable_failure());
    request.send(message);
    return;
  }
  auto& diagnosis = *message.mutable_diagnosis();
  diagnosis.set_pid(asked.pid());
  bool missing = false;
  const auto target_pid = asked.pid() == 0 ? std::optional<Pid>() : std::optional(pid);
  for (const auto& finding : attach_findings(request.proc(), target_pid)) {
    missing = missing || finding.outcome == Outcome::kMissing;
    add_check(diagnosis, finding.name, published(finding.outcome), finding.finding, finding.remedy);
  }
  if (target_pid && !missing) {
    auto target = request.attach(pid);
    missing = !target;
    if (target) {
      const auto& runtime = (*target)->runtime();
      add_check(diagnosis, "runtime", v1::Check::OK,
                "CPython " + runtime.version_text + " in " + runtime.file + ", layout from " + runtime.layout_source,
                {});
    } else {
      const auto& error = target.error();
      add_check(diagnosis, "runtime", v1::Check::MISSING, error.detail.empty() ? describe(error) : error.detail, {});
    }
  }
  diagnosis.set_attachable(!missing);
  request.send(message);
  v1::ServerMessage last;
  last.mutable_done();
  request.send(last);
}

}  // namespace snag::daemon
