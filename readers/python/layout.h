#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "readers/base/address.h"

namespace snag::python {

// Room for the head of a str or a dict's table of keys, whatever the version; a target that tells of its own structs is
// held to it (layouts/debug_layout.cpp).
inline constexpr std::size_t kMaxHeadBytes = 64;
// Room for an int of one digit, whatever the version.
inline constexpr std::size_t kMaxSmallIntegerBytes = 44;

// Where a member lies within its C struct, in bytes. There is no default: a row that leaves one out does not compile.
class Offset {
 public:
  explicit constexpr Offset(std::uint32_t bytes) : bytes_(bytes) {}
  [[nodiscard]] constexpr std::uint32_t bytes() const { return bytes_; }
  friend constexpr Address operator+(Address base, Offset offset) { return base + offset.bytes_; }
  friend constexpr bool operator==(const Offset&, const Offset&) = default;

 private:
  std::uint32_t bytes_;
};

// The size of a C struct in bytes.
class Size {
 public:
  explicit constexpr Size(std::uint32_t bytes) : bytes_(bytes) {}
  [[nodiscard]] constexpr std::uint32_t bytes() const { return bytes_; }
  friend constexpr bool operator==(const Size&, const Size&) = default;

 private:
  std::uint32_t bytes_;
};

// Where a bit field begins within its C struct, in bits from the struct's beginning, the lowest bit of a byte first.
class Bit {
 public:
  explicit constexpr Bit(std::uint32_t bits) : bits_(bits) {}
  [[nodiscard]] constexpr std::uint32_t bits() const { return bits_; }
  friend constexpr bool operator==(const Bit&, const Bit&) = default;

 private:
  std::uint32_t bits_;
};

// A member that this version does not have is said to be absent; it is never 0.
struct Absent {};
inline constexpr Absent kAbsent{};
class MaybeOffset {
 public:
  explicit constexpr MaybeOffset(Absent) {}
  explicit constexpr MaybeOffset(std::uint32_t bytes) : offset_(Offset(bytes)) {}
  [[nodiscard]] constexpr bool has_value() const { return offset_.has_value(); }
  [[nodiscard]] constexpr Offset operator*() const { return *offset_; }
  friend constexpr bool operator==(const MaybeOffset&, const MaybeOffset&) = default;

