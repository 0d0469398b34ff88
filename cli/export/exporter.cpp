#include "cli/export/exporter.h"

#include "cli/export/flamegraph.h"
#include "cli/export/folded.h"
#include "cli/export/speedscope.h"

namespace snag::cli {

std::unique_ptr<Exporter> make_exporter(Format format, bool threads) {
  switch (format) {
    case Format::kFlamegraph:
      return std::make_unique<FlamegraphExporter>(threads);
    case Format::kFolded:
      return std::make_unique<FoldedExporter>(threads);
    case Format::kSpeedscope:
      return std::make_unique<SpeedscopeExporter>();
  }
  return nullptr;
}

}  // namespace snag::cli
