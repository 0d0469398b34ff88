#pragma once

#include "cli/export/exporter.h"

namespace snag::cli {

// https://www.speedscope.app/file-format-schema.json: one profile of type "sampled" a thread, weights in seconds,
// frames shared. Successive equal stacks are one entry with the sum of their weights.
class SpeedscopeExporter : public Exporter {
 public:
  void write(const Profile& profile, const ProfileInfo& info, Sink& sink) const override;
  [[nodiscard]] bool needs_order() const override { return true; }
};

}  // namespace snag::cli