 private:
  std::optional<Offset> offset_;
};

// The lists below are the single place that names a member. From them are made: the structs of offsets, the rows' check
// sum, the comparison of two layouts, and the extractor's questions to DWARF. X(type, member).

#define SNAG_LAYOUT_RUNTIME_STATE(X)                                      \
  X(Size, size)                                                           \
  X(Offset, interpreters_head)                                            \
  X(MaybeOffset, gil_last_holder) /* to 3.11: the GIL is the runtime's */ \
  X(MaybeOffset, gil_locked)                                              \
  X(MaybeOffset, gc_collecting) /* 3.8: later, the interpreter's */

#define SNAG_LAYOUT_INTERPRETER_STATE(X)                                                 \
  X(Size, size)                                                                          \
  X(Offset, next)                                                                        \
  X(Offset, id)                                                                          \
  X(Offset, threads_head)                                                                \
  X(Offset, modules)            /* sys.modules, a dict */                                \
  X(MaybeOffset, gil)           /* from 3.12: PyInterpreterState.ceval.gil, a pointer */ \
  X(MaybeOffset, gc_collecting) /* from 3.9; in 3.8 the runtime's */

#define SNAG_LAYOUT_GIL_STATE(X) /* struct _gil_runtime_state, pointed to by interpreter_state.gil */ \
  X(Offset, last_holder)                                                                              \
  X(Offset, locked)

#define SNAG_LAYOUT_THREAD_STATE(X)                                                                                \
  X(Size, size)                                                                                                    \
  X(Offset, next)                                                                                                  \
  X(Offset, interp)                                                                                                \
  X(Offset, top_frame)       /* to 3.10 frame: PyFrameObject*; 3.11-3.12 cframe: _PyCFrame*; then current_frame */ \
  X(MaybeOffset, base_frame) /* from 3.15: points to the frame that each stack of the thread ends with */          \
  X(Offset, thread_id)       /* pthread_t */                                                                       \
  X(MaybeOffset, native_thread_id) /* from 3.11 */                                                                 \
  X(Offset, dict)                                                                                                  \
  X(Offset, id)                                                                                                    \
  X(MaybeOffset, datastack_chunk) /* from 3.11 */                                                                  \
  X(MaybeOffset, datastack_top)

#define SNAG_LAYOUT_CFRAME(X) /* 3.11-3.12: _PyCFrame, between thread state and frame */ X(MaybeOffset, current_frame)

#define SNAG_LAYOUT_STACK_CHUNK(X) /* _PyStackChunk, from 3.11 */ \
  X(MaybeOffset, previous)                                        \
  X(MaybeOffset, size)                                            \
  X(MaybeOffset, top)                                             \
  X(MaybeOffset, data)

#define SNAG_LAYOUT_FRAME(X) /* to 3.10 PyFrameObject, from 3.11 _PyInterpreterFrame */                                \
  X(Size, size)                                                                                                        \
  X(Offset, previous)                                                                                                  \
  X(Offset, code)        /* f_code, 3.13 f_executable */                                                               \
  X(Offset, instruction) /* to 3.9 f_lasti in bytes (int), 3.10 f_lasti in units (int), then prev_instr/instr_ptr */   \
  X(Offset, locals)      /* f_localsplus / localsplus: locals, cells, free variables, then the value stack */          \
  X(Offset, globals)                                                                                                   \
  X(MaybeOffset, owner)          /* from 3.11, char */                                                                 \
  X(MaybeOffset, state)          /* to 3.9 f_executing, 3.10 f_state, char: whether it runs */                         \
  X(MaybeOffset, function)       /* from 3.11 f_func / f_funcobj */                                                    \
  X(MaybeOffset, value_stack)    /* to 3.10 f_valuestack, a pointer; later it follows the variables */                 \
  X(MaybeOffset, stack_top)      /* f_stacktop, 3.10 f_stackdepth, stacktop, 3.14 stackpointer: not kept in running */ \
  X(MaybeOffset, bytecode_index) /* tlbc_index, int32_t, from 3.14 without the GIL: which copy of its code it runs */

#define SNAG_LAYOUT_CODE(X)                                                                                         \
  X(Size, size)                                                                                                     \
  X(Offset, filename)                                                                                               \
  X(Offset, name)                                                                                                   \
  X(MaybeOffset, qualname) /* from 3.11 */                                                                          \
  X(Offset, line_table)    /* to 3.9 co_lnotab, then co_linetable */                                                \
  X(Offset, first_line)                                                                                             \
  X(Offset, instructions) /* to 3.10 co_code, a bytes object; from 3.11 co_code_adaptive, inline, to the end */     \
  X(Offset, constants)                                                                                              \
  X(Offset, names)                                                                                                  \
  X(Offset, variable_names)  /* to 3.10 co_varnames, from 3.11 co_localsplusnames */                                \
  X(MaybeOffset, cell_names) /* to 3.10 */                                                                          \
  X(MaybeOffset, free_names)                                                                                        \
  X(MaybeOffset, variable_count) /* from 3.11 co_nlocalsplus */                                                     \
  X(Offset, local_count)         /* co_nlocals */                                                                   \
  X(Offset, stack_size)                                                                                             \
  X(Offset, flags)                                                                                                  \
  X(Offset, argument_count)                                                                                         \
  X(MaybeOffset, exception_table) /* from 3.11 */                                                                   \
  X(MaybeOffset, first_traceable) /* from 3.11, int: instruction (in units) before which CPython hides the frame */ \
  X(MaybeOffset, bytecodes)       /* co_tlbc, a _PyCodeArray*, from 3.14 without the GIL: copies of the instructions */

#define SNAG_LAYOUT_COROUTINE(X) /* PyCoroObject, which begins like PyGenObject */    \
  X(Size, size)                                                                       \
  X(Offset, frame) /* to 3.10 cr_frame, a pointer; from 3.11 cr_iframe, inline */     \
  X(Offset, name)                                                                     \
  X(Offset, qualname)                                                                 \
  X(MaybeOffset, code)        /* to 3.11 cr_code; from 3.12 only through the frame */ \
  X(MaybeOffset, frame_state) /* from 3.11 */

#define SNAG_LAYOUT_BYTECODES(X) /* _PyCodeArray, from 3.14 without the GIL */ \
  X(MaybeOffset, count)                                                        \
  X(MaybeOffset, entries)

#define SNAG_LAYOUT_OBJECT(X)     /* PyObject, PyVarObject */ \
  X(MaybeOffset, reference_count) /* with the GIL */          \
  X(Offset, type)                                             \
  X(Offset, item_count)

#define SNAG_LAYOUT_TYPE(X) \
  X(Size, size)             \
  X(Offset, name)           \
  X(Offset, basic_size)     \
  X(Offset, flags)          \
  X(Offset, dict_offset)    \
  X(Offset, base)           \
  X(Offset, dict)           \
  X(Offset, mro)

#define SNAG_LAYOUT_UNICODE(X)                                                         \
  X(Offset, length)                                                                    \
  X(Offset, state)                                                                     \
  X(Bit, kind)          /* of state: three bits, then one each of compact and ascii */ \
  X(Size, ascii_size)   /* PyASCIIObject */                                            \
  X(Size, compact_size) /* PyCompactUnicodeObject */

#define SNAG_LAYOUT_DICT(X) \
  X(Offset, used)           \
  X(Offset, keys)           \
  X(Offset, values)

#define SNAG_LAYOUT_DICT_KEYS(X) /* PyDictKeysObject */                                          \
  X(MaybeOffset, slot_count)     /* to 3.10 dk_size */                                           \
  X(MaybeOffset, log2_size)      /* from 3.11 */                                                 \
  X(MaybeOffset, log2_index_bytes)                                                               \
  X(MaybeOffset, kind)   /* from 3.11: 0 general, 1 unicode (entries without a hash), 2 split */ \
  X(Offset, entry_count) /* dk_nentries */                                                       \
  X(Offset, indices)     /* dk_indices, followed by the entries */

#define SNAG_LAYOUT_SMALL_OBJECTS(X)                                                                \
  X(Offset, tuple_items)                                                                            \
  X(Offset, list_items)                                                                             \
  X(Offset, float_value)                                                                            \
  X(MaybeOffset, long_tag) /* from 3.12 lv_tag; before, PyVarObject.ob_size */                      \
  X(Offset, long_digits)                                                                            \
  X(Offset, bytes_value)                                                                            \
  X(Offset, cell_value)                                                                             \
  X(Offset, module_dict)                                                                            \
  X(Offset, module_state)    /* PyModuleObject.md_state */                                          \
  X(Offset, method_function) /* PyMethodObject.im_func */                                           \
  X(Offset, method_self)                                                                            \
  X(Offset, builtin_definition) /* PyCFunctionObject.m_ml; PyMethodDef.ml_name is its first word */ \
  X(Offset, builtin_self)                                                                           \
  X(Offset, builtin_module)                                                                         \
  X(Offset, descriptor_type) /* PyDescrObject.d_type */                                             \
  X(Offset, descriptor_name)

#define SNAG_LAYOUT_FUNCTION(X) \
  X(Offset, code)               \
  X(Offset, globals)            \
  X(Offset, name)               \
  X(Offset, qualname)           \
  X(Offset, module)

// What _asyncio's C implementation defines is absent where its debug information was not to be had: from 3.14 on
// AsyncioDebugOffsets tell what is needed of it.
#define SNAG_LAYOUT_TASK(X) /* TaskObj */       \
  X(MaybeOffset, loop)                          \
  X(MaybeOffset, state)                         \
  X(MaybeOffset, awaited) /* task_fut_waiter */ \
  X(MaybeOffset, coroutine)                     \
  X(MaybeOffset, name) /* from 3.8 */

#define SNAG_LAYOUT_ASYNCIO(X)  /* of several structs, each named */                                               \
  X(MaybeOffset, step_task)     /* TaskStepMethWrapper.sw_task: from a handle's callback to its task */            \
  X(MaybeOffset, current_tasks) /* asyncio_state, the module's state, 3.12 and 3.13; before, a C static: absent */ \
  X(MaybeOffset, scheduled_tasks)                                                                                  \
  X(MaybeOffset, eager_tasks)                                                                                      \
  X(MaybeOffset, running_loop) /* _PyThreadStateImpl, from 3.13: it lies behind thread_state.size */               \
  X(MaybeOffset, running_task) /* the same, from 3.14 */

// X(LIST, Struct, group)
#define SNAG_LAYOUT_GROUPS(X)                                                 \
  X(SNAG_LAYOUT_RUNTIME_STATE, RuntimeStateLayout, runtime_state)             \
  X(SNAG_LAYOUT_INTERPRETER_STATE, InterpreterStateLayout, interpreter_state) \
  X(SNAG_LAYOUT_GIL_STATE, GilStateLayout, gil_state)                         \
  X(SNAG_LAYOUT_THREAD_STATE, ThreadStateLayout, thread_state)                \
  X(SNAG_LAYOUT_CFRAME, CFrameLayout, cframe)                                 \
  X(SNAG_LAYOUT_STACK_CHUNK, StackChunkLayout, stack_chunk)                   \
  X(SNAG_LAYOUT_FRAME, FrameLayout, frame)                                    \
  X(SNAG_LAYOUT_CODE, CodeLayout, code)                                       \
  X(SNAG_LAYOUT_COROUTINE, CoroutineLayout, coroutine)                        \
  X(SNAG_LAYOUT_BYTECODES, BytecodesLayout, bytecodes)                        \
  X(SNAG_LAYOUT_OBJECT, ObjectLayout, object)                                 \
  X(SNAG_LAYOUT_TYPE, TypeLayout, type)                                       \
  X(SNAG_LAYOUT_UNICODE, UnicodeLayout, unicode)                              \
  X(SNAG_LAYOUT_DICT, DictLayout, dict)                                       \
  X(SNAG_LAYOUT_DICT_KEYS, DictKeysLayout, dict_keys)                         \
  X(SNAG_LAYOUT_SMALL_OBJECTS, SmallObjectsLayout, small_objects)             \
  X(SNAG_LAYOUT_FUNCTION, FunctionLayout, function)                           \
  X(SNAG_LAYOUT_TASK, TaskLayout, task)                                       \
  X(SNAG_LAYOUT_ASYNCIO, AsyncioLayout, asyncio)

#define SNAG_MEMBER(type, member) type member;
#define SNAG_STRUCT(LIST, Struct, group)                                                        \
  struct Struct {                                                                               \
    LIST(SNAG_MEMBER) friend constexpr bool operator==(const Struct&, const Struct&) = default; \
  };
SNAG_LAYOUT_GROUPS(SNAG_STRUCT)
#undef SNAG_STRUCT
#undef SNAG_MEMBER

struct Version {
  std::uint8_t major;
  std::uint8_t minor;
  // clang-tidy 14 takes the 0 in the comparison that the compiler writes for a null pointer.
  friend constexpr auto operator<=>(const Version&, const Version&) = default;  // NOLINT(modernize-use-nullptr)
};

// Every offset that Snag uses of one CPython minor version on x86-64, built with or without the GIL. Debug builds
// of 3.8 and later lay out what Snag reads as release builds do, but for the sizes of the two largest states.
struct Layout {
  Version version;
  bool free_threaded;
#define SNAG_GROUP(LIST, Struct, group) Struct group;
  SNAG_LAYOUT_GROUPS(SNAG_GROUP)
#undef SNAG_GROUP
  friend constexpr bool operator==(const Layout&, const Layout&) = default;
};

// How a version behaves where it is not a matter of offsets. Chosen once, at attach.
enum class FrameChain : std::uint8_t { kFrameObjects, kCFrame, kCurrentFrame };
enum class InstructionIndex : std::uint8_t { kBytes, kUnits, kPointer };
enum class LineTableKind : std::uint8_t { kLnotab, kLineDeltas, kLocations };

struct Dialect {
  FrameChain frame_chain;
  InstructionIndex instruction_index;
  LineTableKind line_table;
  // _PyInterpreterFrame.owner from this value on: a frame of the interpreter's own and no Python function's; from 3.12.
  std::optional<std::uint8_t> first_shim_owner;
  // Values of frame.state that say that the frame is on a stack; none where frames have no state.
  std::optional<std::array<std::uint8_t, 2>> running_states;
  // Frames refer to objects by _PyStackRef, whose low bits are a tag.
  bool tagged_references;
};

// What a word of a frame refers to; null for no object, which is also what an integer in a tagged word is (3.15 keeps a
// loop's index so), or a pointer to something else.
[[nodiscard]] constexpr Address referent(const Dialect& dialect, std::uint64_t word) {
  // Include/internal/pycore_stackref.h: Py_TAG_BITS; Py_INT_TAG and from 3.15 Py_TAG_INVALID have this bit.
  constexpr std::uint64_t kTagBits = 3;
  constexpr std::uint64_t kNoObject = 2;
  if (!dialect.tagged_references) return Address{word};
  return (word & kNoObject) != 0 ? Address{} : Address{word & ~kTagBits};
}

// The row for a version; null for one that Snag has no proved layout for. This file's source, layouts/layout_table.cpp,
// is the one place where versions are compared.
[[nodiscard]] const Layout* find_layout(Version version, bool free_threaded = false);
// Only for a version that find_layout knows.
[[nodiscard]] Dialect dialect_of(Version version);

}  // namespace snag::python
