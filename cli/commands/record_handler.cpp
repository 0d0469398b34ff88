#include "cli/commands/record_handler.h"

#include <array>

#include "cli/duration.h"
#include "cli/view/printable.h"
#include "cli/view/words.h"

namespace snag::cli {
namespace {

constexpr std::array<const char*, 3> kModeNames = {"wall", "cpu", "gil"};  // in the order of Mode
// As many processes as a request can name in 4 MiB, and more than anybody watches.
constexpr std::size_t kMaxTargets = 100'000;

}  // namespace

RecordHandler::RecordHandler(const RecordOptions& options, bool keep_order, ProgressLine& progress)
    : options_(options), progress_line_(progress), profile_(keep_order) {
  info_.mode = kModeNames[static_cast<std::size_t>(options.mode)];
  info_.requested_rate = options.rate;
}

void RecordHandler::on_target(const v1::Target& target) {
  const auto [place, is_new] = target_places_.try_emplace(target.pid(), info_.targets.size());
  if (is_new) {
    info_.targets.push_back(target);
  } else {
    info_.targets[place->second] = target;  // it has executed another Python program
  }
  if (target.parent() > 0) {
    progress_line_.say("following pid " + std::to_string(target.pid()) + " (" + printable(target.name()) +
                       "), child of " + std::to_string(target.parent()) + "\n");
    return;
  }
  const std::string until = options_.duration ? "for " + format_duration(*options_.duration) : "until Ctrl-C";
  progress_line_.say("recording pid " + std::to_string(target.pid()) + " (" + printable(target.implementation()) + " " +
                     printable(target.version()) + ") " + until + "\n");
}

void RecordHandler::on_progress(const v1::Progress& progress) {
  last_progress_ = progress;
  std::string text = format_duration(from_proto(progress.elapsed()));
  if (options_.duration) text += " of " + format_duration(*options_.duration);
  progress_line_.update(text + ": " + with_thousands(progress.whole()) + " stacks, " +
                        with_thousands(progress.partial()) + " partial, " + with_thousands(progress.lost()) + " lost");
}

std::optional<std::string> RecordHandler::take(const v1::ServerMessage& message) {
  if (message.has_definitions()) return profile_.add(message.definitions());
  if (message.has_samples()) return profile_.add(message.samples());
  if (message.has_target()) {
    const bool full = info_.targets.size() >= kMaxTargets;
    if (full && !options_.processes.subprocesses) return "more processes than were asked for";
    if (!full) on_target(message.target());  // of children that come and go for days, the later ones have no name
  }
  if (message.has_progress()) on_progress(message.progress());
  if (message.has_warning()) progress_line_.say(error_text(message.warning()));
  if (message.has_summary()) {
    info_.summary = message.summary();
    has_summary_ = true;
  }
  return std::nullopt;
}

void RecordHandler::finish(const Outcome& outcome) {
  progress_line_.clear();
  if (outcome.interrupted) info_.remark = "interrupted";
  if (outcome.end == Outcome::End::kLost) info_.remark = outcome.sentence;
  if (outcome.end == Outcome::End::kFailed) info_.remark = printable(outcome.failure.message());
  if (has_summary_) return;
  v1::SamplingSummary& summary = info_.summary;
  summary.set_requested_rate(options_.rate);
  summary.set_whole(profile_.samples() - profile_.partial());
  summary.set_partial(profile_.partial());
  summary.set_lost(last_progress_.lost());
  summary.set_threads(static_cast<std::int32_t>(profile_.threads().size()));
  *summary.mutable_duration() = last_progress_.elapsed();
  summary.set_ended_because(info_.remark);
}

}  // namespace snag::cli
