#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "readers/base/clock.h"
#include "readers/base/ids.h"
#include "readers/base/result.h"
#include "readers/process/proc_root.h"

namespace snag {

// Whether the target lives in our own namespace of a kind: "mnt", "net", "pid", "time", "user".
[[nodiscard]] Result<bool> shares_namespace(const ProcRoot& root, Pid pid, std::string_view kind);

// By how much the target's CLOCK_MONOTONIC is ahead of ours: ours = target's - offset. Zero where both share a time
// namespace, and on kernels without them (before 5.6). kUnsupported when the kernel does not say: the target prepared
// another time namespace for its children, and the file tells only of that one.
[[nodiscard]] Result<Nanoseconds> monotonic_offset(const ProcRoot& root, Pid pid);

// A thread's number in our PID namespace and in the target's innermost one: the same number outside of containers. The
// latter is what CPython's native_thread_id says.
struct ThreadNumbers {
  Tid ours;
  std::int32_t targets = 0;
};
[[nodiscard]] Result<ThreadNumbers> thread_numbers(const ProcRoot& root, Pid pid, Tid tid);
// Of all threads, ascending by `ours`; a thread that ends meanwhile is left out.
[[nodiscard]] Result<std::vector<ThreadNumbers>> all_thread_numbers(const ProcRoot& root, Pid pid);

}  // namespace snag
