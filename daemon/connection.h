#pragma once

#include <deque>
#include <optional>
#include <string>

#include <snag/v1/snag.pb.h>

#include "proto/stream/framing.h"
#include "readers/base/clock.h"
#include "readers/process/unique_descriptor.h"

namespace snag::daemon {

// One client, seen from the daemon. Nothing here waits for the client: what it does not take is buffered up to a limit,
// beyond which samples are refused (the caller counts them) and everything else ends the connection.
class Connection {
 public:
  // While more than this is pending, the reader is slow: samples are dropped before anything is interned for them.
  static constexpr std::size_t kSlowReaderBytes = std::size_t{1} << 20U;
  // Beyond this the client is taken for dead. Room for some thousand stalls with deep stacks.
  static constexpr std::size_t kHardLimitBytes = std::size_t{32} << 20U;

  explicit Connection(UniqueDescriptor socket) : socket_(std::move(socket)) {}

  enum class Wake { kDeadline, kMessage, kGone };
  // Sends what is pending and receives what has come, until the deadline (nullopt: none) or until a whole message is
  // there. A deadline in the past still looks once.
  [[nodiscard]] Wake wait_until(std::optional<Instant> deadline);
  // The message that kMessage announced.
  [[nodiscard]] v1::ClientMessage take();

  [[nodiscard]] bool is_slow() const { return writer_.pending_bytes() > kSlowReaderBytes; }
  void send(const v1::ServerMessage& message);
  // Sends what is pending, for at most `patience`; then the connection may be closed.
  void drain(Nanoseconds patience);
  [[nodiscard]] bool is_gone() const { return gone_; }
  // What the client sent that is not this protocol; empty: nothing.
  [[nodiscard]] const std::string& protocol_error() const { return reader_.error(); }

 private:
  void flush();
  void receive();

  UniqueDescriptor socket_;
  stream::MessageReader reader_;
  stream::MessageWriter writer_;
  std::deque<v1::ClientMessage> received_;
  bool gone_ = false;
};

}  // namespace snag::daemon
