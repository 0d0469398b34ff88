#pragma once

#include <string>
#include <string_view>

#include "cli/export/exporter.h"

namespace snag::cli {

// An interactive flame graph as one SVG file, root at the top, the widest child first. Zoom, search and details come
// from the script within it (flamegraph.js); where scripts do not run, the picture stands for itself.
//
// Each frame is <g class="frame" data-start data-count data-depth>: its first sample's place, its number of samples,
// and its row, from which the script lays it out anew.
class FlamegraphExporter : public Exporter {
 public:
  // What is drawn at most: browsers get slow beyond it. The narrowest frames are left out first.
  static constexpr std::size_t kMaxDrawn = 20'000;
  // Rows: 17,000 pixels. Deeper stacks are cut off there.
  static constexpr std::uint32_t kMaxRows = 1000;

  explicit FlamegraphExporter(bool threads) : threads_(threads) {}
  void write(const Profile& profile, const ProfileInfo& info, Sink& sink) const override;

 private:
  bool threads_;
};

// For XML text and attribute values: no markup, and no character that XML 1.0 forbids.
[[nodiscard]] std::string xml_escaped(std::string_view text);

}  // namespace snag::cli
