#include "readers/python/layouts/extract/questions.h"

#include "readers/python/layouts/layout_checks.h"

namespace snag::python {
namespace {

using enum DebugFile;

constexpr std::array kQuestions{
    Question{"runtime_state", "size", kPython, {{{"_PyRuntimeState", ""}}}},
    Question{"runtime_state", "interpreters_head", kPython, {{{"_PyRuntimeState", "interpreters.head"}}}},
    Question{"runtime_state", "gil_last_holder", kPython, {{{"_PyRuntimeState", "ceval.gil.last_holder"}}}},
    Question{"runtime_state", "gil_locked", kPython, {{{"_PyRuntimeState", "ceval.gil.locked"}}}},
    Question{"runtime_state", "gc_collecting", kPython, {{{"_PyRuntimeState", "gc.collecting"}}}},

    Question{"interpreter_state", "size", kPython, {{{"PyInterpreterState", ""}}}},
    Question{"interpreter_state", "next", kPython, {{{"PyInterpreterState", "next"}}}},
    Question{"interpreter_state", "id", kPython, {{{"PyInterpreterState", "id"}}}},
    Question{"interpreter_state",
             "threads_head",
             kPython,
             {{{"PyInterpreterState", "threads.head"}, {"PyInterpreterState", "tstate_head"}}}},
    Question{"interpreter_state",
             "modules",
             kPython,
             {{{"PyInterpreterState", "imports.modules"}, {"PyInterpreterState", "modules"}}}},
    Question{"interpreter_state", "gil", kPython, {{{"PyInterpreterState", "ceval.gil"}}}},
    Question{"interpreter_state", "gc_collecting", kPython, {{{"PyInterpreterState", "gc.collecting"}}}},

    Question{"gil_state", "last_holder", kPython, {{{"_gil_runtime_state", "last_holder"}}}},
    Question{"gil_state", "locked", kPython, {{{"_gil_runtime_state", "locked"}}}},

    Question{"thread_state", "size", kPython, {{{"PyThreadState", ""}}}},
    Question{"thread_state", "next", kPython, {{{"PyThreadState", "next"}}}},
    Question{"thread_state", "interp", kPython, {{{"PyThreadState", "interp"}}}},
    // 3.10 has `frame` and, for tracing alone, `cframe`.
    Question{"thread_state",
             "top_frame",
             kPython,
             {{{"PyThreadState", "current_frame"}, {"PyThreadState", "frame"}, {"PyThreadState", "cframe"}}}},
    Question{"thread_state", "base_frame", kPython, {{{"PyThreadState", "base_frame"}}}},
    Question{"thread_state", "thread_id", kPython, {{{"PyThreadState", "thread_id"}}}},
    Question{"thread_state", "native_thread_id", kPython, {{{"PyThreadState", "native_thread_id"}}}},
    Question{"thread_state", "dict", kPython, {{{"PyThreadState", "dict"}}}},
    Question{"thread_state", "id", kPython, {{{"PyThreadState", "id"}}}},
    Question{"thread_state", "datastack_chunk", kPython, {{{"PyThreadState", "datastack_chunk"}}}},
    Question{"thread_state", "datastack_top", kPython, {{{"PyThreadState", "datastack_top"}}}},

    // 3.10's CFrame has no such member.
    Question{"cframe", "current_frame", kPython, {{{"_PyCFrame", "current_frame"}}}},

    Question{"stack_chunk", "previous", kPython, {{{"_PyStackChunk", "previous"}}}},
    Question{"stack_chunk", "size", kPython, {{{"_PyStackChunk", "size"}}}},
    Question{"stack_chunk", "top", kPython, {{{"_PyStackChunk", "top"}}}},
    Question{"stack_chunk", "data", kPython, {{{"_PyStackChunk", "data"}}}},

    // From 3.11 on PyFrameObject is another thing: a wrapper made for those who ask for a frame object.
    Question{"frame", "size", kPython, {{{"_PyInterpreterFrame", ""}, {"PyFrameObject", ""}}}},
    Question{"frame", "previous", kPython, {{{"_PyInterpreterFrame", "previous"}, {"PyFrameObject", "f_back"}}}},
    Question{
        "frame",
        "code",
        kPython,
        {{{"_PyInterpreterFrame", "f_executable"}, {"_PyInterpreterFrame", "f_code"}, {"PyFrameObject", "f_code"}}}},
    Question{
        "frame",
        "instruction",
        kPython,
        {{{"_PyInterpreterFrame", "instr_ptr"}, {"_PyInterpreterFrame", "prev_instr"}, {"PyFrameObject", "f_lasti"}}}},
    Question{"frame", "locals", kPython, {{{"_PyInterpreterFrame", "localsplus"}, {"PyFrameObject", "f_localsplus"}}}},
    Question{"frame", "globals", kPython, {{{"_PyInterpreterFrame", "f_globals"}, {"PyFrameObject", "f_globals"}}}},
    Question{"frame", "owner", kPython, {{{"_PyInterpreterFrame", "owner"}}}},
    Question{"frame", "state", kPython, {{{"PyFrameObject", "f_executing"}, {"PyFrameObject", "f_state"}}}},
    Question{"frame", "function", kPython, {{{"_PyInterpreterFrame", "f_funcobj"}, {"_PyInterpreterFrame", "f_func"}}}},
    Question{"frame", "value_stack", kPython, {{{"PyFrameObject", "f_valuestack"}}}},
    Question{"frame",
             "stack_top",
             kPython,
             {{{"_PyInterpreterFrame", "stackpointer"},
               {"_PyInterpreterFrame", "stacktop"},
               {"PyFrameObject", "f_stackdepth"},
               {"PyFrameObject", "f_stacktop"}}}},
    Question{"frame", "bytecode_index", kPython, {{{"_PyInterpreterFrame", "tlbc_index"}}}},

    Question{"code", "size", kPython, {{{"PyCodeObject", ""}}}},
    Question{"code", "filename", kPython, {{{"PyCodeObject", "co_filename"}}}},
    Question{"code", "name", kPython, {{{"PyCodeObject", "co_name"}}}},
    Question{"code", "qualname", kPython, {{{"PyCodeObject", "co_qualname"}}}},
    Question{"code", "line_table", kPython, {{{"PyCodeObject", "co_linetable"}, {"PyCodeObject", "co_lnotab"}}}},
    Question{"code", "first_line", kPython, {{{"PyCodeObject", "co_firstlineno"}}}},
    Question{"code", "instructions", kPython, {{{"PyCodeObject", "co_code_adaptive"}, {"PyCodeObject", "co_code"}}}},
    Question{"code", "constants", kPython, {{{"PyCodeObject", "co_consts"}}}},
    Question{"code", "names", kPython, {{{"PyCodeObject", "co_names"}}}},
    Question{
        "code", "variable_names", kPython, {{{"PyCodeObject", "co_localsplusnames"}, {"PyCodeObject", "co_varnames"}}}},
    Question{"code", "cell_names", kPython, {{{"PyCodeObject", "co_cellvars"}}}},
    Question{"code", "free_names", kPython, {{{"PyCodeObject", "co_freevars"}}}},
    Question{"code", "variable_count", kPython, {{{"PyCodeObject", "co_nlocalsplus"}}}},
    Question{"code", "local_count", kPython, {{{"PyCodeObject", "co_nlocals"}}}},
    Question{"code", "stack_size", kPython, {{{"PyCodeObject", "co_stacksize"}}}},
    Question{"code", "flags", kPython, {{{"PyCodeObject", "co_flags"}}}},
    Question{"code", "argument_count", kPython, {{{"PyCodeObject", "co_argcount"}}}},
    Question{"code", "exception_table", kPython, {{{"PyCodeObject", "co_exceptiontable"}}}},
    Question{"code", "first_traceable", kPython, {{{"PyCodeObject", "_co_firsttraceable"}}}},
    Question{"code", "bytecodes", kPython, {{{"PyCodeObject", "co_tlbc"}}}},

    Question{"coroutine", "size", kPython, {{{"PyCoroObject", ""}}}},
    Question{"coroutine", "frame", kPython, {{{"PyCoroObject", "cr_iframe"}, {"PyCoroObject", "cr_frame"}}}},
    Question{"coroutine", "name", kPython, {{{"PyCoroObject", "cr_name"}}}},
    Question{"coroutine", "qualname", kPython, {{{"PyCoroObject", "cr_qualname"}}}},
    Question{"coroutine", "code", kPython, {{{"PyCoroObject", "cr_code"}}}},
    Question{"coroutine", "frame_state", kPython, {{{"PyCoroObject", "cr_frame_state"}}}},

    Question{"bytecodes", "count", kPython, {{{"_PyCodeArray", "size"}}}},
    Question{"bytecodes", "entries", kPython, {{{"_PyCodeArray", "entries"}}}},

    Question{"object", "reference_count", kPython, {{{"PyObject", "ob_refcnt"}}}},
    Question{"object", "type", kPython, {{{"PyObject", "ob_type"}}}},
    Question{"object", "item_count", kPython, {{{"PyVarObject", "ob_size"}}}},

    Question{"type", "size", kPython, {{{"PyTypeObject", ""}}}},
    Question{"type", "name", kPython, {{{"PyTypeObject", "tp_name"}}}},
    Question{"type", "basic_size", kPython, {{{"PyTypeObject", "tp_basicsize"}}}},
    Question{"type", "flags", kPython, {{{"PyTypeObject", "tp_flags"}}}},
    Question{"type", "dict_offset", kPython, {{{"PyTypeObject", "tp_dictoffset"}}}},
    Question{"type", "base", kPython, {{{"PyTypeObject", "tp_base"}}}},
    Question{"type", "dict", kPython, {{{"PyTypeObject", "tp_dict"}}}},
    Question{"type", "mro", kPython, {{{"PyTypeObject", "tp_mro"}}}},

    Question{"unicode", "length", kPython, {{{"PyASCIIObject", "length"}}}},
    Question{"unicode", "state", kPython, {{{"PyASCIIObject", "state"}}}},
    Question{"unicode", "kind", kPython, {{{"PyASCIIObject", "state.kind"}}}},
    Question{"unicode", "ascii_size", kPython, {{{"PyASCIIObject", ""}}}},
    Question{"unicode", "compact_size", kPython, {{{"PyCompactUnicodeObject", ""}}}},

    Question{"dict", "used", kPython, {{{"PyDictObject", "ma_used"}}}},
    Question{"dict", "keys", kPython, {{{"PyDictObject", "ma_keys"}}}},
    Question{"dict", "values", kPython, {{{"PyDictObject", "ma_values"}}}},

    Question{"dict_keys", "slot_count", kPython, {{{"PyDictKeysObject", "dk_size"}}}},
    Question{"dict_keys", "log2_size", kPython, {{{"PyDictKeysObject", "dk_log2_size"}}}},
    Question{"dict_keys", "log2_index_bytes", kPython, {{{"PyDictKeysObject", "dk_log2_index_bytes"}}}},
    Question{"dict_keys", "kind", kPython, {{{"PyDictKeysObject", "dk_kind"}}}},
    Question{"dict_keys", "entry_count", kPython, {{{"PyDictKeysObject", "dk_nentries"}}}},
    Question{"dict_keys", "indices", kPython, {{{"PyDictKeysObject", "dk_indices"}}}},

    Question{"small_objects", "tuple_items", kPython, {{{"PyTupleObject", "ob_item"}}}},
    Question{"small_objects", "list_items", kPython, {{{"PyListObject", "ob_item"}}}},
    Question{"small_objects", "float_value", kPython, {{{"PyFloatObject", "ob_fval"}}}},
    Question{"small_objects", "long_tag", kPython, {{{"PyLongObject", "long_value.lv_tag"}}}},
    Question{"small_objects",
             "long_digits",
             kPython,
             {{{"PyLongObject", "long_value.ob_digit"}, {"PyLongObject", "ob_digit"}}}},
    Question{"small_objects", "bytes_value", kPython, {{{"PyBytesObject", "ob_sval"}}}},
    Question{"small_objects", "cell_value", kPython, {{{"PyCellObject", "ob_ref"}}}},
    Question{"small_objects", "module_dict", kPython, {{{"PyModuleObject", "md_dict"}}}},
    Question{"small_objects", "module_state", kPython, {{{"PyModuleObject", "md_state"}}}},
    Question{"small_objects", "method_function", kPython, {{{"PyMethodObject", "im_func"}}}},
    Question{"small_objects", "method_self", kPython, {{{"PyMethodObject", "im_self"}}}},
    Question{"small_objects", "builtin_definition", kPython, {{{"PyCFunctionObject", "m_ml"}}}},
    Question{"small_objects", "builtin_self", kPython, {{{"PyCFunctionObject", "m_self"}}}},
    Question{"small_objects", "builtin_module", kPython, {{{"PyCFunctionObject", "m_module"}}}},
    Question{"small_objects", "descriptor_type", kPython, {{{"PyDescrObject", "d_type"}}}},
    Question{"small_objects", "descriptor_name", kPython, {{{"PyDescrObject", "d_name"}}}},

    Question{"function", "code", kPython, {{{"PyFunctionObject", "func_code"}}}},
    Question{"function", "globals", kPython, {{{"PyFunctionObject", "func_globals"}}}},
    Question{"function", "name", kPython, {{{"PyFunctionObject", "func_name"}}}},
    Question{"function", "qualname", kPython, {{{"PyFunctionObject", "func_qualname"}}}},
    Question{"function", "module", kPython, {{{"PyFunctionObject", "func_module"}}}},

    Question{"task", "loop", kAsyncio, {{{"TaskObj", "task_loop"}}}},
    Question{"task", "state", kAsyncio, {{{"TaskObj", "task_state"}}}},
    Question{"task", "awaited", kAsyncio, {{{"TaskObj", "task_fut_waiter"}}}},
    Question{"task", "coroutine", kAsyncio, {{{"TaskObj", "task_coro"}}}},
    Question{"task", "name", kAsyncio, {{{"TaskObj", "task_name"}}}},

    Question{"asyncio", "step_task", kAsyncio, {{{"TaskStepMethWrapper", "sw_task"}}}},
    Question{"asyncio", "current_tasks", kAsyncio, {{{"asyncio_state", "current_tasks"}}}},
    Question{"asyncio", "scheduled_tasks", kAsyncio, {{{"asyncio_state", "scheduled_tasks"}}}},
    Question{"asyncio", "eager_tasks", kAsyncio, {{{"asyncio_state", "eager_tasks"}}}},
    Question{"asyncio", "running_loop", kPython, {{{"_PyThreadStateImpl", "asyncio_running_loop"}}}},
    Question{"asyncio", "running_task", kPython, {{{"_PyThreadStateImpl", "asyncio_running_task"}}}},
};

constexpr bool asks_for_every_member() {
  if (kQuestions.size() != kMemberCount) return false;
  for (std::size_t at = 0; at < kMemberCount; ++at) {
    if (kQuestions[at].group != kLayoutMembers[at].group || kQuestions[at].member != kLayoutMembers[at].name) {
      return false;
    }
  }
  return true;
}
static_assert(asks_for_every_member(), "one question for each member of layout.h, in the order of its lists");

}  // namespace

std::span<const Question> layout_questions() { return kQuestions; }

}  // namespace snag::python
