#include "readers/process/pthreads.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>

#include "readers/process/read_each.h"
#include "readers/process/threads.h"

namespace snag {
namespace {

// glibc on x86-64, nptl/descr.h and sysdeps/x86_64/nptl/tls.h: struct pthread begins with a tcbhead_t, whose words 0
// (tcb) and 2 (self) point to the struct itself; 64 words of padding and two of a list are followed by pid_t tid. The
// same from 2.4 to 2.40. musl's struct has only the first of the two pointers there, and its number elsewhere.
constexpr std::size_t kSelfWords = 3;
constexpr std::uint64_t kTid = 720;

// Where a pthread's struct may hold its number: musl 1.2, musl 1.1 (src/internal/pthread_impl.h), glibc.
constexpr std::array<std::uint64_t, 3> kPlaces{48, 56, kTid};

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// What a mapping holds: stack pointers of the kernel's threads, and structs of pthreads.
struct Stack {
  std::vector<Tid> threads;
  std::vector<std::size_t> pthreads;  // by their place in the list asked for
};

// The stack pointer of a thread that the kernel has put aside; null while it runs.
Result<Address> stack_pointer(const ProcRoot& root, Pid pid, Tid tid) {
  auto text = read_proc_file(root.of(pid, tid, "syscall"), kMaxSmallProcFile, "/proc/PID/task/TID/syscall");
  if (!text) return fail(text);
  auto call = parse_system_call(*text);
  if (!call) return fail(call);
  return call->stack_pointer;
}

// Whether it is a struct pthread, of whatever libc, that says this number of itself.
bool holds_number(const RemoteMemory& memory, Address pthread, Tid tid) {
  const auto self = memory.read_pointer(pthread, "struct pthread.self");
  if (!self || *self != pthread) return false;
  return std::any_of(kPlaces.begin(), kPlaces.end(), [&](std::uint64_t place) {
    const auto number = memory.read_value<std::int32_t>(pthread + place, "struct pthread.tid");
    return number && *number == tid.value;
  });
}

}  // namespace

Libc libc_of(std::span<const Mapping> mappings) {
  for (const auto& mapping : mappings) {
    if (!mapping.is_file()) continue;
    const auto name = base_name(mapping.path);
    // Its loader is its libc: Alpine names the file after the one, Debian after the other. glibc's libc.so is a text.
    if (name.starts_with("ld-musl-") || name.starts_with("libc.musl-") || name == "libc.so") return Libc::kMusl;
    if (name == "libc.so.6" || (name.starts_with("libc-2.") && name.ends_with(".so"))) return Libc::kGlibc;
  }
  return Libc::kUnknown;
}

Result<std::vector<Tid>> glibc_thread_numbers(const RemoteMemory& memory, std::span<const Address> pthreads) {
  std::vector<std::array<std::uint64_t, kSelfWords>> heads(pthreads.size());
  std::vector<std::int32_t> numbers(pthreads.size());
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < pthreads.size(); ++i) {
    pieces.push_back({.from = pthreads[i], .into = std::as_writable_bytes(std::span(heads[i]))});
    pieces.push_back({.from = pthreads[i] + kTid, .into = std::as_writable_bytes(std::span(&numbers[i], 1))});
  }
  auto whole = read_each(memory, pieces, "struct pthread");
  if (!whole) return fail(whole);
  std::vector<Tid> tids(pthreads.size());
  for (std::size_t i = 0; i < pthreads.size(); ++i) {
    const bool read = (*whole)[i * 2] && (*whole)[i * 2 + 1];
    if (read && heads[i].front() == pthreads[i].value && heads[i].back() == pthreads[i].value) tids[i] = {numbers[i]};
  }
  return tids;
}

std::vector<Tid> thread_numbers_by_stack(const RemoteMemory& memory, const ProcRoot& root, Pid pid,
                                         std::span<const Mapping> mappings, std::span<const Address> pthreads,
                                         std::span<const ThreadNumbers> threads) {
  std::map<Address, Stack> stacks;  // by the mapping's begin
  std::optional<Tid> main_thread;
  for (const auto& thread : threads) {
    if (thread.ours.value == pid.value) main_thread = Tid{thread.targets};
    const auto pointer = stack_pointer(root, pid, thread.ours);
    if (!pointer) continue;
    if (const Mapping* mapping = find_mapping(mappings, *pointer)) {
      stacks[mapping->begin].threads.push_back({thread.targets});
    }
  }
  std::vector<Tid> numbers(pthreads.size());
  std::vector<std::size_t> main_threads;
  for (std::size_t i = 0; i < pthreads.size(); ++i) {
    const Mapping* mapping = find_mapping(mappings, pthreads[i]);
    const auto stack = mapping != nullptr ? stacks.find(mapping->begin) : stacks.end();
    if (stack != stacks.end()) {
      stack->second.pthreads.push_back(i);
    } else if (main_thread && holds_number(memory, pthreads[i], *main_thread)) {
      main_threads.push_back(i);
    }
  }
  for (const auto& [begin, stack] : stacks) {
    if (stack.threads.size() == 1 && stack.pthreads.size() == 1)
      numbers[stack.pthreads.front()] = stack.threads.front();
  }
  if (main_threads.size() == 1) numbers[main_threads.front()] = *main_thread;
  return numbers;
}

}  // namespace snag
