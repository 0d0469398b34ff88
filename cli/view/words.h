#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <snag/v1/snag.pb.h>

// Small pieces of text that several views share. Names in them are already safe to print.
namespace snag::cli {

// "network", "CPU in Python"; for a cause of a newer daemon "cause 23".
[[nodiscard]] std::string cause_words(v1::Cause cause);
[[nodiscard]] std::string_view loop_words(v1::Loop::Kind kind);  // "asyncio", "uvloop", "" for none
// "report (app/views.py:41)", as in every text format of Snag; "time.sleep" where there is no file.
[[nodiscard]] std::string frame_words(std::string_view function, std::string_view file, std::int32_t line);
[[nodiscard]] std::string frame_words(const v1::Frame& frame);
// "Task-7 (serve)"; the name alone where the coroutine is not known.
[[nodiscard]] std::string task_words(const v1::TaskReference& task);
// "1 stall", "3 stalls"
[[nodiscard]] std::string counted(std::int64_t number, std::string_view noun);
// The sentence, and on a line of its own what to do about it: "snag: pid 77: not permitted …\n      sudo …\n"
[[nodiscard]] std::string error_text(std::string_view sentence, std::string_view remedy);
[[nodiscard]] std::string error_text(const v1::Failure& failure);

}  // namespace snag::cli
