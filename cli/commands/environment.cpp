#include "cli/commands/environment.h"

#include <system_error>
#include <utility>

#include "cli/view/words.h"

namespace snag::cli {

ExitStatus fail(Environment& environment, ExitStatus status, const std::string& sentence, const std::string& remedy) {
  environment.error.write(error_text(sentence, remedy));
  return status;
}

ExitStatus conclude(const Outcome& outcome, Environment& environment) {
  const ExitStatus if_interrupted = outcome.interrupted ? ExitStatus::kInterrupted : ExitStatus::kFailed;
  switch (outcome.end) {
    case Outcome::End::kDone:
      return outcome.interrupted ? ExitStatus::kInterrupted : ExitStatus::kDone;
    case Outcome::End::kFailed:
      environment.error.write(error_text(outcome.failure));
      return exit_status(outcome.failure.status());
    case Outcome::End::kLost:
      return fail(environment, if_interrupted, outcome.sentence, "");
    case Outcome::End::kOutputLost:
      break;
  }
  // As with head(1): whoever wanted lines has enough of them, and that is no failure.
  if (environment.out.reader_gone()) return ExitStatus::kDone;
  const std::string why = std::generic_category().message(environment.out.system_error());
  return fail(environment, ExitStatus::kFailed, "writing to standard output: " + why, "");
}

ExitStatus run_request(const v1::ClientMessage& message, ConnectResult connected, Handler& handler,
                       Environment& environment) {
  if (const auto* error = std::get_if<ConnectError>(&connected)) {
    return fail(environment, ExitStatus::kFailed, error->sentence, error->remedy);
  }
  Session session(std::get<Connection>(connected), environment.signals);
  return conclude(session.request(message, handler, &environment.out), environment);
}

ExitStatus run_request(const v1::ClientMessage& message, const std::optional<std::string>& socket, Handler& handler,
                       Environment& environment) {
  return run_request(message, environment.connect(socket), handler, environment);
}

}  // namespace snag::cli
