#include "daemon/request.h"

#include <array>

#include "daemon/publish.h"
#include "readers/process/process_list.h"
#include "readers/process/threads.h"

namespace snag::daemon {
namespace {

// What is looked for in a command, and the runner that it means; the first that fits.
struct RunnerName {
  std::string_view part;
  std::string_view runner;
};
constexpr std::array<RunnerName, 10> kRunners{{{"gunicorn", "gunicorn"},
                                               {"uvicorn", "uvicorn"},
                                               {"hypercorn", "hypercorn"},
                                               {"daphne", "daphne"},
                                               {"uwsgi", "uwsgi"},
                                               {"celery", "celery"},
                                               {"manage.py", "Django"},
                                               {"ipykernel", "Jupyter"},
                                               {"jupyter", "Jupyter"},
                                               {"quart", "Quart"}}};

}  // namespace

std::string runner_of(const std::string& command) {
  for (const auto& [part, runner] : kRunners) {
    if (command.find(part) != std::string::npos) return std::string(runner);
  }
  return "python";
}

Request::Pause Request::pause_until(Instant deadline) {
  switch (connection_->wait_until(deadline)) {
    case Connection::Wake::kDeadline:
      return Pause::kGoOn;
    case Connection::Wake::kGone:
      return Pause::kStop;
    case Connection::Wake::kMessage:
      break;
  }
  const auto message = connection_->take();
  if (message.has_stop()) return Pause::kStop;
  fail_usage("a request is running already; send Stop first");
  return Pause::kGoOn;
}

Result<void> Request::check_owner(Pid pid) const {
  if (caller_.user == 0) return {};
  auto allowed = runs_as(*proc_, pid, caller_.user);
  if (!allowed || *allowed) return {};  // one that has ended is told so by whoever attaches
  auto process = read_process(*proc_, pid);
  const auto owner = process ? process->user : 0;
  std::string whose = "it belongs to user " + std::to_string(owner) + ", you are user " + std::to_string(caller_.user);
  if (owner == caller_.user) whose = "it runs with another user's rights than yours (set-user-ID)";
  return fail(
      {.kind = ErrorKind::kNotPermitted, .what = "attach", .detail = whose + "; run snag as that user or as root"});
}

Result<std::unique_ptr<Target>> Request::attach(Pid pid) {
  if (auto allowed = check_owner(pid); !allowed) return fail(allowed);
  auto target = Target::attach(*proc_, pid);
  // Once more: the number may have become another process's, or the process another user's, before it was attached.
  if (auto allowed = check_owner(pid); !allowed) return fail(allowed);
  return target;
}

Result<std::unique_ptr<CoreTarget>> Request::open_core(const v1::Core& asked) const {
  if (!caller_.is_owner) {
    return fail({.kind = ErrorKind::kNotPermitted,
                 .what = "core file",
                 .detail = "a daemon that others share reads no core files; snag dump --core starts one of its own"});
  }
  return CoreTarget::open(asked.file(), asked.executable());
}

void Request::describe(const PythonProcess& process, v1::Target& into) const {
  into.set_pid(process.pid().value);
  into.set_version(process.runtime().version_text);
  into.set_implementation("CPython");
  into.set_layout_source(process.runtime().layout_source);
}

void Request::describe(const Target& target, v1::Target& into) const {
  describe(static_cast<const PythonProcess&>(target), into);
  if (auto command = command_of(*proc_, target.pid())) into.set_runner(runner_of(*command));
  if (auto name = thread_name(*proc_, target.pid(), Tid{target.pid().value})) into.set_name(to_text(*name));
}

void Request::fail_usage(std::string message) {
  v1::ServerMessage answer;
  answer.mutable_failure()->set_status(v1::Failure::USAGE);
  answer.mutable_failure()->set_message(std::move(message));
  send(answer);
}

void Request::warn(Pid pid, std::string message) {
  v1::ServerMessage answer;
  answer.mutable_warning()->set_status(v1::Failure::FAILED);
  answer.mutable_warning()->set_pid(pid.value);
  answer.mutable_warning()->set_message("pid " + std::to_string(pid.value) + ": " + std::move(message));
  send(answer);
}

void Request::warn(const Error& error, Pid pid) {
  v1::ServerMessage answer;
  publish(error, pid, *answer.mutable_warning());
  send(answer);
}

}  // namespace snag::daemon
