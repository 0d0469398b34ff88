#include "daemon/publish.h"

#include <algorithm>

#include "daemon/clock.h"
#include "proto/stream/utf8.h"

namespace snag::daemon {
namespace {

using std::chrono::seconds;

// Of one name or path on its way out; PATH_MAX.
constexpr std::size_t kMaxText = 4096;

v1::Frame::Kind kind_of(ShownFrame::Kind kind) {
  switch (kind) {
    case ShownFrame::Kind::kPython:
      return v1::Frame::PYTHON;
    case ShownFrame::Kind::kNative:
      return v1::Frame::NATIVE;
    case ShownFrame::Kind::kMarker:
      return v1::Frame::MARKER;
  }
  return v1::Frame::KIND_UNSPECIFIED;
}

v1::Failure::Status status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kNotPermitted:
      return v1::Failure::NOT_PERMITTED;
    case ErrorKind::kNoSuchProcess:
    case ErrorKind::kNotPython:
      return v1::Failure::NO_SUCH_PROCESS;
    case ErrorKind::kUnreadable:
    case ErrorKind::kInconsistent:
    case ErrorKind::kOutOfBounds:
    case ErrorKind::kUnsupported:
    case ErrorKind::kSystem:
      return v1::Failure::FAILED;
  }
  return v1::Failure::FAILED;
}

}  // namespace

std::string to_text(std::string_view bytes) { return stream::to_utf8(bytes, kMaxText); }

void publish(Nanoseconds duration, google::protobuf::Duration& into) {
  const auto whole = std::chrono::duration_cast<seconds>(duration);
  into.set_seconds(whole.count());
  into.set_nanos(static_cast<std::int32_t>((duration - whole).count()));
}

void publish(Instant instant, google::protobuf::Timestamp& into) {
  const auto ago = now() - instant;
  const auto wall =
      std::chrono::duration_cast<Nanoseconds>((std::chrono::system_clock::now() - ago).time_since_epoch());
  const auto whole = std::chrono::floor<seconds>(wall);
  into.set_seconds(whole.count());
  into.set_nanos(static_cast<std::int32_t>((wall - whole).count()));
}

void publish(const ShownFrame& frame, v1::Frame& into) {
  into.set_function(to_text(frame.function));
  into.set_file(to_text(frame.file));
  into.set_line(frame.line);
  into.set_kind(kind_of(frame.kind));
  into.set_module(to_text(frame.module));
}

void publish(const asyncio::TaskInfo& task, v1::TaskReference& into) {
  into.set_name(to_text(task.name));
  into.set_coroutine(to_text(task.coroutine));
  into.set_file(to_text(task.file));
  into.set_line(task.line);
}

void publish_loop(std::string_view thread_name, Tid tid, v1::Loop& into) {
  into.set_kind(v1::Loop::ASYNCIO);
  into.set_thread_name(to_text(thread_name));
  into.set_tid(tid.value);
}

void publish(const Error& error, Pid pid, v1::Failure& into) {
  into.set_status(status_of(error.kind));
  into.set_pid(pid.value);
  // What an operator is told at attach is a sentence of its own; other errors say what was read, and where.
  const bool sentence = !error.detail.empty() && error.where.is_null();
  into.set_message(to_text(sentence ? "pid " + std::to_string(pid.value) + ": " + error.detail : describe(error, pid)));
  if (error.kind == ErrorKind::kNotPermitted) into.set_remedy("see: snag doctor " + std::to_string(pid.value));
}

void publish_core(const Error& error, const std::string& file, v1::Failure& into) {
  into.set_status(status_of(error.kind));
  const bool sentence = !error.detail.empty() && error.where.is_null() && error.system_error == 0;
  into.set_message(to_text("core " + file + ": " + (sentence ? error.detail : describe(error))));
}

Nanoseconds duration_of(const google::protobuf::Duration& duration) {
  // Bounded first: a hostile client must not overflow the sum. 10^9 s are 31 years.
  constexpr std::int64_t kMaxSeconds = 1'000'000'000;
  const std::int64_t whole = std::clamp<std::int64_t>(duration.seconds(), -kMaxSeconds, kMaxSeconds);
  return seconds(whole) + Nanoseconds(duration.nanos());
}

}  // namespace snag::daemon
