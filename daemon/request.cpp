#include "daemon/request.h"

#include <algorithm>
#include <array>
#include <optional>

#include "daemon/publish.h"
#include "readers/process/process_list.h"

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
  auto process = read_process(*proc_, pid);
  if (!process || process->user == caller_.user) return {};
  return fail({.kind = ErrorKind::kNotPermitted,
               .what = "attach",
               .detail = "it belongs to user " + std::to_string(process->user) + ", you are user " +
                         std::to_string(caller_.user) + "; run snag as that user or as root"});
}

Result<std::unique_ptr<Target>> Request::attach(Pid pid) {
  if (auto allowed = check_owner(pid); !allowed) return fail(allowed);
  return Target::attach(*proc_, pid);
}

std::vector<std::unique_ptr<Target>> Request::attach(std::span<const std::int32_t> pids) {
  std::vector<std::unique_ptr<Target>> targets;
  if (pids.empty() || std::any_of(pids.begin(), pids.end(), [](std::int32_t pid) { return pid <= 0; })) {
    fail_usage(pids.empty() ? "no process was named" : "a process id is a positive number");
    return targets;
  }
  std::vector<v1::Failure> failures;
  for (const std::int32_t number : pids) {
    const Pid pid{number};
    auto target = attach(pid);
    if (!target) {
      publish(target.error(), pid, failures.emplace_back());
      continue;
    }
    if (auto stat = read_stat(*proc_, pid); stat && stat->is_stopped()) {
      warn(pid, "it is stopped (state " + std::string(1, stat->state) +
                    "): its stacks stand still until it goes on; kill -CONT " + std::to_string(number));
    }
    targets.push_back(std::move(*target));
  }
  for (auto& failure : failures) {
    v1::ServerMessage message;
    (targets.empty() ? *message.mutable_failure() : *message.mutable_warning()) = std::move(failure);
    send(message);
    if (targets.empty()) break;
  }
  return targets;
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

}  // namespace snag::daemon
