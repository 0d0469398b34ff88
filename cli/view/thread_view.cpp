#include "cli/view/thread_view.h"

#include <array>

#include "cli/view/printable.h"
#include "cli/view/words.h"

namespace snag::cli {
namespace {

struct StateRow {
  std::string_view letter;  // proc(5), /proc/PID/stat
  std::string_view words;
};
constexpr std::array kStates = {
    StateRow{"R", "running"}, StateRow{"S", "sleeping"}, StateRow{"D", "waiting for a device"},
    StateRow{"T", "stopped"}, StateRow{"t", "traced"},   StateRow{"Z", "zombie"},
    StateRow{"X", "dead"},    StateRow{"I", "idle"},
};

std::string state_words(const std::string& letter) {
  for (const StateRow& row : kStates) {
    if (row.letter == letter) return std::string(row.words);
  }
  return letter.empty() ? "state unknown" : printable(letter);
}

std::string header(const v1::ThreadDump& thread, const Output& output) {
  std::string text = "Thread " + (thread.tid() > 0 ? std::to_string(thread.tid()) : std::string("?"));
  if (!thread.name().empty()) text += " " + printable(thread.name());
  text = styled(output, Style::kBold, text) + "  " + state_words(thread.state());
  if (thread.holds_gil()) text += ", holds the GIL";
  if (thread.interpreter() != 0) text += ", interpreter " + std::to_string(thread.interpreter());
  if (thread.has_loop()) text += ", " + std::string(loop_words(thread.loop().kind())) + " loop";
  if (thread.has_current_task()) text += ", task " + task_words(thread.current_task());
  return text + "\n";
}

}  // namespace

std::string thread_text(const v1::ThreadDump& thread, const Output& output) {
  std::string text = header(thread, output);
  for (const v1::Frame& frame : thread.stack()) text += "    " + frame_words(frame) + "\n";
  if (thread.stack().empty()) text += "    [no Python code]\n";
  if (!thread.complete()) text += "    [only the stable part: the rest moved while it was read]\n";
  return text;
}

}  // namespace snag::cli
