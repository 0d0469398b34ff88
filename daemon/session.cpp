#include "daemon/session.h"

#include <spdlog/spdlog.h>

#include "daemon/dump.h"
#include "daemon/inspection.h"
#include "daemon/recording.h"
#include "daemon/stall_watch.h"

namespace snag::daemon {
namespace {

constexpr std::uint32_t kProtocol = 1;
// A client that does not take its last words within this is left.
constexpr Nanoseconds kFarewell = std::chrono::seconds(2);

void send_protocol_failure(Connection& connection, const std::string& sentence) {
  v1::ServerMessage answer;
  answer.mutable_failure()->set_status(v1::Failure::PROTOCOL);
  answer.mutable_failure()->set_message(sentence);
  connection.send(answer);
}

// False: the client does not speak this protocol.
bool greet(Connection& connection, const v1::ClientMessage& message) {
  if (!message.has_hello()) {
    send_protocol_failure(connection, "the first message must be Hello");
    return false;
  }
  if (message.hello().protocol() != kProtocol) {
    send_protocol_failure(connection, "protocol " + std::to_string(message.hello().protocol()) +
                                          " is not spoken here, only protocol " + std::to_string(kProtocol));
    return false;
  }
  v1::ServerMessage answer;
  answer.mutable_hello()->set_protocol(kProtocol);
  answer.mutable_hello()->set_program("snagd " SNAG_VERSION);
  connection.send(answer);
  return true;
}

// False: it is no request.
bool run(Request& request, const v1::ClientMessage& message) {
  switch (message.kind_case()) {
    case v1::ClientMessage::kWatchStalls:
      watch_stalls(request, message.watch_stalls());
      return true;
    case v1::ClientMessage::kRecord:
      record(request, message.record());
      return true;
    case v1::ClientMessage::kDump:
      dump(request, message.dump());
      return true;
    case v1::ClientMessage::kListProcesses:
      list_python_processes(request);
      return true;
    case v1::ClientMessage::kDiagnose:
      diagnose(request, message.diagnose());
      return true;
    case v1::ClientMessage::kStop:
      return true;  // came after the request's own end
    case v1::ClientMessage::kHello:
    case v1::ClientMessage::KIND_NOT_SET:
      break;
  }
  return false;
}

}  // namespace

void serve(Connection& connection, const ProcRoot& proc, Caller caller) {
  bool greeted = false;
  stream::Interner interner;
  while (connection.wait_until(std::nullopt) == Connection::Wake::kMessage) {
    const auto message = connection.take();
    if (!greeted) {
      if (!greet(connection, message)) break;
      greeted = true;
      continue;
    }
    Request request(connection, interner, proc, caller);
    if (!run(request, message)) {
      send_protocol_failure(connection, "the message is no request of protocol " + std::to_string(kProtocol));
      break;
    }
  }
  if (!connection.protocol_error().empty()) {
    spdlog::warn("closing a connection: {}", connection.protocol_error());
    send_protocol_failure(connection, connection.protocol_error());
  }
  connection.drain(kFarewell);
}

}  // namespace snag::daemon
