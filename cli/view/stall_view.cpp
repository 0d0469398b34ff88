#include "cli/view/stall_view.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

#include <time.h>

#include "cli/duration.h"
#include "cli/view/printable.h"
#include "cli/view/words.h"

namespace snag::cli {
namespace {

using std::chrono::nanoseconds;

// "14:03:22.118   2.31 s  " is as wide; what more is known of the stall stands below each other.
const std::string kIndent(24, ' ');

// Local time, as whoever is paged has it on the wall.
std::string wall_time(const google::protobuf::Timestamp& instant) {
  const time_t seconds = instant.seconds();
  tm broken_down{};
  if (::localtime_r(&seconds, &broken_down) == nullptr) return "??:??:??.???";
  const int milliseconds = std::clamp(instant.nanos() / 1'000'000, 0, 999);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%02d:%02d:%02d.%03d", broken_down.tm_hour, broken_down.tm_min,
                broken_down.tm_sec, milliseconds);
  return text.data();
}

std::string right_aligned(const std::string& text, std::size_t width) {
  return text.size() >= width ? text : std::string(width - text.size(), ' ') + text;
}

std::string culprit_words(const v1::Frame& culprit) {
  if (culprit.function().empty() && culprit.file().empty()) return "no Python code on the stack";
  std::string text = printable(culprit.function()) + "()";
  if (culprit.file().empty()) return text;
  text += " " + printable(culprit.file());
  if (culprit.line() > 0) text += ":" + std::to_string(culprit.line());
  return text;
}

Style severity(nanoseconds duration) { return duration >= std::chrono::seconds(1) ? Style::kRed : Style::kYellow; }

std::string first_line(const v1::Stall& stall, bool with_pid, const Output& output) {
  const nanoseconds duration = from_proto(stall.duration());
  std::string text = wall_time(stall.start()) + "  ";
  text += styled(output, severity(duration), right_aligned(format_duration(duration), 8)) + "  ";
  if (with_pid) text += "pid " + std::to_string(stall.pid()) + "  ";
  if (stall.has_task()) text += task_words(stall.task()) + "  ";
  text += styled(output, Style::kBold, culprit_words(stall.culprit()));
  // Worth a word only where it changes what the duration says.
  const nanoseconds uncertainty = from_proto(stall.uncertainty());
  if (uncertainty * 20 > duration) text += "  ±" + format_duration(uncertainty);
  if (stall.ongoing()) text += "  (goes on)";
  if (stall.began_before_attach()) text += "  (began before Snag attached)";
  return text + "\n";
}

std::string cause_line(const v1::Stall& stall, const Output& output) {
  std::string text =
      stall.blocking_call().empty() ? "in its own code" : "blocked in " + printable(stall.blocking_call());
  if (!stall.evidence().sentence().empty()) text += " → " + printable(stall.evidence().sentence());
  std::string shares;
  for (const v1::CauseShare& share : stall.cause_shares()) {
    if (share.share() < 0.005) continue;
    shares += (shares.empty() ? "" : ", ") + cause_words(share.cause()) + " " + percent(share.share(), 0);
  }
  if (shares.empty()) shares = cause_words(stall.cause());
  return kIndent + text + "    " + styled(output, Style::kDim, shares) + "\n";
}

std::string impact_line(const v1::Impact& impact) {
  if (impact.ready_callbacks() <= 0 && impact.overdue_timers() <= 0) return "";
  std::string text = kIndent + "waiting behind it: ";
  if (impact.ready_callbacks() > 0) text += counted(impact.ready_callbacks(), "callback");
  if (impact.overdue_timers() > 0) {
    text += (impact.ready_callbacks() > 0 ? ", " : "") + counted(impact.overdue_timers(), "timer");
    text += " (latest " + format_duration(from_proto(impact.latest())) + " overdue)";
  }
  return text + "\n";
}

std::string remedy_line(const v1::Remedy& remedy, const Output& output) {
  const std::string& words = remedy.summary().empty() ? remedy.replacement() : remedy.summary();
  if (words.empty()) return "";
  return kIndent + styled(output, Style::kGreen, "fix: " + printable(words)) + "\n";
}

std::string loss_line(const v1::Stall& stall) {
  if (stall.partial_samples() == 0 && stall.lost_samples() == 0) return "";
  return kIndent + "seen in " + counted(stall.samples(), "whole stack") + ", " +
         std::to_string(stall.partial_samples()) + " partial, " + std::to_string(stall.lost_samples()) + " lost\n";
}

std::string loops_words(const v1::Target& target) {
  if (target.loops().empty()) return "no event loop yet";
  std::string threads;
  for (const v1::Loop& loop : target.loops()) {
    const std::string name = loop.thread_name().empty() ? std::to_string(loop.tid()) : printable(loop.thread_name());
    threads += (threads.empty() ? "" : ", ") + name;
  }
  return counted(target.loops_size(), "loop") + " on " + threads;
}

}  // namespace

std::string target_line(const v1::Target& target) {
  std::string text = target.core().empty() ? "" : "core " + printable(target.core()) + "  ";
  text += "pid " + std::to_string(target.pid()) + "  ";
  text += (target.implementation().empty() ? "Python" : printable(target.implementation())) + " " +
          printable(target.version()) + "  ";
  std::set<std::string_view> kinds;
  for (const v1::Loop& loop : target.loops()) kinds.insert(loop_words(loop.kind()));
  std::string runner = printable(target.runner());
  for (const std::string_view kind : kinds) {
    if (!kind.empty()) runner += (runner.empty() ? "" : ", ") + std::string(kind);
  }
  if (!runner.empty()) text += runner + "  ";
  if (!target.core().empty()) return text + "layout from " + printable(target.layout_source());
  return text + loops_words(target);
}

std::string stall_text(const v1::Stall& stall, bool with_pid, const Output& output) {
  std::string text = first_line(stall, with_pid, output);
  text += cause_line(stall, output);
  return text + impact_line(stall.impact()) + remedy_line(stall.remedy(), output) + loss_line(stall);
}

}  // namespace snag::cli
