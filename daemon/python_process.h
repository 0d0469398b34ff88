#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "readers/asyncio/module_offsets.h"
#include "readers/base/clock.h"
#include "readers/process/remote_memory.h"
#include "readers/python/code_cache.h"
#include "readers/python/runtime.h"
#include "readers/python/stack_reader.h"
#include "readers/python/thread_states.h"

namespace snag::daemon {

// A thread of a process, in both numberings.
struct TargetThread {
  python::ThreadState state;
  Tid tid;           // in our PID namespace: the name below /proc/PID/task; of a core, in the process's own; 0
                     // where not known
  std::string name;  // by PythonProcess::name(); any bytes; empty where not known
  std::optional<int> signal{};  // that ended the process in this thread
};

// A CPython process whose runtime was found and whose memory can be read, alive (Target) or not (CoreTarget): all that
// reads stacks, names and tasks works on either. Not movable: its parts refer to each other.
class PythonProcess {
 public:
  PythonProcess(const PythonProcess&) = delete;
  PythonProcess& operator=(const PythonProcess&) = delete;
  virtual ~PythonProcess() = default;

  [[nodiscard]] Pid pid() const { return pid_; }
  [[nodiscard]] const RemoteMemory& memory() const { return *memory_; }
  [[nodiscard]] const python::Runtime& runtime() const { return runtime_; }
  [[nodiscard]] python::CodeCache& codes() { return codes_; }
  [[nodiscard]] python::StackReader& stacks() { return stacks_; }

  // The Python threads, without names. Some 2 µs each.
  [[nodiscard]] virtual Result<std::vector<TargetThread>> threads() const = 0;
  // What the kernel does with a thread, by its letter in /proc/PID/task/TID/stat; absent where nothing says so.
  [[nodiscard]] virtual std::optional<char> run_state(Tid tid) const = 0;
  // What the kernel calls a thread (comm); absent where nothing says so.
  [[nodiscard]] virtual std::optional<std::string> kernel_name(Tid tid) const = 0;
  // Gives threads the names that the program gave them, or else the kernel's.
  void name(std::span<TargetThread> threads) const;
  // What its _asyncio says of its own structs, if it has loaded one that does.
  [[nodiscard]] virtual std::optional<asyncio::ModuleOffsets> asyncio_offsets() const = 0;

 protected:
  // `clock`: by which a read that took too long is thrown away.
  PythonProcess(Pid pid, std::unique_ptr<const RemoteMemory> memory, python::Runtime runtime, Clock clock)
      : pid_(pid),
        memory_(std::move(memory)),
        runtime_(std::move(runtime)),
        codes_(*memory_, runtime_),
        stacks_(*memory_, runtime_, clock) {}

 private:
  Pid pid_;
  std::unique_ptr<const RemoteMemory> memory_;
  python::Runtime runtime_;
  python::CodeCache codes_;
  python::StackReader stacks_;
};

}  // namespace snag::daemon
