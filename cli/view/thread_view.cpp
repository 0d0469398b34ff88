#include "cli/view/thread_view.h"

#include <array>

#include <string.h>

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

// How the kernel has the thread; of a core, how the process ended in it.
std::string condition(const v1::ThreadDump& thread, bool of_core) {
  if (!of_core) return state_words(thread.state());
  if (thread.signal() == 0) return "";
  const char* name = ::sigabbrev_np(thread.signal());
  return name == nullptr ? "ended by signal " + std::to_string(thread.signal()) : "ended by SIG" + std::string(name);
}

std::string name_of(const v1::ThreadDump& thread) {
  if (!thread.name().empty()) return printable(thread.name());
  return thread.tid() > 0 && thread.tid() == thread.pid() ? "main thread" : "";
}

std::string header(const v1::ThreadDump& thread, bool of_core, const Output& output) {
  std::string text = "Thread " + (thread.tid() > 0 ? std::to_string(thread.tid()) : std::string("?"));
  if (const std::string name = name_of(thread); !name.empty()) text += " " + name;
  std::string words;
  const auto add = [&words](const std::string& more) {
    if (!more.empty()) words += (words.empty() ? "  " : ", ") + more;
  };
  add(condition(thread, of_core));
  if (thread.holds_gil()) add("holds the GIL");
  if (thread.interpreter() != 0) add("interpreter " + std::to_string(thread.interpreter()));
  if (thread.has_loop()) add(std::string(loop_words(thread.loop().kind())) + " loop");
  if (thread.has_current_task()) add("task " + task_words(thread.current_task()));
  return styled(output, Style::kBold, text) + words + "\n";
}

}  // namespace

std::string thread_text(const v1::ThreadDump& thread, bool of_core, const Output& output) {
  std::string text = header(thread, of_core, output);
  for (const v1::Frame& frame : thread.stack()) text += "    " + frame_words(frame) + "\n";
  if (thread.stack().empty()) text += "    [no Python code]\n";
  if (!thread.complete()) text += "    [only the stable part: the rest moved while it was read]\n";
  return text;
}

}  // namespace snag::cli
