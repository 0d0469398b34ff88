// What a daemon may send that is not ours: bytes become messages, numbers names, samples a profile, and all is shown.
#include "cli/export/flamegraph.h"
#include "cli/export/folded.h"
#include "cli/export/profile.h"
#include "cli/export/speedscope.h"
#include "cli/view/diagnosis_view.h"
#include "cli/view/json_line.h"
#include "cli/view/process_view.h"
#include "cli/view/stall_view.h"
#include "cli/view/summary_view.h"
#include "cli/view/thread_view.h"
#include "proto/stream/framing.h"
#include "tests/fuzz/input.h"

using namespace snag;

namespace {

void show(const v1::ServerMessage& message, const cli::Output& nowhere, cli::ProfileInfo& info) {
  (void)cli::json_line("message", message);
  if (message.has_stall()) (void)cli::stall_text(message.stall(), true, nowhere);
  if (message.has_thread()) (void)cli::thread_text(message.thread(), nowhere);
  if (message.has_process()) (void)cli::process_table(std::span(&message.process(), 1), nowhere);
  if (message.has_diagnosis()) (void)cli::diagnosis_text(message.diagnosis(), nowhere);
  if (message.has_summary()) {
    (void)cli::summary_line(message.summary());
    info.summary = message.summary();
  }
  if (message.has_target()) {
    (void)cli::target_line(message.target());
    info.targets.push_back(message.target());
  }
}

void write_all(const cli::Profile& profile, const cli::ProfileInfo& info) {
  constexpr cli::FrameTree::Roots kRoots{};
  cli::StringSink sink;
  cli::FoldedExporter(kRoots).write(profile, info, sink);
  cli::SpeedscopeExporter().write(profile, info, sink);
  cli::FlamegraphExporter(kRoots).write(profile, info, sink);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const cli::Output nowhere(-1);
  cli::Profile profile(true);
  cli::ProfileInfo info;
  stream::MessageReader reader;
  v1::ServerMessage message;
  // In two parts, so that messages are cut.
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const auto part : {bytes.first(size / 2), bytes.subspan(size / 2)}) {
    reader.feed(part);
    while (reader.next(message) == stream::MessageReader::Outcome::kMessage) {
      if (message.has_definitions() && profile.add(message.definitions())) return 0;
      if (message.has_samples() && profile.add(message.samples())) return 0;
      show(message, nowhere, info);
    }
  }
  write_all(profile, info);
  return 0;
}
