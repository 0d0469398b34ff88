#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

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

// Reads the task that a loop runs, from asyncio.tasks._current_tasks: the dict {loop: task} that 3.8 to 3.13 keep for
// C and Python tasks alike, eager ones included.
class TaskReader {
 public:
  explicit TaskReader(python::CodeCache& codes) : codes_(&codes) {}

  // nullopt: the callback that runs is no task's step.
  [[nodiscard]] Result<std::optional<TaskInfo>> current(Address interpreter, Address loop);
  [[nodiscard]] Result<TaskInfo> describe(Address task);

 private:
  [[nodiscard]] Result<Address> current_tasks(Address interpreter) const;
  [[nodiscard]] Result<bool> is_c_task(Address task) const;
  [[nodiscard]] Result<std::string> name_of(Address task) const;
  [[nodiscard]] Result<void> describe_coroutine(Address coroutine, TaskInfo& info);

  python::CodeCache* codes_;
  std::unordered_map<Address, Address, AddressHash> dicts_;  // interpreter → its _current_tasks
};

}  // namespace snag::asyncio
