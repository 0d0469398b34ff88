#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <snag/v1/snag.pb.h>

#include "cli/connect/connection.h"
#include "cli/connect/signals.h"
#include "cli/view/output.h"
#include "proto/stream/framing.h"

namespace snag::cli {

// What a command does with what the daemon sends.
class Handler {
 public:
  virtual ~Handler() = default;
  // Called with everything but hello, failure and done. A sentence: the message is unsound, the connection is given up.
  [[nodiscard]] virtual std::optional<std::string> take(const v1::ServerMessage& message) = 0;
};

// How a request ended.
struct Outcome {
  enum class End {
    kDone,
    kFailed,      // the daemon said why: `failure`
    kLost,        // no more daemon: `sentence` says why
    kOutputLost,  // what the handler writes to takes no more
  };
  End end = End::kDone;
  bool interrupted = false;  // by a signal; kDone then means that the daemon finished what it had begun
  v1::Failure failure = {};
  std::string sentence = {};
};

// One conversation with a daemon, request after request. One poll loop over the socket, the signals and the output; no
// threads.
class Session {
 public:
  Session(Connection& connection, Signals& signals) : connection_(connection), signals_(signals) {}

  // `output`: what the handler writes to, if it does while the request runs; once nobody reads it the request ends.
  [[nodiscard]] Outcome request(const v1::ClientMessage& message, Handler& handler, Output* output);

  // What a daemon gets to answer the hello, and to finish once it was told to stop.
  static constexpr std::chrono::seconds kPatience{10};

 private:
  using Clock = std::chrono::steady_clock;
  enum class Step { kGoOn, kEnd };

  [[nodiscard]] Step send(const v1::ClientMessage& message, Outcome& outcome);
  [[nodiscard]] Step wait(Outcome& outcome, Output* output);
  [[nodiscard]] Step stop(Outcome& outcome);
  [[nodiscard]] Step receive(Outcome& outcome, Handler& handler, Output* output);
  [[nodiscard]] Step take(Outcome& outcome, Handler& handler, Output* output);
  [[nodiscard]] Step greet(Outcome& outcome);
  [[nodiscard]] Step lose(Outcome& outcome, std::string sentence);

  Connection& connection_;
  Signals& signals_;
  stream::MessageReader reader_;
  stream::MessageWriter writer_;
  v1::ServerMessage incoming_;  // reused: parsing then allocates little
  bool greeted_ = false;
  bool stop_sent_ = false;
  std::optional<v1::ClientMessage> waiting_;   // the request, until the daemon has said hello
  std::optional<Clock::time_point> deadline_;  // for its hello, or for its end after a stop
};

}  // namespace snag::cli
