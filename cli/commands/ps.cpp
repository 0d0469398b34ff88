#include "cli/commands/ps.h"

#include <vector>

#include "cli/view/json_line.h"
#include "cli/view/process_view.h"
#include "cli/view/words.h"

namespace snag::cli {
namespace {

// More than Linux' default pid_max: a daemon that lists more is wrong.
constexpr std::size_t kMaxProcesses = std::size_t{1} << 22U;

// JSON goes out as it comes; a table needs all rows first.
class PsHandler : public Handler {
 public:
  PsHandler(bool json, Environment& environment) : json_(json), environment_(environment) {}

  std::optional<std::string> take(const v1::ServerMessage& message) override {
    if (message.has_warning()) environment_.error.write(error_text(message.warning()));
    if (!message.has_process()) return std::nullopt;
    if (json_) {
      environment_.out.write(json_line("process", message.process()));
    } else if (processes_.size() == kMaxProcesses) {
      return "more processes than Linux can have";
    } else {
      processes_.push_back(message.process());
    }
    return std::nullopt;
  }

  [[nodiscard]] const std::vector<v1::Process>& processes() const { return processes_; }

 private:
  const bool json_;
  Environment& environment_;
  std::vector<v1::Process> processes_;
};

}  // namespace

ExitStatus run_ps(const PsOptions& /*options*/, bool json, const std::optional<std::string>& socket,
                  Environment& environment) {
  v1::ClientMessage message;
  message.mutable_list_processes();
  PsHandler handler(json, environment);
  const ExitStatus status = run_request(message, socket, handler, environment);
  if (!json && (status == ExitStatus::kDone || !handler.processes().empty())) {
    environment.out.write(process_table(handler.processes(), environment.out));
  }
  if (environment.out.ok() || status != ExitStatus::kDone) return status;
  return conclude({.end = Outcome::End::kOutputLost}, environment);
}

}  // namespace snag::cli
