#include "daemon/dump.h"

#include <algorithm>

#include "daemon/clock.h"
#include "daemon/publish.h"
#include "daemon/resolved_stack.h"
#include "readers/asyncio/run_once.h"
#include "readers/asyncio/tasks.h"
#include "readers/python/names.h"

namespace snag::daemon {
namespace {

// The stack of one thread with what is known of the thread; shared by nothing but this request.
class ThreadDumper {
 public:
  explicit ThreadDumper(PythonProcess& process)
      : process_(&process),
        names_(process.codes()),
        loops_(process.codes()),
        tasks_(process.codes(), [&process] { return process.asyncio_offsets(); }) {}

  [[nodiscard]] Result<v1::ThreadDump> operator()(const TargetThread& thread) {
    python::ThreadCursor cursor(thread.state.address);
    python::RawStack raw;
    if (auto done = process_->stacks().read(cursor, raw); !done) return fail(done);
    ResolvedStack stack;
    resolve(process_->codes(), raw, stack);
    v1::ThreadDump dump;
    describe_thread(thread, dump);
    dump.set_complete(stack.whole);
    if (stack.whole) {
      add_builtin(stack, dump);
    } else {
      publish(ShownFrame{.function = kMovedMarker, .file = {}, .kind = ShownFrame::Kind::kMarker, .module = {}},
              *dump.add_stack());
    }
    for (const auto& frame : stack.frames) {
      publish(ShownFrame{.function = frame.function->name,
                         .file = frame.function->file,
                         .line = frame.line,
                         .kind = ShownFrame::Kind::kPython,
                         .module = names_.module_of(frame.raw, *frame.function)},
              *dump.add_stack());
    }
    describe_loop(thread, raw, dump);
    return dump;
  }

 private:
  void describe_thread(const TargetThread& thread, v1::ThreadDump& dump) {
    dump.set_pid(process_->pid().value);
    dump.set_tid(thread.tid.value);
    dump.set_name(to_text(thread.name));
    dump.set_interpreter(thread.state.interpreter_id);
    dump.set_holds_gil(thread.state.holds_gil);
    if (auto state = process_->run_state(thread.tid)) dump.set_state(std::string(1, *state));
    if (thread.signal) dump.set_signal(*thread.signal);
  }

  void add_builtin(const ResolvedStack& stack, v1::ThreadDump& dump) {
    if (stack.frames.empty()) return;
    const auto& top = stack.frames.front();
    const auto call = names_.builtin_call(top.raw, *top.function);
    if (!call || call->is_operation) return;
    publish(ShownFrame{.function = call->name, .file = {}, .kind = ShownFrame::Kind::kNative, .module = {}},
            *dump.add_stack());
  }

  void describe_loop(const TargetThread& thread, const python::RawStack& raw, v1::ThreadDump& dump) {
    auto loop = loops_.find(thread.state.address, thread.state.interpreter, raw);
    if (!loop || !*loop) return;
    publish_loop(thread.name, thread.tid, *dump.mutable_loop());
    auto task = tasks_.current(thread.state.address, thread.state.interpreter, (*loop)->loop);
    if (task && *task) publish(**task, *dump.mutable_current_task());
  }

