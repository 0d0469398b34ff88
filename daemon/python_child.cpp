#include "daemon/python_child.h"

#include <charconv>
#include <vector>

#include "readers/process/elf_image.h"
#include "readers/process/live_memory.h"
#include "readers/process/mappings.h"
#include "readers/process/process_list.h"
#include "readers/process/threads.h"
#include "readers/python/runtime.h"

namespace snag::daemon {
namespace {

// Processes that are looked into: a wrapper has one or two below it.
constexpr std::size_t kMaxLookedAt = 64;

void add_children(const ProcRoot& proc, Pid pid, std::vector<Pid>& into) {
  const auto threads = list_threads(proc, pid);
  if (!threads) return;
  for (const Tid thread : *threads) {
    const auto text = read_proc_file(proc.of(pid, thread, "children"), kMaxLargeProcFile, "children");
    if (!text) continue;
    const char* at = text->data();
    const char* const end = at + text->size();
    for (std::int32_t number = 0; into.size() < kMaxLookedAt;) {
      const auto parsed = std::from_chars(at, end, number);
      if (parsed.ec != std::errc()) break;
      into.push_back(Pid{number});
      at = parsed.ptr + (parsed.ptr < end ? 1 : 0);  // a space follows each
    }
  }
}

}  // namespace

std::optional<std::string> find_python_below(const ProcRoot& proc, Pid pid) {
  std::vector<Pid> below;
  add_children(proc, pid, below);
  for (std::size_t i = 0; i < below.size(); ++i) {
    const auto mappings = read_mappings(proc, below[i]);
    if (!mappings) continue;
    const auto open = [&](const Mapping& mapping) { return open_mapped_elf(proc, below[i], mapping); };
    if (const auto runtime = python::find_runtime(open, LiveMemory(below[i]), *mappings)) {
      const auto command = command_of(proc, below[i]);
      return std::to_string(below[i].value) + " is CPython " + runtime->version_text +
             (command ? " (" + *command + ")" : "");
    }
    add_children(proc, below[i], below);
  }
  return std::nullopt;
}

}  // namespace snag::daemon
