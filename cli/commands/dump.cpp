#include "cli/commands/dump.h"

#include <utility>

#include "cli/commands/selection.h"
#include "cli/view/json_line.h"
#include "cli/view/stall_view.h"
#include "cli/view/summary_view.h"
#include "cli/view/thread_view.h"
#include "cli/view/words.h"

namespace snag::cli {
namespace {

class DumpHandler : public Handler {
 public:
  DumpHandler(bool json, Environment& environment) : json_(json), environment_(environment) {}

  std::optional<std::string> take(const v1::ServerMessage& message) override {
    if (message.has_warning()) environment_.error.write(error_text(message.warning()));
    if (message.has_target()) on_target(message.target());
    if (message.has_thread()) on_thread(message.thread());
    if (message.has_summary() && message.summary().lost() > 0) {
      environment_.error.write("snag: " + losses(message.summary()) + "\n");
    }
    return std::nullopt;
  }

 private:
  void on_target(const v1::Target& target) {
    pid_ = target.pid();
    of_core_ = !target.core().empty();
    if (!json_) environment_.out.write(gap() + target_line(target) + "\n");
  }

  void on_thread(const v1::ThreadDump& thread) {
    Output& out = environment_.out;
    if (json_) return out.write(json_line("thread", thread));
    // Threads of several processes must be told apart, also where the daemon sent no word about the process.
    if (thread.pid() != pid_) out.write(gap() + "pid " + std::to_string(thread.pid()) + "\n");
    pid_ = thread.pid();
    out.write(gap() + thread_text(thread, of_core_, out));
  }

  // What goes between two paragraphs.
  std::string gap() { return std::exchange(begun_, true) ? "\n" : ""; }

  const bool json_;
  Environment& environment_;
  std::int32_t pid_ = 0;  // of what was said last
  bool of_core_ = false;
  bool begun_ = false;
};

}  // namespace

ExitStatus run_dump(const DumpOptions& options, bool json, const std::optional<std::string>& socket,
                    Environment& environment) {
  v1::ClientMessage message;
  DumpHandler handler(json, environment);
  if (options.core.empty()) {
    const auto& pids = options.processes.pids;
    message.mutable_dump()->mutable_pids()->Add(pids.begin(), pids.end());
    publish(options.processes, *message.mutable_dump()->mutable_selection());
    return run_request(message, socket, handler, environment);
  }
  message.mutable_dump()->mutable_core()->set_file(options.core);
  message.mutable_dump()->mutable_core()->set_executable(options.executable);
  return run_request(message, environment.connect_privately(), handler, environment);
}

}  // namespace snag::cli
