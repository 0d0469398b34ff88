#include "cli/run.h"

#include <variant>

#include "cli/arguments.h"
#include "cli/commands/doctor.h"
#include "cli/commands/dump.h"
#include "cli/commands/ps.h"
#include "cli/commands/record.h"
#include "cli/commands/stalls.h"

namespace snag::cli {
namespace {

// One call a command.
struct Dispatch {
  const Command& command;
  Environment& environment;

  ExitStatus operator()(const StallsOptions& o) const {
    return run_stalls(o, command.json, command.socket, environment);
  }
  ExitStatus operator()(const DumpOptions& o) const { return run_dump(o, command.json, command.socket, environment); }
  ExitStatus operator()(const RecordOptions& o) const {
    return run_record(o, command.json, command.socket, environment);
  }
  ExitStatus operator()(const PsOptions& o) const { return run_ps(o, command.json, command.socket, environment); }
  ExitStatus operator()(const DoctorOptions& o) const {
    return run_doctor(o, command.json, command.socket, environment);
  }
};

}  // namespace

ExitStatus run(std::span<const std::string> arguments, Environment& environment) {
  const auto parsed = parse_arguments(arguments);
  if (const auto* help = std::get_if<Help>(&parsed)) {
    environment.out.write(help->text);
    if (environment.out.ok()) return ExitStatus::kDone;
    return conclude({.end = Outcome::End::kOutputLost}, environment);
  }
  if (const auto* wrong = std::get_if<UsageError>(&parsed)) {
    return fail(environment, ExitStatus::kUsage, wrong->sentence, wrong->remedy);
  }
  const auto& command = std::get<Command>(parsed);
  return std::visit(Dispatch{.command = command, .environment = environment}, command.options);
}

}  // namespace snag::cli
