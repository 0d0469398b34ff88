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
  if (!summary.ended_because().empty()) text += "; ended: " + printable(summary.ended_because());
  return text;
}

}  // namespace snag::cli
