#include "cli/view/summary_view.h"

#include <array>
#include <cstdio>
#include <map>

#include "cli/duration.h"
#include "cli/view/printable.h"
#include "cli/view/words.h"

namespace snag::cli {
namespace {

std::string rate_words(const v1::SamplingSummary& summary) {
  if (summary.requested_rate() <= 0) return "";
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "%.4g of %.4g samples/s, ", summary.achieved_rate(),
                summary.requested_rate());
  return text.data();
}

// What became of the processes, where there was more than one, or one ended before its time.
std::string process_words(const v1::SamplingSummary& summary) {
  std::string ends;
  int abnormal = 0;
  constexpr int kNamed = 4;  // a line has room for some; --json tells all
  for (const v1::ProcessEnd& end : summary.ended_processes()) {
    if (!end.abnormal() || ++abnormal > kNamed) continue;
    ends += ", pid " + std::to_string(end.pid()) + " " + printable(end.how()) + " after " +
            format_duration(from_proto(end.after()));
  }
  if (abnormal > kNamed) ends += ", and " + std::to_string(abnormal - kNamed) + " more not as they should";
  if (summary.processes() < 2 && ends.empty() && summary.missed_processes() == 0) return "";
  std::string text =
      "; " + with_thousands(summary.processes()) + (summary.processes() == 1 ? " process" : " processes");
  if (summary.ended_processes_size() > 0) text += ", " + with_thousands(summary.ended_processes_size()) + " ended";
  text += ends;
  if (summary.missed_processes() > 0) {
    text += ", " + with_thousands(summary.missed_processes()) + " ended too soon to be attached";
  }
  return text;
}

}  // namespace

std::string losses(const v1::SamplingSummary& summary) {
  std::string text = with_thousands(summary.lost()) + " lost";
  // Sorted, so that two runs compare.
  const std::map<std::string, std::int64_t> reasons(summary.lost_by_reason().begin(), summary.lost_by_reason().end());
  std::string list;
  for (const auto& [reason, count] : reasons) {
    list += (list.empty() ? "" : ", ") + printable(reason) + " " + with_thousands(count);
  }
  return list.empty() ? text : text + " (" + list + ")";
}

std::string summary_line(const v1::SamplingSummary& summary) {
  std::string text = format_duration(from_proto(summary.duration())) + ": " + rate_words(summary) +
                     with_thousands(summary.whole()) + " stacks whole, " + with_thousands(summary.partial()) +
                     " partial, " + losses(summary) + ", " + with_thousands(summary.late()) + " late";
  text += "; target stopped for " + format_duration(from_proto(summary.target_stopped()));
  const auto longest = from_proto(summary.longest_stop());
  if (longest.count() > 0) text += " (at most " + format_duration(longest) + " at a time)";
  text += "; Snag used " + format_duration(from_proto(summary.sampler_cpu())) + " CPU";
  text += process_words(summary);
  if (!summary.ended_because().empty()) text += "; ended: " + printable(summary.ended_because());
  return text;
}

}  // namespace snag::cli
