#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

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
  std::uint64_t pthread = 0;  // pthread_self() of the thread
  Tid tid;                    // as the target numbers it (its own PID namespace); 0 where not known
  bool holds_gil = false;
};

// All thread states of all interpreters. `tids` are the target's threads as the kernel lists them: a native thread id
// is only believed when it is among them (before 3.11 it comes from glibc's struct pthread).
[[nodiscard]] Result<std::vector<ThreadState>> list_thread_states(const RemoteMemory& memory, const Runtime& runtime,
                                                                  std::span<const Tid> tids);

// The thread that holds the GIL of an interpreter now; nullopt when it is free, or where it lies is not known. Racy by
// nature.
[[nodiscard]] Result<std::optional<Address>> gil_holder(const RemoteMemory& memory, const Runtime& runtime,
                                                        Address interpreter);

}  // namespace snag::python
