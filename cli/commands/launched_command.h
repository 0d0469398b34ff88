#pragma once

#include <span>
#include <string>
#include <variant>

#include "cli/connect/child.h"

namespace snag::cli {

// Starts a program that is to be recorded, in our process group, so that it has the terminal: its Ctrl-C reaches it.
// `tracer`: a process that may attach to it under Yama's ptrace_scope 1, where only ancestors may; 0: none. A sentence
// if it could not be started.
[[nodiscard]] std::variant<Child, std::string> launch(std::span<const std::string> command, pid_t tracer);

}  // namespace snag::cli
