#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "readers/process/pthreads.h"
#include "readers/python/runtime.h"

namespace snag::python {

// More are not followed: a cycle of hostile pointers ends here.
inline constexpr std::size_t kMaxInterpreters = 1024;
// kernel.threads-max of a large machine is of this order; one process rarely has a tenth.
inline constexpr std::size_t kMaxThreads = 65536;

// One PyThreadState, as it was at one instant.
struct ThreadState {
  Address address;
  Address interpreter;
  std::int64_t interpreter_id = 0;
  Address pthread;  // pthread_self() of the thread; several interpreters may have a state for one thread
  Tid tid;          // as the target numbers it (its own PID namespace); 0 where not known
  // It has the number of the thread that made it, and up to 3.12 another may run it: tid is 0 then. `on_stack` lies on
  // the stack of the thread that runs it, where the version tells; null where it does not, or nobody runs it.
  bool is_lent = false;
  Address on_stack;
  bool holds_gil = false;
};

// All thread states of all interpreters, in the interpreters' own order. `tids` are the target's threads as the kernel
// lists them, in the target's own numbers.
//
// Whatever lived through the whole call is in the list. Threads and interpreters that come and go meanwhile may be
// there or not; one that ends under the reader's hand is passed by, and the list read anew if it leads nowhere any
// more.
//
// A thread's number is what CPython (from 3.11) and glibc say, if the kernel lists it. It is 0 where they contradict
// each other, where neither knows, and where two threads would have the same: thread_numbers_by_stack() may know more.
// States of the main interpreter whose thread has ended, as in a child that C code forked, are left out.
[[nodiscard]] Result<std::vector<ThreadState>> list_thread_states(const RemoteMemory& memory, const Runtime& runtime,
                                                                  Libc libc, std::span<const Tid> tids);

// The thread that holds the GIL of an interpreter now; nullopt when it is free, or where it lies is not known. Racy by
// nature.
[[nodiscard]] Result<std::optional<Address>> gil_holder(const RemoteMemory& memory, const Runtime& runtime,
                                                        Address interpreter);

}  // namespace snag::python
