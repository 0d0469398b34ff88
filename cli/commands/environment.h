#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cli/connect/connection.h"
#include "cli/connect/session.h"
#include "cli/connect/signals.h"
#include "cli/exit_status.h"
#include "cli/view/output.h"

namespace snag::cli {

// What a command touches outside itself; tests hand in their own.
struct Environment {
  Output& out;    // results
  Output& error;  // everything else
  Signals& signals;
  std::function<ConnectResult(const std::optional<std::string>& socket)> connect;
  std::function<ConnectResult()> connect_privately;
};

// Says on stderr what went wrong, if anything did, and with what status the program ends. The handler has written out
// by then what it gathered.
[[nodiscard]] ExitStatus conclude(const Outcome& outcome, Environment& environment);
// That, for a command without output of its own after the request.
[[nodiscard]] ExitStatus fail(Environment& environment, ExitStatus status, const std::string& sentence,
                              const std::string& remedy);

// Runs one request over the connection, if there is one.
[[nodiscard]] ExitStatus run_request(const v1::ClientMessage& message, ConnectResult connected, Handler& handler,
                                     Environment& environment);
// Opens the connection first.
[[nodiscard]] ExitStatus run_request(const v1::ClientMessage& message, const std::optional<std::string>& socket,
                                     Handler& handler, Environment& environment);

}  // namespace snag::cli
