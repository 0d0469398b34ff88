#include "daemon/core_target.h"

#include <algorithm>
#include <unordered_map>

#include "readers/process/core_memory.h"

namespace snag::daemon {
namespace {

// The memory of a core stands still, so that no read of it comes too late to be believed.
Instant standing_still() { return {}; }

Error refusal(ErrorKind kind, std::string detail) {
  return {.kind = kind, .what = "core file", .detail = std::move(detail)};
}

// A file that was named must be the right one, also where nothing of it will be read.
Result<void> check_executable(CoreFiles& files) {
  if (files.executable() == nullptr) {
    return fail(refusal(ErrorKind::kUnsupported,
                        "it does not say which of its files is the executable, so --executable cannot replace it"));
  }
  auto image = files.open(*files.executable());
  if (!image) return fail(image);
  return {};
}

ElfOpener opener_of(CoreFiles& files) {
  return [&files](const Mapping& mapping) { return files.open(mapping); };
}

std::string cut_off(std::uint64_t missing_bytes) {
  return "the file was cut off: " + std::to_string(missing_bytes) + " bytes of the process are missing";
}

// Whether a runtime is missing because there is none can only be said if every file was looked at, and that one is no
// runtime that Snag knows only if all of it could be read.
Error no_runtime(const Error& error, const CoreFile& core, const CoreFiles& files) {
  if (error.kind != ErrorKind::kNotPython) {
    const auto missing = core.missing_bytes();
    return missing == 0 ? error : refusal(ErrorKind::kUnreadable, cut_off(missing) + "; " + describe(error));
  }
  const auto refused = files.refused();
  return refused.empty() ? error : refusal(ErrorKind::kUnreadable, refused.front());
}

}  // namespace

Result<std::unique_ptr<CoreTarget>> CoreTarget::open(const std::string& file, std::string executable) {
  auto core = CoreFile::open(file);
  if (!core) return fail(core);
  const bool is_replaced = !executable.empty();
  auto source = std::make_unique<Source>(*std::move(core), std::move(executable));
  if (is_replaced) {
    if (auto done = check_executable(source->files); !done) return fail(done);
  }
  auto memory = std::make_unique<CoreMemory>(source->core, source->files);
  auto runtime = python::find_runtime(opener_of(source->files), *memory, source->core.mappings());
  if (!runtime) return fail(no_runtime(runtime.error(), source->core, source->files));
  return std::unique_ptr<CoreTarget>(new CoreTarget(std::move(source), std::move(memory), *std::move(runtime)));
}

CoreTarget::CoreTarget(std::unique_ptr<Source> source, std::unique_ptr<const RemoteMemory> memory,
                       python::Runtime runtime)
    : PythonProcess(source->core.notes().pid, std::move(memory), std::move(runtime), &standing_still),
      source_(std::move(source)) {}

Result<std::vector<TargetThread>> CoreTarget::threads() const {
  const CoreNotes& notes = source_->core.notes();
  std::vector<Tid> tids;
  std::unordered_map<std::uint64_t, Tid> by_thread_pointer;
  for (const CoreThread& thread : notes.threads) {
    tids.push_back(thread.tid);
    by_thread_pointer.emplace(thread.thread_pointer, thread.tid);
  }
  // What glibc says is not needed: the registers say more.
  auto states = python::list_thread_states(memory(), runtime(), Libc::kUnknown, tids);
  if (!states) return fail(states);
  std::vector<TargetThread> threads;
  for (const auto& state : *states) {
    TargetThread thread{.state = state, .tid = state.tid, .name = {}};
    // The registers know it for every version: PyThreadState.thread_id is pthread_self(), and that is fs_base.
    const auto found = by_thread_pointer.find(state.pthread.value);
    if (found != by_thread_pointer.end()) thread.tid = found->second;
    if (thread.tid == tids.front()) thread.signal = notes.signal;
    threads.push_back(std::move(thread));
  }
  return threads;
}

std::optional<asyncio::ModuleOffsets> CoreTarget::asyncio_offsets() const {
  const auto offsets =
      asyncio::find_module_offsets(opener_of(source_->files), runtime().file, source_->core.mappings());
  return offsets ? *offsets : std::nullopt;
}

std::vector<std::string> CoreTarget::shortcomings() const {
  std::vector<std::string> sentences = source_->files.refused();
  for (const std::string& path : source_->files.unchecked()) {
    sentences.push_back(path +
                        " was taken for the file that the process had mapped: the core holds nothing to check it");
  }
  if (const auto missing = source_->core.missing_bytes(); missing > 0) {
    sentences.push_back(cut_off(missing));
  }
  return sentences;
}

}  // namespace snag::daemon
