#pragma once

#include <memory>

#include "cli/arguments.h"
#include "cli/export/frame_tree.h"
#include "cli/export/profile.h"
#include "cli/export/sink.h"

namespace snag::cli {

// A recording as one file format. Output depends on the profile alone, not on time or chance.
class Exporter {
 public:
  virtual ~Exporter() = default;
  virtual void write(const Profile& profile, const ProfileInfo& info, Sink& sink) const = 0;
  // Profile must keep the order of samples for it.
  [[nodiscard]] virtual bool needs_order() const { return false; }
};

// `threads`: the thread is each stack's first frame. Several processes are told apart in any case.
[[nodiscard]] std::unique_ptr<Exporter> make_exporter(Format format, bool threads);

}  // namespace snag::cli
