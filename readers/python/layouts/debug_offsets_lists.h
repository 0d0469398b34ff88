#pragma once

// The fields of _Py_DebugOffsets in their order, each an uint64_t, after cookie, version and free_threaded. X(kind,
// group, field). CPython keeps the list within a released minor version; each minor version has its own.

// 3.13: Include/internal/pycore_runtime.h
#define SNAG_DEBUG_OFFSETS_3_13(X)                               \
  X(kStateSize, runtime_state, size)                             \
  X(kWord, runtime_state, finalizing)                            \
  X(kWord, runtime_state, interpreters_head)                     \
  X(kStateSize, interpreter_state, size)                         \
  X(kWord, interpreter_state, id)                                \
  X(kWord, interpreter_state, next)                              \
  X(kWord, interpreter_state, threads_head)                      \
  X(kWord, interpreter_state, gc)                                \
  X(kWord, interpreter_state, imports_modules)                   \
  X(kWord, interpreter_state, sysdict)                           \
  X(kWord, interpreter_state, builtins)                          \
  X(kWord, interpreter_state, ceval_gil)                         \
  X(kWord, interpreter_state, gil_runtime_state)                 \
  X(kFreeThreaded, interpreter_state, gil_runtime_state_enabled) \
  X(kInt, interpreter_state, gil_runtime_state_locked)           \
  X(kWord, interpreter_state, gil_runtime_state_holder)          \
  X(kSize, thread_state, size)                                   \
  X(kWord, thread_state, prev)                                   \
  X(kWord, thread_state, next)                                   \
  X(kWord, thread_state, interp)                                 \
  X(kWord, thread_state, current_frame)                          \
  X(kWord, thread_state, thread_id)                              \
  X(kWord, thread_state, native_thread_id)                       \
  X(kWord, thread_state, datastack_chunk)                        \
  X(kInt, thread_state, status)                                  \
  X(kSize, interpreter_frame, size)                              \
  X(kWord, interpreter_frame, previous)                          \
  X(kWord, interpreter_frame, executable)                        \
  X(kWord, interpreter_frame, instr_ptr)                         \
  X(kWord, interpreter_frame, localsplus)                        \
  X(kByte, interpreter_frame, owner)                             \
  X(kSize, code_object, size)                                    \
  X(kWord, code_object, filename)                                \
  X(kWord, code_object, name)                                    \
  X(kWord, code_object, qualname)                                \
  X(kWord, code_object, linetable)                               \
  X(kInt, code_object, firstlineno)                              \
  X(kInt, code_object, argcount)                                 \
  X(kWord, code_object, localsplusnames)                         \
  X(kWord, code_object, localspluskinds)                         \
  X(kByte, code_object, co_code_adaptive)                        \
  X(kSize, pyobject, size)                                       \
  X(kWord, pyobject, ob_type)                                    \
  X(kSize, type_object, size)                                    \
  X(kWord, type_object, tp_name)                                 \
  X(kWord, type_object, tp_repr)                                 \
  X(kWord, type_object, tp_flags)                                \
  X(kSize, tuple_object, size)                                   \
  X(kWord, tuple_object, ob_item)                                \
  X(kWord, tuple_object, ob_size)                                \
  X(kSize, list_object, size)                                    \
  X(kWord, list_object, ob_item)                                 \
  X(kWord, list_object, ob_size)                                 \
  X(kSize, dict_object, size)                                    \
  X(kWord, dict_object, ma_keys)                                 \
  X(kWord, dict_object, ma_values)                               \
  X(kSize, float_object, size)                                   \
  X(kWord, float_object, ob_fval)                                \
  X(kSize, long_object, size)                                    \
  X(kWord, long_object, lv_tag)                                  \
  X(kInt, long_object, ob_digit)                                 \
  X(kSize, bytes_object, size)                                   \
  X(kWord, bytes_object, ob_size)                                \
  X(kByte, bytes_object, ob_sval)                                \
  X(kSize, unicode_object, size)                                 \
  X(kInt, unicode_object, state)                                 \
  X(kWord, unicode_object, length)                               \
  X(kPartSize, unicode_object, asciiobject_size)                 \
  X(kSize, gc, size)                                             \
  X(kInt, gc, collecting)
