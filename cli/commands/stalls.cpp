#include "cli/commands/stalls.h"

#include <algorithm>

#include "cli/commands/selection.h"
#include "cli/duration.h"
#include "cli/view/json_line.h"
#include "cli/view/stall_view.h"
#include "cli/view/summary_view.h"
#include "cli/view/words.h"

namespace snag::cli {
namespace {

// Writes each stall as it comes.
class StallsHandler : public Handler {
 public:
  StallsHandler(const StallsOptions& options, bool json, Environment& environment)
      : options_(options), json_(json), environment_(environment) {}

  std::optional<std::string> take(const v1::ServerMessage& message) override {
    Output& out = environment_.out;
    if (message.has_warning()) environment_.error.write(error_text(message.warning()));
    if (message.has_target() && !json_) out.write(header(message.target()));
    if (message.has_stall()) on_stall(message.stall());
    if (message.has_summary()) on_summary(message.summary());
    return std::nullopt;
  }

  // Only where the daemon could not finish: what was seen must not look like all there was.
  void note_missing_summary(const Outcome& outcome) {
    if (summary_seen_ || json_ || stalls_ == 0 || outcome.end == Outcome::End::kOutputLost) return;
    environment_.out.write(counted(stalls_, "stall") + " so far; the daemon sent no summary\n");
  }

 private:
  std::string header(const v1::Target& target) {
    std::string text = target_line(target) + "     threshold " + format_duration(options_.threshold);
    if (environment_.out.is_terminal() && !options_.duration) text += "   Ctrl-C to stop";
    return text + "\n";
  }

  void on_stall(const v1::Stall& stall) {
    if (!stall.ongoing()) {
      ++stalls_;
      longest_ = std::max(longest_, from_proto(stall.duration()));
    }
    Output& out = environment_.out;
    out.write(json_ ? json_line("stall", stall) : stall_text(stall, options_.processes.may_be_several(), out));
  }

  void on_summary(const v1::SamplingSummary& summary) {
    summary_seen_ = true;
    if (json_) return environment_.out.write(json_line("summary", summary));
    std::string text = stalls_ == 0 ? "no stall" : counted(stalls_, "stall");
    text += " of " + format_duration(options_.threshold) + " or more";
    if (stalls_ > 0) text += ", the longest " + format_duration(longest_);
    environment_.out.write(text + "\n" + summary_line(summary) + "\n");
  }

  const StallsOptions& options_;
  const bool json_;
  Environment& environment_;
  std::int64_t stalls_ = 0;
  std::chrono::nanoseconds longest_{0};
  bool summary_seen_ = false;
};

}  // namespace

ExitStatus run_stalls(const StallsOptions& options, bool json, const std::optional<std::string>& socket,
                      Environment& environment) {
  v1::ClientMessage message;
  v1::WatchStalls& request = *message.mutable_watch_stalls();
  request.mutable_pids()->Add(options.processes.pids.begin(), options.processes.pids.end());
  publish(options.processes, *request.mutable_selection());
  *request.mutable_threshold() = to_proto(options.threshold);
  if (options.duration) *request.mutable_duration() = to_proto(*options.duration);
  request.set_ongoing(options.ongoing);

  ConnectResult connected = environment.connect(socket);
  if (const auto* error = std::get_if<ConnectError>(&connected)) {
    return fail(environment, ExitStatus::kFailed, error->sentence, error->remedy);
  }
  StallsHandler handler(options, json, environment);
  Session session(std::get<Connection>(connected), environment.signals);
  const Outcome outcome = session.request(message, handler, &environment.out);
  handler.note_missing_summary(outcome);
  return conclude(outcome, environment);
}

}  // namespace snag::cli
