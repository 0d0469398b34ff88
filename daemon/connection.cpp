#include "daemon/connection.h"

#include <algorithm>

#include <poll.h>
#include <spdlog/spdlog.h>

#include "daemon/clock.h"

namespace snag::daemon {
namespace {

// Messages that a client may have waiting: it has no reason to send more than a request and a Stop ahead.
constexpr std::size_t kMaxReceived = 16;

timespec until(Instant deadline) {
  const auto left = std::max(deadline - now(), Nanoseconds{});
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  return {.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
}

}  // namespace

void Connection::flush() {
  if (!gone_ && writer_.flush(socket_.get()) == stream::MessageWriter::Flush::kPeerGone) gone_ = true;
}

void Connection::receive() {
  if (stream::receive(socket_.get(), reader_) == stream::Receive::kPeerGone) gone_ = true;
  v1::ClientMessage message;
  while (reader_.next(message) == stream::MessageReader::Outcome::kMessage) {
    if (received_.size() >= kMaxReceived) {
      spdlog::warn("a client sends requests faster than they can be done; closing its connection");
      gone_ = true;
      return;
    }
    received_.push_back(message);
  }
}

Connection::Wake Connection::wait_until(std::optional<Instant> deadline) {
  while (true) {
    if (!received_.empty()) return Wake::kMessage;
    if (gone_ || !protocol_error().empty()) return Wake::kGone;
    flush();
    pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (writer_.pending_bytes() > 0) waiting.events |= POLLOUT;
    timespec timeout{};
    if (deadline) timeout = until(*deadline);
    const int ready = ppoll(&waiting, 1, deadline ? &timeout : nullptr, nullptr);
    if (ready > 0 && (waiting.revents & (POLLIN | POLLHUP | POLLERR)) != 0) receive();
    if (ready == 0) return Wake::kDeadline;
  }
}

v1::ClientMessage Connection::take() {
  v1::ClientMessage message = std::move(received_.front());
  received_.pop_front();
  return message;
}

void Connection::send(const v1::ServerMessage& message) {
  if (gone_) return;
  switch (writer_.append(message, kHardLimitBytes)) {
    case stream::MessageWriter::Append::kAppended:
      break;
    case stream::MessageWriter::Append::kFull:
      spdlog::warn("a client has not read for {} bytes; closing its connection", writer_.pending_bytes());
      gone_ = true;
      break;
    case stream::MessageWriter::Append::kTooLong:
      spdlog::error("a message of {} bytes is longer than the protocol allows; dropped", message.ByteSizeLong());
      break;
  }
}

void Connection::drain(Nanoseconds patience) {
  const Instant deadline = now() + patience;
  flush();
  while (!gone_ && writer_.pending_bytes() > 0 && now() < deadline) {
    pollfd waiting{.fd = socket_.get(), .events = POLLOUT, .revents = 0};
    const timespec timeout = until(deadline);
    if (ppoll(&waiting, 1, &timeout, nullptr) <= 0) return;
    flush();
  }
}

}  // namespace snag::daemon
