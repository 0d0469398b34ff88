#pragma once

#include <span>
#include <vector>

#include "readers/process/mappings.h"
#include "readers/process/namespaces.h"
#include "readers/process/proc_root.h"
#include "readers/process/remote_memory.h"

// Which of the kernel's threads a pthread_t is. A program knows its threads by pthread_t, an address; the kernel and
// everything below /proc know them by number.
namespace snag {

// The C library of a process, by the name of the file that it is mapped from.
enum class Libc { kGlibc, kMusl, kUnknown };
[[nodiscard]] Libc libc_of(std::span<const Mapping> mappings);

// The number that glibc keeps in its struct pthread, which a pthread_t points to: as the process itself numbers its
// threads, and right in a forked child too. 0 where there is no such struct. Only for kGlibc.
[[nodiscard]] Result<std::vector<Tid>> glibc_thread_numbers(const RemoteMemory& memory,
                                                            std::span<const Address> pthreads);

// The same by the kernel, whatever the libc: glibc and musl both put the struct at the upper end of the thread's stack,
// and the kernel tells where a thread's stack pointer is while it does not run. The main thread's struct lies on no
// stack; it is the one that holds the process's own number. 0 where neither decides: the thread runs, or uses a stack
// of its own making. `pthreads` are distinct; `threads` those that may be among them. Some 10 µs a thread.
[[nodiscard]] std::vector<Tid> thread_numbers_by_stack(const RemoteMemory& memory, const ProcRoot& root, Pid pid,
                                                       std::span<const Mapping> mappings,
                                                       std::span<const Address> pthreads,
                                                       std::span<const ThreadNumbers> threads);

}  // namespace snag
