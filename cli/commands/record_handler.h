#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "cli/arguments.h"
#include "cli/connect/session.h"
#include "cli/export/profile.h"
#include "cli/view/progress_line.h"

namespace snag::cli {

// Gathers the samples of a recording and says how it goes.
class RecordHandler : public Handler {
 public:
  RecordHandler(const RecordOptions& options, bool keep_order, ProgressLine& progress);

  std::optional<std::string> take(const v1::ServerMessage& message) override;

  // True: some process was attached, so there is something to write.
  [[nodiscard]] bool has_begun() const { return !info_.targets.empty() || profile_.samples() > 0; }
  // Fills in what the daemon could not say any more.
  void finish(const Outcome& outcome);

  [[nodiscard]] const Profile& profile() const { return profile_; }
  [[nodiscard]] const ProfileInfo& info() const { return info_; }

 private:
  void on_target(const v1::Target& target);
  void on_progress(const v1::Progress& progress);

  const RecordOptions& options_;
  ProgressLine& progress_line_;
  Profile profile_;
  ProfileInfo info_;
  std::unordered_map<std::int32_t, std::size_t> target_places_;  // pid -> info_.targets
  v1::Progress last_progress_;
  bool has_summary_ = false;
};

}  // namespace snag::cli
