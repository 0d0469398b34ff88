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

// Frames of a cycle of calls that are recognised: a calls b calls c … calls a.
constexpr int kLongestCycle = 16;
// A cycle that comes again fewer times is written out.
constexpr int kFewest = 4;

bool same(const v1::Frame& a, const v1::Frame& b) {
  return a.line() == b.line() && a.function() == b.function() && a.file() == b.file();
}

// How many times the `length` frames at `begin` are followed by the same frames again.
int repetitions(const google::protobuf::RepeatedPtrField<v1::Frame>& stack, int begin, int length) {
  int at = begin + length;
  while (at < stack.size() && same(stack[at], stack[at - length])) ++at;
  return (at - begin) / length - 1;
}

// Recursion is written once, with how many times it goes on: thousands of equal lines hide what called them.
std::string stack_text(const google::protobuf::RepeatedPtrField<v1::Frame>& stack) {
  std::string text;
  for (int i = 0; i < stack.size();) {
    int length = 1;
    int repeated = 0;
    for (int tried = 1; tried <= kLongestCycle && repeated < kFewest; ++tried) {
      length = tried;
      repeated = repetitions(stack, i, tried);
    }
    if (repeated < kFewest) {
      text += "    " + frame_words(stack[i++]) + "\n";
      continue;
    }
    for (int frame = 0; frame < length; ++frame) text += "    " + frame_words(stack[i + frame]) + "\n";
    text += "    … " + (length == 1 ? std::string() : "these " + std::to_string(length) + " ") + "repeated " +
            counted(repeated, "time") + "\n";
    i += length * (repeated + 1);
  }
  return text;
}

}  // namespace

std::string thread_text(const v1::ThreadDump& thread, bool of_core, const Output& output) {
  std::string text = header(thread, of_core, output);
  text += stack_text(thread.stack());
  if (thread.stack().empty()) text += "    [no Python code]\n";
  if (!thread.complete()) text += "    [only the stable part: the rest moved while it was read]\n";
  return text;
}

}  // namespace snag::cli
