#include "readers/python/thread_states.h"

#include <algorithm>

namespace snag::python {
namespace {

// Where glibc on x86-64 keeps struct pthread.tid; measured on 2.36, the same since 2.4. It is proved for each thread by
// the kernel's own list.
constexpr std::uint64_t kGlibcPthreadTid = 720;

Tid native_thread_id(const RemoteMemory& memory, const Layout& layout, std::span<const std::byte> state,
                     std::uint64_t pthread, std::span<const Tid> tids) {
  Tid tid;
  if (layout.thread_state.native_thread_id.has_value()) {
    tid.value = static_cast<std::int32_t>(load<std::uint64_t>(state, (*layout.thread_state.native_thread_id).bytes()));
  } else if (auto value = memory.read_value<std::int32_t>(Address{pthread} + kGlibcPthreadTid, "pthread.tid")) {
    tid.value = *value;
  }
  return std::find(tids.begin(), tids.end(), tid) != tids.end() ? tid : Tid{};
}

Result<void> list_threads_of(const RemoteMemory& memory, const Runtime& runtime, Address interpreter,
                             std::int64_t interpreter_id, std::span<const Tid> tids, std::vector<ThreadState>& into) {
  const auto& at = runtime.layout.thread_state;
  auto holder = gil_holder(memory, runtime, interpreter);
  auto next = memory.read_pointer(interpreter + runtime.layout.interpreter_state.threads_head,
                                  "PyInterpreterState.threads.head");
  if (!next) return fail(next);
  std::vector<std::byte> copy(at.size.bytes());
  while (!next->is_null()) {
    if (into.size() >= kMaxThreads) {
      return fail({.kind = ErrorKind::kOutOfBounds, .what = "PyThreadState.next", .where = *next});
    }
    if (auto done = memory.read(*next, copy, "PyThreadState"); !done) return fail(done);
    if (Address{load<std::uint64_t>(copy, at.interp.bytes())} != interpreter) {
      return fail({.kind = ErrorKind::kInconsistent, .what = "PyThreadState.interp", .where = *next});
    }
    const auto pthread = load<std::uint64_t>(copy, at.thread_id.bytes());
    into.push_back({.address = *next,
                    .interpreter = interpreter,
                    .interpreter_id = interpreter_id,
                    .pthread = pthread,
                    .tid = native_thread_id(memory, runtime.layout, copy, pthread, tids),
                    .holds_gil = holder && *holder && **holder == *next});
    next = Address{load<std::uint64_t>(copy, at.next.bytes())};
  }
  return {};
}

}  // namespace

Result<std::optional<Address>> gil_holder(const RemoteMemory& memory, const Runtime& runtime, Address interpreter) {
  const auto& layout = runtime.layout;
  Address holder_at;
  Address locked_at;
  if (layout.interpreter_state.gil.has_value()) {
    auto gil = memory.read_pointer(interpreter + *layout.interpreter_state.gil, "PyInterpreterState.ceval.gil");
    if (!gil) return fail(gil);
    if (gil->is_null()) return std::optional<Address>();
    holder_at = *gil + layout.gil_state.last_holder;
    locked_at = *gil + layout.gil_state.locked;
  } else {
    if (!layout.runtime_state.gil_last_holder.has_value()) return std::optional<Address>();
    holder_at = runtime.address + *layout.runtime_state.gil_last_holder;
    locked_at = runtime.address + *layout.runtime_state.gil_locked;
  }
  std::uint64_t holder = 0;
  std::int32_t locked = 0;
  const std::array<Piece, 2> pieces{{{.from = locked_at, .into = std::as_writable_bytes(std::span(&locked, 1))},
                                     {.from = holder_at, .into = std::as_writable_bytes(std::span(&holder, 1))}}};
  auto done = memory.read_many(pieces, "_gil_runtime_state");
  if (!done) return fail(done);
  if (*done != pieces.size()) {
    return fail({.kind = ErrorKind::kUnreadable, .what = "_gil_runtime_state", .where = locked_at});
  }
  if (locked != 1) return std::optional<Address>();  // 0 free, -1 not initialised
  return std::optional(Address{holder});
}

Result<std::vector<ThreadState>> list_thread_states(const RemoteMemory& memory, const Runtime& runtime,
                                                    std::span<const Tid> tids) {
  const auto& at = runtime.layout.interpreter_state;
  std::vector<ThreadState> states;
  auto interpreter = memory.read_pointer(runtime.address + runtime.layout.runtime_state.interpreters_head,
                                         "_PyRuntime.interpreters.head");
  if (!interpreter) return fail(interpreter);
  for (std::size_t count = 0; !interpreter->is_null(); ++count) {
    if (count >= kMaxInterpreters) {
      return fail({.kind = ErrorKind::kOutOfBounds, .what = "PyInterpreterState.next", .where = *interpreter});
    }
    auto id = memory.read_value<std::int64_t>(*interpreter + at.id, "PyInterpreterState.id");
    if (!id) return fail(id);
    auto listed = list_threads_of(memory, runtime, *interpreter, *id, tids, states);
    if (!listed) return fail(listed);
    interpreter = memory.read_pointer(*interpreter + at.next, "PyInterpreterState.next");
    if (!interpreter) return fail(interpreter);
  }
  return states;
}

}  // namespace snag::python
