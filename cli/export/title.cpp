#include "cli/export/title.h"

#include <array>
#include <cstdio>

#include "cli/duration.h"
#include "cli/view/printable.h"
#include "cli/view/summary_view.h"
#include "cli/view/words.h"

namespace snag::cli {

std::string title_of(const ProfileInfo& info) {
  // A picture has room for some; the rest is a number.
  constexpr std::size_t kNamed = 4;
  std::string text;
  for (std::size_t i = 0; i < info.targets.size() && i < kNamed; ++i) {
    const v1::Target& target = info.targets[i];
    text += (i == 0 ? "pid " : "; pid ") + std::to_string(target.pid());
    const std::string implementation = printable(target.implementation());
    if (!target.version().empty()) text += ", " + implementation + " " + printable(target.version());
    if (!target.runner().empty()) text += ", " + printable(target.runner());
  }
  if (info.targets.size() > kNamed) text += "; and " + std::to_string(info.targets.size() - kNamed) + " more";
  return text.empty() ? "no process" : text;
}

std::string subtitle_of(const Profile& profile, const ProfileInfo& info) {
  const v1::SamplingSummary& summary = info.summary;
  std::array<char, 96> rate{};
  std::snprintf(rate.data(), rate.size(), "%.4g of %.4g samples/s", summary.achieved_rate(), info.requested_rate);
  return counted(profile.samples(), "sample") + " of " +
         counted(static_cast<std::int64_t>(profile.threads().size()), "thread") + ", " + info.mode + ", " +
         rate.data() + " in " + format_duration(from_proto(summary.duration()));
}

std::string losses_of(const ProfileInfo& info) {
  const v1::SamplingSummary& summary = info.summary;
  std::string text = with_thousands(summary.whole()) + " whole, " + with_thousands(summary.partial()) + " partial, " +
                     losses(summary) + ", " + with_thousands(summary.late()) + " late; target stopped for " +
                     format_duration(from_proto(summary.target_stopped()));
  if (!info.remark.empty()) text += "; " + info.remark;
  return text;
}

}  // namespace snag::cli
