#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "readers/asyncio/module_offsets.h"
#include "readers/python/code_cache.h"

namespace snag::asyncio {

// A task, as far as it is named in a report.
struct TaskInfo {
  Address task;
  std::string name;       // Task.get_name(); empty where the task is not _asyncio's
  std::string coroutine;  // qualified name of its outermost coroutine
  std::string file;       // where that is defined; empty for a coroutine without code (Cython)
  std::int32_t line = 0;  // first line of the definition
};

// Reads the task that a loop runs: to 3.13 from asyncio.tasks._current_tasks, the dict {loop: task} for C and Python
// tasks alike, eager ones included; then from the thread state, and from that dict where asyncio has no C tasks.
class TaskReader {
 public:
  // `module_offsets` is asked once, by the first question about a task, on versions whose _asyncio speaks for itself.
  TaskReader(python::CodeCache& codes, ModuleOffsetsSource module_offsets)
      : codes_(&codes), ask_module_(std::move(module_offsets)) {}

  // nullopt: the callback that runs is no task's step.
  [[nodiscard]] Result<std::optional<TaskInfo>> current(Address thread_state, Address interpreter, Address loop);
  [[nodiscard]] Result<TaskInfo> describe(Address task);

 private:
  // What _asyncio says of its own structs comes before the row of the table.
  struct Places {
    python::MaybeOffset name;
    python::MaybeOffset coroutine;
    python::MaybeOffset running_loop;
    python::MaybeOffset running_task;
  };
  [[nodiscard]] const Places& places();
  // The task in the thread state; null where the version has none there, or the loop is another one.
  [[nodiscard]] Result<Address> running_task(Address thread_state, Address loop);
  [[nodiscard]] Result<std::optional<Address>> task_in_dict(Address interpreter, Address loop);
  [[nodiscard]] Result<Address> current_tasks(Address interpreter) const;
  [[nodiscard]] Result<bool> is_c_task(Address task) const;
  [[nodiscard]] Result<std::string> name_of(Address task);
  [[nodiscard]] Result<void> describe_coroutine(Address coroutine, TaskInfo& info);

  python::CodeCache* codes_;
  ModuleOffsetsSource ask_module_;
  std::optional<Places> places_;
  std::unordered_map<Address, Address, AddressHash> dicts_;  // interpreter → its _current_tasks
};

}  // namespace snag::asyncio
