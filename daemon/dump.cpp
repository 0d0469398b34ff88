#include "daemon/dump.h"

#include <algorithm>

#include "daemon/followed_processes.h"
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

void dump_process(Request& request, PythonProcess& process, v1::SamplingSummary& summary) {
  auto threads = process.threads();
  v1::ServerMessage message;
  if (!threads) {
    publish(threads.error(), process.pid(), *message.mutable_warning());
    request.send(message);
    return;
  }
  summary.set_threads(summary.threads() + static_cast<std::int32_t>(threads->size()));
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
    *message.mutable_thread() = std::move(*dumped);
    request.send(message);
  }
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
  dump_process(request, **core, summary);
  for (auto& sentence : (*core)->shortcomings()) {
    publish_core({.kind = ErrorKind::kUnreadable, .what = "core file", .detail = std::move(sentence)}, asked.file(),
                 *message.mutable_warning());
    request.send(message);
  }
  conclude(request, std::move(summary));
}

}  // namespace

void dump(Request& request, const v1::Dump& asked) {
  if (asked.has_core() && (asked.pids_size() > 0 || asked.has_selection())) {
    request.fail_usage("either processes or a core file can be dumped, not both");
    return;
  }
  if (asked.has_core()) {
    dump_core(request, asked.core());
    return;
  }
  FollowedProcesses followed(request, asked.selection());
  const auto targets = followed.attach(std::span(asked.pids().data(), static_cast<std::size_t>(asked.pids_size())));
  if (targets.empty()) return;
  v1::SamplingSummary summary;
  for (const auto& target : targets) dump_process(request, *target, summary);
  followed.summarize(summary);
  conclude(request, std::move(summary));
}

}  // namespace snag::daemon
