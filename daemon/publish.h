#pragma once

#include <string>
#include <string_view>

#include <snag/v1/snag.pb.h>

#include "daemon/shown_frame.h"
#include "readers/asyncio/tasks.h"
#include "readers/base/clock.h"
#include "readers/base/result.h"

// The border: core structs become messages of snag.v1. Nothing behind it knows protobuf.
namespace snag::daemon {

// A target's bytes as text that may go into a message: valid UTF-8, of bounded length.
[[nodiscard]] std::string to_text(std::string_view bytes);

void publish(Nanoseconds duration, google::protobuf::Duration& into);
// An instant of our monotonic clock as wall-clock time.
void publish(Instant instant, google::protobuf::Timestamp& into);
void publish(const ShownFrame& frame, v1::Frame& into);
void publish(const asyncio::TaskInfo& task, v1::TaskReference& into);
// An asyncio loop, by the thread that runs it.
void publish_loop(std::string_view thread_name, Tid tid, v1::Loop& into);
// Who, what, where, how much, and the remedy where there is one.
void publish(const Error& error, Pid pid, v1::Failure& into);
// The same of a core file.
void publish_core(const Error& error, const std::string& file, v1::Failure& into);
[[nodiscard]] Nanoseconds duration_of(const google::protobuf::Duration& duration);

}  // namespace snag::daemon
