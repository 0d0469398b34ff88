#include "cli/view/words.h"

#include <array>

#include "cli/view/printable.h"

namespace snag::cli {
namespace {

struct CauseRow {
  v1::Cause cause;
  std::string_view words;
};
constexpr std::array kCauses = {
    CauseRow{v1::UNKNOWN, "cause unknown"},
    CauseRow{v1::SLEEP, "sleeping"},
    CauseRow{v1::NETWORK, "network"},
    CauseRow{v1::DNS, "name look-up"},
    CauseRow{v1::FILE, "file"},
    CauseRow{v1::SUBPROCESS, "subprocess"},
    CauseRow{v1::LOCK, "lock"},
    CauseRow{v1::FUTURE, "waiting for another thread's result"},
    CauseRow{v1::DEADLOCK, "deadlock"},
    CauseRow{v1::GIL, "waiting for the GIL"},
    CauseRow{v1::CPU_PYTHON, "CPU in Python"},
    CauseRow{v1::CPU_NATIVE, "CPU in native code"},
    CauseRow{v1::GC, "garbage collection"},
    CauseRow{v1::IMPORT, "import"},
    CauseRow{v1::LOGGING, "logging"},
    CauseRow{v1::CPU_STARVED, "no CPU given by the kernel"},
    CauseRow{v1::CPU_THROTTLED, "CPU throttled by the cgroup"},
    CauseRow{v1::PAGING, "paging"},
    CauseRow{v1::STOPPED, "stopped by a signal or debugger"},
    CauseRow{v1::MANY_CALLBACKS, "many callbacks in one turn"},
};

}  // namespace

std::string cause_words(v1::Cause cause) {
  for (const CauseRow& row : kCauses) {
    if (row.cause == cause) return std::string(row.words);
  }
  return "cause " + std::to_string(static_cast<int>(cause));
}

std::string_view loop_words(v1::Loop::Kind kind) {
  if (kind == v1::Loop::ASYNCIO) return "asyncio";
  if (kind == v1::Loop::UVLOOP) return "uvloop";
  return "";
}

std::string frame_words(std::string_view function, std::string_view file, std::int32_t line) {
  std::string text = function.empty() ? "?" : printable(function);
  if (file.empty() && line <= 0) return text;  // a function of C; exec'd code may have an empty file name
  text += " (" + printable(file);
  if (line > 0) text += ":" + std::to_string(line);
  return text + ")";
}

std::string frame_words(const v1::Frame& frame) { return frame_words(frame.function(), frame.file(), frame.line()); }

std::string task_words(const v1::TaskReference& task) {
  if (task.coroutine().empty()) return printable(task.name());
  return printable(task.name()) + " (" + printable(task.coroutine()) + ")";
}

std::string counted(std::int64_t number, std::string_view noun) {
  return with_thousands(number) + " " + std::string(noun) + (number == 1 ? "" : "s");
}

std::string error_text(std::string_view sentence, std::string_view remedy) {
  std::string text = "snag: " + std::string(sentence) + "\n";
  if (!remedy.empty()) text += "      " + std::string(remedy) + "\n";
  return text;
}

std::string error_text(const v1::Failure& failure) {
  const std::string sentence = failure.message().empty() ? "the daemon gave no reason" : printable(failure.message());
  return error_text(sentence, printable(failure.remedy()));
}

}  // namespace snag::cli
