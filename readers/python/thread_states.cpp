#include "readers/python/thread_states.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>

namespace snag::python {
namespace {

// A list that changed under the reader's hand is read anew this often. A walk is torn when a thread ends in the
// microsecond between the read of its predecessor and its own, and its memory is used for something else at once.
constexpr int kAttempts = 8;

// A state with what CPython itself says of the thread's number; 0 where it does not.
struct Listed {
  ThreadState state;
  Tid native;
};

Tid native_thread_id(const Layout& layout, std::span<const std::byte> state) {
  if (!layout.thread_state.native_thread_id.has_value()) return {};
  const auto number = load<std::uint64_t>(state, (*layout.thread_state.native_thread_id).bytes());
  if (number > std::numeric_limits<std::int32_t>::max()) return {};
  return {static_cast<std::int32_t>(number)};
}

Result<void> list_threads_of(const RemoteMemory& memory, const Runtime& runtime, Address interpreter,
                             std::int64_t interpreter_id, std::vector<Listed>& into) {
  const auto& at = runtime.layout.thread_state;
  auto holder = gil_holder(memory, runtime, interpreter);
  auto next = memory.read_pointer(interpreter + runtime.layout.interpreter_state.threads_head,
                                  "PyInterpreterState.threads.head");
  if (!next) return fail(next);
  std::unordered_set<Address, AddressHash> seen;
  std::vector<std::byte> copy(at.size.bytes());
  while (!next->is_null()) {
    if (into.size() >= kMaxThreads) {
      return fail({.kind = ErrorKind::kOutOfBounds, .what = "PyThreadState.next", .where = *next});
    }
    // Back to where the walk was: a state that ended was made anew at the head of the list.
    if (!seen.insert(*next).second) {
      return fail({.kind = ErrorKind::kInconsistent, .what = "PyThreadState.next", .where = *next});
    }
    if (auto done = memory.read(*next, copy, "PyThreadState"); !done) return fail(done);
    if (Address{load<std::uint64_t>(copy, at.interp.bytes())} != interpreter) {
      return fail({.kind = ErrorKind::kInconsistent, .what = "PyThreadState.interp", .where = *next});
    }
    into.push_back({.state = {.address = *next,
                              .interpreter = interpreter,
                              .interpreter_id = interpreter_id,
                              .pthread = Address{load<std::uint64_t>(copy, at.thread_id.bytes())},
                              .tid = {},
                              .holds_gil = holder && *holder && **holder == *next},
                    .native = native_thread_id(runtime.layout, copy)});
    next = Address{load<std::uint64_t>(copy, at.next.bytes())};
  }
  return {};
}

Result<void> list_once(const RemoteMemory& memory, const Runtime& runtime, std::vector<Listed>& into) {
  const auto& at = runtime.layout.interpreter_state;
  auto interpreter = memory.read_pointer(runtime.address + runtime.layout.runtime_state.interpreters_head,
                                         "_PyRuntime.interpreters.head");
  if (!interpreter) return fail(interpreter);
  std::unordered_set<Address, AddressHash> seen;
  while (!interpreter->is_null()) {
    if (seen.size() >= kMaxInterpreters) {
      return fail({.kind = ErrorKind::kOutOfBounds, .what = "PyInterpreterState.next", .where = *interpreter});
    }
    if (!seen.insert(*interpreter).second) {
      return fail({.kind = ErrorKind::kInconsistent, .what = "PyInterpreterState.next", .where = *interpreter});
    }
    auto id = memory.read_value<std::int64_t>(*interpreter + at.id, "PyInterpreterState.id");
    if (!id) return fail(id);
    auto listed = list_threads_of(memory, runtime, *interpreter, *id, into);
    if (!listed) return fail(listed);
    interpreter = memory.read_pointer(*interpreter + at.next, "PyInterpreterState.next");
    if (!interpreter) return fail(interpreter);
  }
  return {};
}

bool may_be_torn(const Error& error) {
  return error.kind == ErrorKind::kUnreadable || error.kind == ErrorKind::kInconsistent;
}

// The number that CPython wrote down is stale in a child that was forked without CPython's knowledge; glibc's is wrong
// for the state of a thread that has ended, once a new thread took over its stack.
Tid agreed(Tid native, Tid libc, const std::unordered_set<std::int32_t>& kernels) {
  const bool native_lives = kernels.count(native.value) != 0;
  const bool libc_lives = kernels.count(libc.value) != 0;
  if (native_lives && libc_lives) return native == libc ? native : Tid{};
  if (native_lives) return native;
  return libc_lives ? libc : Tid{};
}

Result<void> number_threads(const RemoteMemory& memory, Libc libc, std::span<const Tid> tids,
                            std::vector<Listed>& listed) {
  std::unordered_set<std::int32_t> kernels;
  for (const Tid tid : tids) kernels.insert(tid.value);
  std::vector<Tid> by_libc(listed.size());
  if (libc == Libc::kGlibc) {
    std::vector<Address> pthreads;
    for (const auto& one : listed) pthreads.push_back(one.state.pthread);
    auto numbers = glibc_thread_numbers(memory, pthreads);
    if (!numbers) return fail(numbers);
    by_libc = std::move(*numbers);
  }
  std::unordered_map<std::int32_t, std::optional<Address>> owners;  // number → pthread; none: several claim it
  for (std::size_t i = 0; i < listed.size(); ++i) {
    auto& state = listed[i].state;
    state.tid = agreed(listed[i].native, by_libc[i], kernels);
    const auto [owner, is_new] = owners.emplace(state.tid.value, state.pthread);
    if (!is_new && owner->second != state.pthread) owner->second.reset();
  }
  for (auto& one : listed) {
    if (!owners[one.state.tid.value]) one.state.tid = {};
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

Result<std::vector<ThreadState>> list_thread_states(const RemoteMemory& memory, const Runtime& runtime, Libc libc,
                                                    std::span<const Tid> tids) {
  std::vector<Listed> listed;
  auto done = list_once(memory, runtime, listed);
  for (int attempt = 1; !done && may_be_torn(done.error()) && attempt < kAttempts; ++attempt) {
    listed.clear();
    done = list_once(memory, runtime, listed);
  }
  if (!done) return fail(done);
  if (auto numbered = number_threads(memory, libc, tids, listed); !numbered) return fail(numbered);
  std::vector<ThreadState> states;
  states.reserve(listed.size());
  for (const auto& one : listed) states.push_back(one.state);
  return states;
}

}  // namespace snag::python
