#include "readers/python/thread_states.h"

#include <algorithm>
#include <limits>
#include <set>
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
  bool is_idle;  // it runs no Python code
};

Tid native_thread_id(const Layout& layout, std::span<const std::byte> state) {
  if (!layout.thread_state.native_thread_id.has_value()) return {};
  const auto number = load<std::uint64_t>(state, (*layout.thread_state.native_thread_id).bytes());
  if (number > std::numeric_limits<std::int32_t>::max()) return {};
  return {static_cast<std::int32_t>(number)};
}

// The holder of each GIL, asked once in a listing: interpreters that share one have one holder.
class Holders {
 public:
  Holders(const RemoteMemory& memory, const Runtime& runtime) : memory_(&memory), runtime_(&runtime) {}
  [[nodiscard]] std::optional<Address> of(Address interpreter) {
    Address gil = runtime_->address;
    if (const auto& at = runtime_->layout.interpreter_state.gil; at.has_value()) {
      auto pointer = memory_->read_pointer(interpreter + *at, "PyInterpreterState.ceval.gil");
      if (!pointer) return std::nullopt;
      gil = *pointer;
    }
    const auto known = by_gil_.find(gil);
    if (known != by_gil_.end()) return known->second;
    auto holder = gil_holder(*memory_, *runtime_, interpreter);
    return by_gil_.emplace(gil, holder ? *holder : std::nullopt).first->second;
  }

 private:
  const RemoteMemory* memory_;
  const Runtime* runtime_;
  std::unordered_map<Address, std::optional<Address>, AddressHash> by_gil_;
};

Result<void> list_threads_of(const RemoteMemory& memory, const Runtime& runtime, Address interpreter,
                             std::int64_t interpreter_id, Holders& holders, std::vector<Listed>& into) {
  const auto& at = runtime.layout.thread_state;
  const auto holder = holders.of(interpreter);
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
    const Address top{load<std::uint64_t>(copy, at.top_frame.bytes())};
    const bool in_state = top >= *next && top < *next + copy.size();
    const bool has_cframe = runtime.dialect.frame_chain == FrameChain::kCFrame;
    into.push_back({.state = {.address = *next,
                              .interpreter = interpreter,
                              .interpreter_id = interpreter_id,
                              .pthread = Address{load<std::uint64_t>(copy, at.thread_id.bytes())},
                              .tid = {},
                              .on_stack = has_cframe && !in_state ? top : Address{},
                              .holds_gil = holder == *next},
                    .native = native_thread_id(runtime.layout, copy),
                    .is_idle = has_cframe ? in_state : top.is_null()});
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
  Holders holders(memory, runtime);
  while (!interpreter->is_null()) {
    if (seen.size() >= kMaxInterpreters) {
      return fail({.kind = ErrorKind::kOutOfBounds, .what = "PyInterpreterState.next", .where = *interpreter});
    }
    if (!seen.insert(*interpreter).second) {
      return fail({.kind = ErrorKind::kInconsistent, .what = "PyInterpreterState.next", .where = *interpreter});
    }
    auto id = memory.read_value<std::int64_t>(*interpreter + at.id, "PyInterpreterState.id");
    if (!id) return fail(id);
    auto listed = list_threads_of(memory, runtime, *interpreter, *id, holders, into);
    if (!listed) return fail(listed);
    interpreter = memory.read_pointer(*interpreter + at.next, "PyInterpreterState.next");
    if (!interpreter) return fail(interpreter);
  }
  return {};
}

// Up to 3.12 _xxsubinterpreters runs code with the state that it made the interpreter with, in whatever thread.
bool lends(const Dialect& dialect) { return dialect.frame_chain != FrameChain::kCurrentFrame; }

// A state that was just made has the number of the thread that made it, until its own has begun: it is newer than that
// thread's own state, so before it in the list, and runs nothing.
void leave_out_unborn(std::vector<Listed>& listed) {
  std::set<std::pair<Address, Address>> seen;  // interpreter, pthread
  std::vector<Listed> kept;
  for (auto one = listed.rbegin(); one != listed.rend(); ++one) {
    const bool is_new = seen.emplace(one->state.interpreter, one->state.pthread).second;
    if (is_new || !one->is_idle) kept.push_back(*one);
  }
  listed.assign(kept.rbegin(), kept.rend());
}

// Of the states that have one number, only that of the oldest interpreter is the thread's for sure.
void doubt_lent(std::vector<Listed>& listed) {
  std::unordered_map<std::int32_t, std::int64_t> oldest;
  for (const auto& [state, native, is_idle] : listed) {
    const auto [known, is_new] = oldest.emplace(state.tid.value, state.interpreter_id);
    if (!is_new) known->second = std::min(known->second, state.interpreter_id);
  }
  for (auto& [state, native, is_idle] : listed) {
    if (state.tid == Tid{} || state.interpreter_id == oldest[state.tid.value]) continue;
    state.is_lent = true;
    state.tid = {};
  }
}

// A number of 0 is what the kernel leaves of a thread that has ended. Where no number is right, the kernel's list is in
// other numbers than the target's, and proves nothing.
void leave_out_ended(std::vector<Listed>& listed, const std::vector<bool>& lives) {
  if (std::find(lives.begin(), lives.end(), true) == lives.end()) return;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < listed.size(); ++i) {
    // Another interpreter's state may be run by a thread that did not make it.
    if (lives[i] || listed[i].state.interpreter_id != 0) listed[kept++] = listed[i];
  }
  listed.resize(kept);
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
  std::vector<bool> lives;
  for (std::size_t i = 0; i < listed.size(); ++i) {
    auto& state = listed[i].state;
    lives.push_back(kernels.count(listed[i].native.value) != 0 || kernels.count(by_libc[i].value) != 0);
    if (!owners[state.tid.value]) state.tid = {};
  }
  if (libc == Libc::kGlibc) leave_out_ended(listed, lives);
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
  leave_out_unborn(listed);
  if (auto numbered = number_threads(memory, libc, tids, listed); !numbered) return fail(numbered);
  if (lends(runtime.dialect)) doubt_lent(listed);
  std::vector<ThreadState> states;
  states.reserve(listed.size());
  for (const auto& one : listed) states.push_back(one.state);
  return states;
}

}  // namespace snag::python
