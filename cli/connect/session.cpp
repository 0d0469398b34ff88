#include "cli/connect/session.h"

#include <algorithm>
#include <array>
#include <utility>

#include <poll.h>

#include "cli/view/printable.h"

namespace snag::cli {
namespace {

constexpr std::uint32_t kProtocol = 1;

v1::ClientMessage hello() {
  v1::ClientMessage message;
  message.mutable_hello()->set_protocol(kProtocol);
  message.mutable_hello()->set_program(std::string("snag ") + SNAG_VERSION);
  return message;
}

v1::ClientMessage stop_message() {
  v1::ClientMessage message;
  message.mutable_stop();
  return message;
}

}  // namespace

Session::Step Session::lose(Outcome& outcome, std::string sentence) {
  outcome.end = Outcome::End::kLost;
  outcome.sentence = std::move(sentence);
  return Step::kEnd;
}

Session::Step Session::send(const v1::ClientMessage& message, Outcome& outcome) {
  if (writer_.append(message, stream::kMaxMessageBytes) != stream::MessageWriter::Append::kAppended) {
    return lose(outcome, "the request does not fit into a message of the protocol");
  }
  // A peer that is gone shows at the next read, together with what it said last.
  (void)writer_.flush(connection_.socket());
  return Step::kGoOn;
}

Session::Step Session::stop(Outcome& outcome) {
  outcome.interrupted = true;
  if (stop_sent_) return Step::kGoOn;
  stop_sent_ = true;
  if (waiting_) return lose(outcome, "interrupted before the daemon answered");
  deadline_ = Clock::now() + kPatience;
  return send(stop_message(), outcome);
}

Session::Step Session::wait(Outcome& outcome, Output* output) {
  const bool signalled = signals_.received().has_value();
  if (signalled && !stop_sent_) return stop(outcome);
  // A negative descriptor is skipped. No events: only errors, such as that nobody reads the pipe any more.
  std::array entries = {
      pollfd{.fd = connection_.socket(), .events = POLLIN, .revents = 0},
      pollfd{.fd = signalled ? -1 : signals_.wake_descriptor(), .events = POLLIN, .revents = 0},
      pollfd{.fd = output == nullptr ? -1 : output->descriptor(), .events = 0, .revents = 0},
  };
  if (writer_.pending_bytes() > 0) entries[0].events |= POLLOUT;
  int timeout = -1;
  if (deadline_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - Clock::now());
    if (left.count() <= 0) {
      return lose(outcome,
                  greeted_ ? "the daemon did not finish within 10 s" : "the daemon did not answer within 10 s");
    }
    timeout = static_cast<int>(left.count());
  }
  (void)::poll(entries.data(), entries.size(), timeout);  // EINTR: the loop looks again
  if ((entries[2].revents & (POLLERR | POLLHUP)) != 0) {
    output->note_reader_gone();
    outcome.end = Outcome::End::kOutputLost;
    return Step::kEnd;
  }
  if (writer_.pending_bytes() > 0) (void)writer_.flush(connection_.socket());
  return Step::kGoOn;
}

Session::Step Session::greet(Outcome& outcome) {
  if (greeted_) return lose(outcome, "the daemon said hello twice");
  if (incoming_.hello().protocol() != kProtocol) {
    return lose(outcome, "the daemon (" + printable(incoming_.hello().program()) + ") speaks protocol " +
                             std::to_string(incoming_.hello().protocol()) + ", snag " + SNAG_VERSION + " speaks " +
                             std::to_string(kProtocol));
  }
  greeted_ = true;
  deadline_.reset();
  const v1::ClientMessage request = *std::exchange(waiting_, std::nullopt);
  return send(request, outcome);
}

Session::Step Session::take(Outcome& outcome, Handler& handler, Output* output) {
  switch (incoming_.kind_case()) {
    case v1::ServerMessage::kHello:
      return greet(outcome);
    case v1::ServerMessage::kFailure:
      outcome.end = Outcome::End::kFailed;
      outcome.failure.Swap(incoming_.mutable_failure());
      return Step::kEnd;
    case v1::ServerMessage::kDone:
      outcome.end = Outcome::End::kDone;
      return greeted_ ? Step::kEnd : lose(outcome, "the daemon ended without a hello");
    case v1::ServerMessage::KIND_NOT_SET:
      return Step::kGoOn;  // of a newer daemon
    case v1::ServerMessage::kTarget:
    case v1::ServerMessage::kDefinitions:
    case v1::ServerMessage::kSamples:
    case v1::ServerMessage::kStall:
    case v1::ServerMessage::kThread:
    case v1::ServerMessage::kProcess:
    case v1::ServerMessage::kDiagnosis:
    case v1::ServerMessage::kProgress:
    case v1::ServerMessage::kSummary:
    case v1::ServerMessage::kWarning:
      break;
  }
  if (!greeted_) return lose(outcome, "the daemon answered before its hello");
  if (auto unsound = handler.take(incoming_)) return lose(outcome, "the daemon sent nonsense: " + printable(*unsound));
  if (output == nullptr || output->ok()) return Step::kGoOn;
  outcome.end = Outcome::End::kOutputLost;
  return Step::kEnd;
}

Session::Step Session::receive(Outcome& outcome, Handler& handler, Output* output) {
  const stream::Receive received = stream::receive(connection_.socket(), reader_);
  for (;;) {
    const auto next = reader_.next(incoming_);
    if (next == stream::MessageReader::Outcome::kError) {
      return lose(outcome, "the daemon sent nonsense: " + printable(reader_.error()));
    }
    if (next == stream::MessageReader::Outcome::kNeedsMore) break;
    if (take(outcome, handler, output) == Step::kEnd) return Step::kEnd;
    // A daemon that sends faster than we print must not keep us from noticing Ctrl-C.
    if (signals_.received() && !stop_sent_ && stop(outcome) == Step::kEnd) return Step::kEnd;
  }
  if (received != stream::Receive::kPeerGone) return Step::kGoOn;
  return lose(outcome, connection_.describe_loss() + (reader_.inside_message() ? " within a message" : ""));
}

Outcome Session::request(const v1::ClientMessage& message, Handler& handler, Output* output) {
  Outcome outcome;
  stop_sent_ = false;
  deadline_.reset();
  Step step = Step::kGoOn;
  if (greeted_) {
    step = send(message, outcome);
  } else {
    waiting_ = message;
    deadline_ = Clock::now() + kPatience;
    step = send(hello(), outcome);
  }
  while (step == Step::kGoOn) {
    step = wait(outcome, output);
    if (step == Step::kGoOn) step = receive(outcome, handler, output);
  }
  outcome.interrupted = outcome.interrupted || signals_.received().has_value();
  return outcome;
}

}  // namespace snag::cli
