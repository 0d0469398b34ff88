#include "readers/asyncio/tasks.h"

#include <array>

namespace snag::asyncio {
namespace {

// tp_base links that are followed to _asyncio.Task: subclasses of subclasses are rare, cycles are hostile.
constexpr int kMaxBases = 16;

}  // namespace

Result<Address> TaskReader::current_tasks(Address interpreter) const {
  const auto& objects = codes_->objects();
  const auto missing = [&](const char* what) {
    return fail({.kind = ErrorKind::kInconsistent, .what = what, .where = interpreter});
  };
  auto modules = objects.memory().read_pointer(interpreter + objects.layout().interpreter_state.modules, "sys.modules");
  if (!modules) return fail(modules);
  auto module = objects.find(*modules, "asyncio.tasks");
  if (!module) return fail(module);
  if (!*module) return missing("sys.modules['asyncio.tasks']");
  auto names = objects.memory().read_pointer(**module + objects.layout().small_objects.module_dict, "md_dict");
  if (!names) return fail(names);
  auto dict = objects.find(*names, "_current_tasks");
  if (!dict) return fail(dict);
  if (!*dict) return missing("asyncio.tasks._current_tasks");
  return **dict;
}

const TaskReader::Places& TaskReader::places() {
  if (places_) return *places_;
  const auto& layout = codes_->objects().layout();
  places_ = Places{.name = layout.task.name,
                   .coroutine = layout.task.coroutine,
                   .running_loop = layout.asyncio.running_loop,
                   .running_task = layout.asyncio.running_task};
  const auto module = places_->running_task.has_value() ? ask_module_() : std::nullopt;
  if (module) {
    const auto told = [](python::Offset offset) { return python::MaybeOffset(offset.bytes()); };
    places_ = Places{.name = told(module->task_name),
                     .coroutine = told(module->task_coroutine),
                     .running_loop = told(module->running_loop),
                     .running_task = told(module->running_task)};
  }
  return *places_;
}

Result<Address> TaskReader::running_task(Address thread_state, Address loop) {
  const auto& at = places();
  if (!at.running_task.has_value() || !at.running_loop.has_value()) return Address{};
  std::uint64_t running_loop = 0;
  std::uint64_t task = 0;
  const std::array<Piece, 2> pieces{
      {{.from = thread_state + *at.running_loop, .into = std::as_writable_bytes(std::span(&running_loop, 1))},
       {.from = thread_state + *at.running_task, .into = std::as_writable_bytes(std::span(&task, 1))}}};
  auto done = codes_->objects().memory().read_many(pieces, "_PyThreadStateImpl.asyncio_running_task");
  if (!done) return fail(done);
  return *done == pieces.size() && Address{running_loop} == loop ? Address{task} : Address{};
}

Result<std::optional<Address>> TaskReader::task_in_dict(Address interpreter, Address loop) {
  auto dict = dicts_.find(interpreter);
  if (dict == dicts_.end()) {
    auto found = current_tasks(interpreter);
    if (!found) return fail(found);
    dict = dicts_.emplace(interpreter, *found).first;
  }
  auto task = codes_->objects().find_identity(dict->second, loop);
  if (!task) dicts_.erase(dict);  // asyncio was imported anew, or this was never it
  return task;
}

Result<std::optional<TaskInfo>> TaskReader::current(Address thread_state, Address interpreter, Address loop) {
  auto running = running_task(thread_state, loop);
  if (!running) return fail(running);
  std::optional<Address> task = *running;
  if (running->is_null()) {
    auto found = task_in_dict(interpreter, loop);
    if (!found) return fail(found);
    task = *found;
  }
  if (!task) return std::optional<TaskInfo>();
  auto info = describe(*task);
  if (!info) return fail(info);
  return std::optional(std::move(*info));
}

Result<bool> TaskReader::is_c_task(Address task) const {
  const auto& objects = codes_->objects();
  auto type = objects.type_of(task);
  if (!type) return fail(type);
  for (int i = 0; i < kMaxBases && !type->is_null(); ++i) {
    auto name = objects.type_name(*type);
    if (!name) return fail(name);
    if (*name == "_asyncio.Task") return true;
    type = objects.memory().read_pointer(*type + objects.layout().type.base, "PyTypeObject.tp_base");
    if (!type) return fail(type);
  }
  return false;
}

Result<std::string> TaskReader::name_of(Address task) {
  const auto& objects = codes_->objects();
  const auto at = places().name;
  if (!at.has_value()) return std::string();
  auto name = objects.memory().read_pointer(task + *at, "TaskObj.task_name");
  if (!name) return fail(name);
  auto type = objects.type_name_of(*name);
  if (!type) return fail(type);
  if (*type != "int") return objects.string(*name);
  auto number = objects.integer(*name);  // 3.13 and later: the default name is only made when it is asked for
  if (!number) return fail(number);
  return "Task-" + std::to_string(*number);
}

Result<TaskInfo> TaskReader::describe(Address task) {
  const auto& objects = codes_->objects();
  TaskInfo info{.task = task, .name = {}, .coroutine = {}, .file = {}};
  auto known = is_c_task(task);
  if (!known) return fail(known);
  if (!*known) return info;
  auto name = name_of(task);
  if (!name) return fail(name);
  info.name = std::move(*name);
  const auto at = places().coroutine;
  if (!at.has_value()) return info;
  auto coroutine = objects.memory().read_pointer(task + *at, "TaskObj.task_coro");
  if (!coroutine) return fail(coroutine);
  if (coroutine->is_null()) return info;
  if (auto done = describe_coroutine(*coroutine, info); !done) return fail(done);
  return info;
}

Result<void> TaskReader::describe_coroutine(Address coroutine, TaskInfo& info) {
  const auto& objects = codes_->objects();
  const auto& layout = objects.layout();
  auto type = objects.type_name_of(coroutine);
  if (!type) return fail(type);
  if (*type != "coroutine" && *type != "generator") {
    info.coroutine = *type;
    return {};
  }
  auto qualname = objects.memory().read_pointer(coroutine + layout.coroutine.qualname, "cr_qualname");
  if (!qualname) return fail(qualname);
  auto name = objects.string(*qualname);
  if (!name) return fail(name);
  info.coroutine = std::move(*name);
  const Address code_at = layout.coroutine.code.has_value()
                              ? coroutine + *layout.coroutine.code
                              : coroutine + layout.coroutine.frame + layout.frame.code.bytes();
  auto code = objects.memory().read_value<std::uint64_t>(code_at, "cr_code");
  if (!code) return fail(code);
  auto function = codes_->function_of(python::referent(codes_->runtime().dialect, *code));
  if (!function) return fail(function);
  info.file = (*function)->file;
  info.line = (*function)->first_line;
  return {};
}

}  // namespace snag::asyncio
