#pragma once

#include "cli/export/exporter.h"

namespace snag::cli {

// Collapsed stacks, as flamegraph.pl, inferno and speedscope read them: one line a distinct stack,
//
//   main (app.py:3);serve (app.py:40);report (app/views.py:41) 17
//
// root first, frames set apart by ';', then a space and the number of samples. A ';' within a name becomes ':' (as
// stackcollapse-*.pl do), and control characters are written out, so that a name can neither split a frame nor a line.
class FoldedExporter : public Exporter {
 public:
  explicit FoldedExporter(bool threads) : threads_(threads) {}
  void write(const Profile& profile, const ProfileInfo& info, Sink& sink) const override;

 private:
  bool threads_;
};

}  // namespace snag::cli
