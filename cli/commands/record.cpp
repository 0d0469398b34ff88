#include "cli/commands/record.h"

#include <array>
#include <cerrno>
#include <utility>

#include <sys/resource.h>

#include "cli/commands/launched_command.h"
#include "cli/commands/record_handler.h"
#include "cli/commands/selection.h"
#include "cli/duration.h"
#include "cli/export/exporter.h"
#include "cli/export/output_file.h"
#include "cli/view/json_line.h"
#include "cli/view/printable.h"
#include "cli/view/summary_view.h"
#include "cli/view/words.h"

namespace snag::cli {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// A program that was just started has no Python runtime yet; a shell around it may take some time.
constexpr milliseconds kRuntimePoll{5};
constexpr std::chrono::seconds kRuntimePatience{10};

// In the order of Mode and Consistency.
constexpr std::array kModes = {v1::Record::WALL, v1::Record::CPU, v1::Record::GIL};
constexpr std::array kConsistencies = {v1::AUTO, v1::NEVER, v1::ALWAYS};

v1::ClientMessage request_for(const RecordOptions& options, std::span<const std::int32_t> pids) {
  v1::ClientMessage message;
  v1::Record& record = *message.mutable_record();
  record.mutable_pids()->Add(pids.begin(), pids.end());
  publish(options.processes, *record.mutable_selection());
  record.set_rate(options.rate);
  if (options.duration) *record.mutable_duration() = to_proto(*options.duration);
  record.set_mode(kModes[static_cast<std::size_t>(options.mode)]);
  record.set_consistency(kConsistencies[static_cast<std::size_t>(options.consistency)]);
  return message;
}

// A recording from the open file to the written one.
class Recording {
 public:
  Recording(const RecordOptions& options, bool json, OutputFile file, Environment& environment)
      : options_(options),
        json_(json),
        file_(std::move(file)),
        environment_(environment),
        exporter_(make_exporter(options.format, options.threads)),
        progress_(environment.error),
        handler_(options, exporter_->needs_order(), progress_) {}

  ExitStatus run(Connection connection) {
    const pid_t tracer = connection.private_daemon().value_or(0);
    Session session(connection, environment_.signals);
    if (options_.command.empty()) {
      stand_back();
      return finish(request(session, options_.processes.pids));
    }
    auto launched = launch(options_.command, tracer);
    if (const auto* wrong = std::get_if<std::string>(&launched)) {
      return fail(environment_, ExitStatus::kFailed, *wrong, "");
    }
    command_ = std::get<Child>(std::move(launched));
    stand_back();
    Outcome outcome = request_command(session);
    pass_signal_on();
    const ExitStatus status = finish(outcome);
    return wait_for_command(status);
  }

 private:
  // Adding samples up can wait; taking them cannot, nor can the program that is recorded. After all that we start is
  // started: it would inherit this.
  static void stand_back() {
    constexpr int kBehindOthers = 5;
    (void)::setpriority(PRIO_PROCESS, 0, kBehindOthers);
  }

  Outcome request(Session& session, std::span<const std::int32_t> pids) {
    Output* watched = file_.is_standard_output() ? &environment_.out : nullptr;
    return session.request(request_for(options_, pids), handler_, watched);
  }

  // Asks again until the program has become Python.
  Outcome request_command(Session& session) {
    const std::array pids = {static_cast<std::int32_t>(command_.pid())};
    const Clock::time_point deadline = Clock::now() + kRuntimePatience;
    for (;;) {
      Outcome outcome = request(session, pids);
      // A runtime that is only half set up fails in many ways; none of them lasts.
      const auto why = outcome.failure.status();
      const bool too_early = outcome.end == Outcome::End::kFailed && !handler_.has_begun() && !outcome.interrupted &&
                             (why == v1::Failure::NO_SUCH_PROCESS || why == v1::Failure::FAILED);
      if (!too_early || Clock::now() >= deadline) return outcome;
      if (const std::optional<int> ended = command_.wait(kRuntimePoll)) {
        outcome.failure.set_message(options_.command.front() + " " + describe_end(*ended) +
                                    " before a Python runtime was found in it");
        outcome.failure.clear_remedy();
        return outcome;
      }
    }
  }

  // The terminal's Ctrl-C reaches the program by itself; what a process sent to us does not.
  void pass_signal_on() {
    const std::optional<int> signal = environment_.signals.received();
    if (!signal || passed_on_) return;
    passed_on_ = true;
    if (environment_.signals.sent_by_process()) command_.send(*signal);
  }

  // It has the terminal, so we stay as long as it does. A second Ctrl-C ends us at once.
  ExitStatus wait_for_command(ExitStatus status) {
    constexpr std::chrono::hours kLook{1};
    while (command_.is_running()) {
      (void)command_.wait(kLook);
      pass_signal_on();
    }
    return status == ExitStatus::kDone && passed_on_ ? ExitStatus::kInterrupted : status;
  }

  ExitStatus finish(const Outcome& outcome) {
    handler_.finish(outcome);
    if (!handler_.has_begun() || outcome.end == Outcome::End::kOutputLost) return conclude(outcome, environment_);
    if (const auto [written, status] = write(); !written) return status;
    const std::string text = summary_line(handler_.info().summary);
    const std::string where = file_.is_standard_output() ? "standard output" : printable(file_.path());
    environment_.error.write("wrote " + where + ": " + text + "\n");
    if (json_) environment_.out.write(json_line("summary", handler_.info().summary));
    return conclude(outcome, environment_);
  }

  std::pair<bool, ExitStatus> write() {
    std::optional<std::string> wrong = file_.begin();
    if (!wrong) {
      FileSink sink(file_.descriptor());
      exporter_->write(handler_.profile(), handler_.info(), sink);
      const int error = sink.finish();
      if (error == EPIPE && file_.is_standard_output()) return {false, ExitStatus::kDone};
      wrong = file_.commit(error);
    }
    if (!wrong) return {true, ExitStatus::kDone};
    return {false, fail(environment_, ExitStatus::kFailed, *wrong, "")};
  }

  const RecordOptions& options_;
  const bool json_;
  OutputFile file_;
  Environment& environment_;
  std::unique_ptr<Exporter> exporter_;
  ProgressLine progress_;
  RecordHandler handler_;
  Child command_;
  bool passed_on_ = false;
};

}  // namespace

ExitStatus run_record(const RecordOptions& options, bool json, const std::optional<std::string>& socket,
                      Environment& environment) {
  auto opened = OutputFile::open(options.output, environment.out.descriptor());
  if (const auto* wrong = std::get_if<std::string>(&opened)) {
    return fail(environment, ExitStatus::kFailed, *wrong, "choose another file with -o");
  }
  ConnectResult connected = environment.connect(socket);
  if (const auto* error = std::get_if<ConnectError>(&connected)) {
    return fail(environment, ExitStatus::kFailed, error->sentence, error->remedy);
  }
  Recording recording(options, json, std::get<OutputFile>(std::move(opened)), environment);
  return recording.run(std::get<Connection>(std::move(connected)));
}

}  // namespace snag::cli