  PythonProcess* process_;
  python::NameReader names_;
  asyncio::LoopReader loops_;
  asyncio::TaskReader tasks_;
};

// Of one message: far below what the protocol allows.
constexpr std::size_t kPartBytes = std::size_t{1} << 20U;
// Of the stack of one thread: 10,000 frames with names of 300 bytes. What a hostile process names beyond is left out.
constexpr std::size_t kMaxDumpBytes = std::size_t{8} << 20U;
constexpr const char* kTooLarge = "[the rest of the stack has too long names to be shown]";
// Between two looks whether a client that is slow to read has caught up.
constexpr Nanoseconds kCatchUp = std::chrono::milliseconds(10);

// False: the client wants no more. It is waited for: what it has not taken yet must not grow with the number of
// threads.
bool send(Request& request, const v1::ServerMessage& message) {
  request.send(message);
  bool goes_on = true;
  while (goes_on && request.client().is_slow())
    goes_on = request.pause_until(now() + kCatchUp) == Request::Pause::kGoOn;
  return goes_on;
}

// Leaves out what is too much of a stack.
void shorten(v1::ThreadDump& dump) {
  auto& stack = *dump.mutable_stack();
  std::size_t bytes = 0;
  for (int i = 0; i < stack.size(); ++i) {
    bytes += stack[i].ByteSizeLong();
    if (bytes <= kMaxDumpBytes) continue;
    stack.DeleteSubrange(i, stack.size() - i);
    publish(ShownFrame{.function = kTooLarge, .file = {}, .kind = ShownFrame::Kind::kMarker, .module = {}},
            *dump.add_stack());
    dump.set_complete(false);
  }
}

// In messages of bounded size; all but the last are unfinished.
bool send(Request& request, v1::ThreadDump&& dump) {
  shorten(dump);
  google::protobuf::RepeatedPtrField<v1::Frame> stack;
  stack.Swap(dump.mutable_stack());
  v1::ServerMessage message;
  auto& part = *message.mutable_thread();
  part.Swap(&dump);
  std::size_t bytes = 0;
  for (auto& frame : stack) {
    bytes += frame.ByteSizeLong();
    part.add_stack()->Swap(&frame);
    if (bytes < kPartBytes) continue;
    part.set_unfinished(true);
    if (!send(request, message)) return false;
    v1::ThreadDump next;
    next.set_pid(part.pid());
    next.set_tid(part.tid());
    part.Swap(&next);
    bytes = 0;
  }
  return send(request, message);
}

// False: the client wants no more.
bool dump_process(Request& request, PythonProcess& process, v1::SamplingSummary& summary) {
  auto threads = process.threads();
  v1::ServerMessage message;
  if (!threads) {
    publish(threads.error(), process.pid(), *message.mutable_warning());
    request.send(message);
    return true;
  }
  summary.set_threads(summary.threads() + static_cast<std::int32_t>(threads->size()));
  process.name(*threads);
  ThreadDumper dumper(process);
  for (const auto& thread : *threads) {
    auto dumped = dumper(thread);
    if (!dumped) {
      summary.set_lost(summary.lost() + 1);
      ++(*summary.mutable_lost_by_reason())[reason(dumped.error().kind)];
      continue;
    }
    if (dumped->complete()) {
      summary.set_whole(summary.whole() + 1);
    } else {
      summary.set_partial(summary.partial() + 1);
    }
    if (!send(request, std::move(*dumped))) return false;
  }
  return true;
}

void conclude(Request& request, v1::SamplingSummary summary) {
  v1::ServerMessage message;
  *message.mutable_summary() = std::move(summary);
  request.send(message);
  message.mutable_done();
  request.send(message);
}

void dump_core(Request& request, const v1::Core& asked) {
  v1::ServerMessage message;
  auto core = request.open_core(asked);
  if (!core) {
    publish_core(core.error(), asked.file(), *message.mutable_failure());
    request.send(message);
    return;
  }
  request.describe(**core, *message.mutable_target());
  message.mutable_target()->set_core(to_text(asked.file()));
  request.send(message);
  v1::SamplingSummary summary;
  static_cast<void>(dump_process(request, **core, summary));
  for (auto& sentence : (*core)->shortcomings()) {
    publish_core({.kind = ErrorKind::kUnreadable, .what = "core file", .detail = std::move(sentence)}, asked.file(),
                 *message.mutable_warning());
    request.send(message);
  }
  conclude(request, std::move(summary));
}

}  // namespace

void dump(Request& request, const v1::Dump& asked) {
  if (asked.has_core() && asked.pids_size() > 0) {
    request.fail_usage("either processes or a core file can be dumped, not both");
    return;
  }
  if (asked.has_core()) {
    dump_core(request, asked.core());
    return;
  }
  const auto targets = request.attach(std::span(asked.pids().data(), static_cast<std::size_t>(asked.pids_size())));
  if (targets.empty()) return;
  v1::SamplingSummary summary;
  for (const auto& target : targets) {
    if (!dump_process(request, *target, summary)) break;
  }
  conclude(request, std::move(summary));
}

}  // namespace snag::daemon
