#include "cli/commands/doctor.h"

#include <algorithm>
#include <vector>

#include "cli/view/diagnosis_view.h"
#include "cli/view/json_line.h"
#include "cli/view/words.h"

namespace snag::cli {
namespace {

// A missing process or Python runtime is another status than a missing permission.
ExitStatus status_of(const v1::Diagnosis& diagnosis) {
  if (diagnosis.attachable()) return ExitStatus::kDone;
  const bool no_process = std::any_of(diagnosis.checks().begin(), diagnosis.checks().end(), [](const auto& check) {
    return check.outcome() == v1::Check::MISSING && (check.name() == "process" || check.name() == "runtime");
  });
  return no_process ? ExitStatus::kNoSuchProcess : ExitStatus::kNotPermitted;
}

class DoctorHandler : public Handler {
 public:
  DoctorHandler(bool json, Environment& environment) : json_(json), environment_(environment) {}

  std::optional<std::string> take(const v1::ServerMessage& message) override {
    Output& out = environment_.out;
    if (message.has_warning()) environment_.error.write(error_text(message.warning()));
    if (!message.has_diagnosis()) return std::nullopt;
    out.write(json_ ? json_line("diagnosis", message.diagnosis()) : diagnosis_text(message.diagnosis(), out));
    status_ = status_of(message.diagnosis());
    return std::nullopt;
  }

  [[nodiscard]] ExitStatus status() const { return status_; }

 private:
  const bool json_;
  Environment& environment_;
  ExitStatus status_ = ExitStatus::kFailed;  // a daemon that sends no diagnosis
};

}  // namespace

ExitStatus run_doctor(const DoctorOptions& options, bool json, const std::optional<std::string>& socket,
                      Environment& environment) {
  ConnectResult connected = environment.connect(socket);
  if (const auto* error = std::get_if<ConnectError>(&connected)) {
    return fail(environment, ExitStatus::kFailed, error->sentence, error->remedy);
  }
  Session session(std::get<Connection>(connected), environment.signals);
  std::vector<std::int32_t> pids = options.pids;
  if (pids.empty()) pids.push_back(0);
  // Of several processes the first that cannot be attached decides.
  ExitStatus first_wrong = ExitStatus::kDone;
  for (const std::int32_t pid : pids) {
    v1::ClientMessage message;
    message.mutable_diagnose()->set_pid(pid);
    DoctorHandler handler(json, environment);
    const Outcome outcome = session.request(message, handler, &environment.out);
    ExitStatus status = conclude(outcome, environment);
    if (status == ExitStatus::kDone) status = handler.status();
    if (first_wrong == ExitStatus::kDone) first_wrong = status;
    const bool answered = outcome.end == Outcome::End::kDone || outcome.end == Outcome::End::kFailed;
    if (!answered || outcome.interrupted) break;
  }
  return first_wrong;
}

}  // namespace snag::cli
