#include "tests/made/made_image.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "tests/made/debug_offset_words.h"

namespace snag::made {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
// The interpreter's and the thread's states end far behind what Snag reads of them; a state is made up to there.
constexpr std::size_t kInterpreterBytes = 8192;
constexpr std::size_t kThreadBytes = 1280;
constexpr std::size_t kChunkBytes = 16384;
constexpr std::int32_t kStackSize = 6;
// pthread.tid of glibc on x86-64, for the versions that do not keep a native thread id.
constexpr std::size_t kPthreadTid = 720;

// Puts instructions together by their names, with inline caches behind them.
class Assembler {
 public:
  explicit Assembler(const python::OpcodeSet& opcodes) : opcodes_(&opcodes) {}

  // False, and nothing done, where the version has no such instruction.
  bool add(std::string_view name, unsigned argument = 0) {
    const auto number = number_of(name);
    if (!number) return false;
    code_.push_back(static_cast<std::byte>(*number));
    code_.push_back(static_cast<std::byte>(argument));
    code_.resize(code_.size() + std::size_t{2} * opcodes_->opcodes[*number].caches);
    return true;
  }
  // Sets the argument of the jump at `from`, whose instruction ends at `end`, so that it leads to `target`.
  void aim(std::size_t from, std::size_t end, std::size_t target) {
    const auto& opcode = opcodes_->opcodes[std::to_integer<std::uint8_t>(code_[from])];
    std::size_t distance = target;
    if (opcode.jump == python::Jump::kForward) distance = target - end;
    if (opcode.jump == python::Jump::kBackward) distance = end - target;
    code_[from + 1] = static_cast<std::byte>(distance / opcodes_->jump_unit);
  }
  [[nodiscard]] std::size_t size() const { return code_.size(); }
  [[nodiscard]] const std::vector<std::byte>& code() const { return code_; }

 private:
  [[nodiscard]] std::optional<std::size_t> number_of(std::string_view name) const {
    const auto& table = opcodes_->opcodes;
    const auto* found = std::ranges::find(table, name, &python::Opcode::name);
    if (found == table.end()) return std::nullopt;
    return static_cast<std::size_t>(found - table.begin());
  }

  const python::OpcodeSet* opcodes_;
  std::vector<std::byte> code_;
};

std::uint32_t at_or_zero(python::MaybeOffset offset) { return offset.has_value() ? (*offset).bytes() : 0; }

}  // namespace

struct Image::CodeParts {
  std::string_view name;
  std::string_view file;
  std::vector<std::byte> instructions;
  std::vector<std::string_view> variables;
  std::uint32_t flags = 3;
};

Image::Image(const python::Layout& layout, Place place)
    : layout_(layout),
      dialect_(python::dialect_of(layout.version)),
      place_(place),
      runtime_(kRuntimeBytes),
      rest_(kRestBytes) {
  make_types();
  empty_tuple_ = tuple({});
  empty_bytes_ = bytes({});
  interpreter_ = take(kInterpreterBytes);
  thread_ = take(kThreadBytes);
  make_asyncio();
  make_functions();
  make_frames();
  make_states();
  const auto offsets = debug_offsets(layout);
  std::copy(offsets.begin(), offsets.end(), runtime_.begin());
  for (std::size_t word = 0; word * kWord < offsets.size(); ++word) {
    fields_.push_back({.name = "offsets." + std::to_string(word), .at = place.runtime + word * kWord, .width = kWord});
  }
}

Address Image::take(std::size_t bytes) {
  constexpr std::size_t kAlignment = 16;
  const std::size_t begin = used_;
  used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return place_.rest + begin;
}

std::span<std::byte> Image::at(Address where, std::size_t bytes) {
  const bool in_runtime = where >= place_.runtime && where.value - place_.runtime.value < runtime_.size();
  auto& part = in_runtime ? runtime_ : rest_;
  const Address begin = in_runtime ? place_.runtime : place_.rest;
  return std::span(part).subspan(where.value - begin.value, bytes);
}

void Image::put(Address where, const void* value, std::size_t bytes) {
  const auto into = at(where, bytes);
  if (bytes != 0) std::memcpy(into.data(), value, bytes);
}

Address Image::object(std::size_t bytes, Address type) {
  constexpr std::size_t kRoom = 64;  // for the layouts whose heads are longer than the caller thinks
  const Address made = take(bytes + kRoom);
  put("object.references", made, layout_.object.reference_count, std::uint64_t{1});
  put("object.type", made + layout_.object.type, type.value);
  objects_.push_back(made);
  return made;
}

Address Image::c_string(std::string_view value) {
  const Address made = take(value.size() + 1);
  put(made, value.data(), value.size());
  return made;
}

Address Image::text(std::string_view value) {
  const auto& layout = layout_.unicode;
  const Address made = object(layout.compact_size.bytes() + value.size() + 1, types_.text);
  put("text.length", made + layout.length, std::uint64_t{value.size()});
  constexpr unsigned kBitsPerByte = 8;
  constexpr unsigned kCompactAsciiOfBytes = 1U | 8U | 16U;
  put("text.state", made + layout.kind.bits() / kBitsPerByte,
      static_cast<std::uint16_t>(kCompactAsciiOfBytes << (layout.kind.bits() % kBitsPerByte)));
  put(made + layout.ascii_size.bytes(), value.data(), value.size());
  return made;
}

Address Image::bytes(std::span<const std::byte> value) {
  const Address made = object(layout_.small_objects.bytes_value.bytes() + value.size(), types_.bytes);
  put("bytes.size", made + layout_.object.item_count, std::uint64_t{value.size()});
  put(made + layout_.small_objects.bytes_value, value.data(), value.size());
  return made;
}

Address Image::tuple(Items items) {
  const Address made = object(layout_.small_objects.tuple_items.bytes() + items.size() * kWord, types_.tuple);
  put("tuple.size", made + layout_.object.item_count, std::uint64_t{items.size()});
  for (std::size_t i = 0; i < items.size(); ++i) {
    put("tuple.item", made + layout_.small_objects.tuple_items.bytes() + i * kWord, items[i].value);
  }
  return made;
}

Address Image::integer(std::uint32_t value) {
  const auto& layout = layout_.small_objects;
  const Address made = object(layout.long_digits.bytes() + sizeof value, types_.integer);
  const std::uint64_t digits = value == 0 ? 0 : 1;
  const std::uint64_t sign = value == 0 ? 1 : 0;
  if (layout.long_tag.has_value()) {
    put("integer.tag", made + *layout.long_tag, (digits << 3U) | sign);
  } else {
    put("integer.size", made + layout_.object.item_count, digits);
  }
  put("integer.digit", made + layout.long_digits, value);
  return made;
}

Address Image::real(double value) {
  const Address made = object(layout_.small_objects.float_value.bytes() + sizeof value, types_.real);
  put("real.value", made + layout_.small_objects.float_value, value);
  return made;
}

Address Image::type(std::string_view name, Address base) {
  const Address made = object(layout_.type.size.bytes(), types_.type);
  put("type.name", made + layout_.type.name, c_string(name).value);
  put("type.base", made + layout_.type.base, base.value);
  return made;
}

Address Image::dict(std::span<const std::pair<Address, Address>> entries, bool of_text) {
  const auto& layout = layout_.dict_keys;
  constexpr std::size_t kSlots = 8;  // a byte each
  const bool without_hash = of_text && layout.kind.has_value();
  const std::size_t key_at = without_hash ? 0 : kWord;
  const std::size_t entry = key_at + 2 * kWord;
  const Address keys = take(layout.indices.bytes() + kSlots + kSlots * entry);
  put("keys.slots", keys, layout.slot_count, std::uint64_t{kSlots});
  put("keys.log2_size", keys, layout.log2_size, std::uint8_t{3});
  put("keys.log2_index_bytes", keys, layout.log2_index_bytes, std::uint8_t{3});
  put("keys.kind", keys, layout.kind, static_cast<std::uint8_t>(without_hash ? 1 : 0));
  put("keys.entries", keys + layout.entry_count, std::uint64_t{entries.size()});
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Address at = keys + layout.indices.bytes() + kSlots + i * entry + key_at;
    put("keys.key", at, entries[i].first.value);
    put("keys.value", at + kWord, entries[i].second.value);
  }
  const Address made = object(layout_.dict.values.bytes() + kWord, types_.dict);
  put("dict.used", made + layout_.dict.used, std::uint64_t{entries.size()});
  put("dict.keys", made + layout_.dict.keys, keys.value);
  put("dict.values", made + layout_.dict.values, std::uint64_t{0});
  return made;
}

Address Image::module(Address names) {
  const Address made = object(layout_.small_objects.module_state.bytes() + kWord, types_.module);
  put("module.dict", made + layout_.small_objects.module_dict, names.value);
  return made;
}

Address Image::builtin(std::string_view name, std::string_view of_module) {
  const auto& layout = layout_.small_objects;
  const Address made = object(layout.builtin_module.bytes() + kWord, types_.builtin);
  const Address definition = take(4 * kWord);
  put("builtin.name", definition, c_string(name).value);
  put("builtin.definition", made + layout.builtin_definition, definition.value);
  put("builtin.self", made + layout.builtin_self, std::uint64_t{0});
  put("builtin.module", made + layout.builtin_module, text(of_module).value);
  return made;
}

void Image::make_types() {
  types_.type = type("type");
  put("object.type", types_.type + layout_.object.type, types_.type.value);  // the only one that is its own
  types_.text = type("str");
  types_.integer = type("int");
  types_.real = type("float");
  types_.tuple = type("tuple");
  types_.bytes = type("bytes");
  types_.dict = type("dict");
  types_.module = type("module");
  types_.builtin = type("builtin_function_or_method");
  types_.function = type("function");
  types_.code = type("code");
  types_.coroutine = type("coroutine");
  types_.task = type("_asyncio.Task");
  types_.loop = type("_UnixSelectorEventLoop");
}

// Eight instructions a line, the first of them on the line behind the function's own.
std::vector<std::byte> Image::line_table(std::size_t instruction_bytes) const {
  constexpr std::size_t kStep = 16;  // bytes
  std::vector<std::byte> table;
  for (std::size_t at = 0; at < instruction_bytes; at += kStep) {
    if (dialect_.line_table == python::LineTableKind::kLocations) {
      constexpr std::uint8_t kNoColumnsOfEight = 0x80 | (13U << 3U) | 7U;
      table.push_back(std::byte{kNoColumnsOfEight});
      table.push_back(std::byte{2});  // one line further
    } else {
      const bool begins = at == 0 && dialect_.line_table == python::LineTableKind::kLnotab;
      table.push_back(std::byte{begins ? std::uint8_t{0} : std::uint8_t{kStep}});
      table.push_back(std::byte{1});
    }
  }
  return table;
}

Address Image::code(const CodeParts& parts) {
  const auto& layout = layout_.code;
  const bool inside = dialect_.instruction_index == python::InstructionIndex::kPointer;
  const std::string prefix = "code" + std::to_string(codes_.size()) + ".";
  const Address made = object(layout.size.bytes() + parts.instructions.size(), types_.code);
  const auto field = [&](std::string_view name, python::Offset offset, auto value) {
    put(prefix + std::string(name), made + offset, value);
  };
  const auto maybe = [&](std::string_view name, python::MaybeOffset offset, auto value) {
    if (offset.has_value()) field(name, *offset, value);
  };
  field("filename", layout.filename, text(parts.file).value);
  field("name", layout.name, text(parts.name).value);
  maybe("qualname", layout.qualname, text("Service." + std::string(parts.name)).value);
  field("line_table", layout.line_table, bytes(line_table(parts.instructions.size())).value);
  field("first_line", layout.first_line, std::int32_t{10});
  if (inside) {
    put(prefix + "instruction_count", made + layout_.object.item_count, std::uint64_t{parts.instructions.size() / 2});
    put(made + layout.instructions, parts.instructions.data(), parts.instructions.size());
  } else {
    field("instructions", layout.instructions, bytes(parts.instructions).value);
  }
  std::vector<Address> names;
  for (const auto name : parts.variables) names.push_back(text(name));
  field("constants", layout.constants, empty_tuple_.value);
  field("names", layout.names, tuple(std::array{text("decimal")}).value);
  field("variable_names", layout.variable_names, tuple(names).value);
  maybe("cell_names", layout.cell_names, empty_tuple_.value);
  maybe("free_names", layout.free_names, empty_tuple_.value);
  const auto count = static_cast<std::int32_t>(names.size());
  maybe("variable_count", layout.variable_count, count);
  field("local_count", layout.local_count, count);
  field("stack_size", layout.stack_size, kStackSize);
  field("flags", layout.flags, parts.flags);
  maybe("exception_table", layout.exception_table, empty_bytes_.value);
  maybe("first_traceable", layout.first_traceable, std::int32_t{0});
  if (layout.bytecodes.has_value()) {
    const Address array = take(4 * kWord);
    put("bytecodes.count", array, layout_.bytecodes.count, std::uint64_t{2});
    put("bytecodes.entry", array, layout_.bytecodes.entries, (made + layout.instructions).value);
    put("bytecodes.entry", array + *layout_.bytecodes.entries + kWord, (made + layout.instructions).value);
    field("bytecodes", *layout.bytecodes, array.value);
  }
  variables_.push_back(count);
  codes_.push_back(made);
  return made;
}

// time.sleep() is called, by the version's own instructions.
std::vector<std::byte> Image::leaf_code(std::int32_t& call_at) const {
  const auto* opcodes = python::find_opcodes(layout_.version);
  if (opcodes == nullptr) return std::vector<std::byte>(32);
  Assembler assembler(*opcodes);
  assembler.add("PUSH_NULL");
  assembler.add("LOAD_FAST", 0);
  assembler.add("PRECALL");
  call_at = static_cast<std::int32_t>(assembler.size());
  if (!assembler.add("CALL")) assembler.add("CALL_FUNCTION");
  assembler.add("RETURN_VALUE");
  return assembler.code();
}

// for i in range(ntodo): …
std::vector<std::byte> Image::loop_code(std::int32_t& body_at) const {
  const auto* opcodes = python::find_opcodes(layout_.version);
  if (opcodes == nullptr) return std::vector<std::byte>(32);
  Assembler assembler(*opcodes);
  assembler.add("LOAD_FAST", 2);
  assembler.add("GET_ITER");
  const std::size_t iterate = assembler.size();
  assembler.add("FOR_ITER");
  const std::size_t after = assembler.size();
  assembler.add("STORE_FAST", 3);
  assembler.add("LOAD_FAST", 0);
  body_at = static_cast<std::int32_t>(assembler.size());
  assembler.add("POP_TOP");
  const std::size_t jump = assembler.size();
  if (!assembler.add("JUMP_BACKWARD")) assembler.add("JUMP_ABSOLUTE");
  assembler.aim(jump, assembler.size(), iterate);
  assembler.aim(iterate, after, assembler.size());
  assembler.add("END_FOR");
  assembler.add("LOAD_FAST", 0);
  assembler.add("RETURN_VALUE");
  return assembler.code();
}

void Image::make_functions() {
  std::int32_t call_at = 0;
  std::int32_t body_at = 0;
  const auto leaf = leaf_code(call_at);
  const auto loop = loop_code(body_at);
  const auto add = [&](const CodeParts& parts, std::int32_t instruction) {
    const Address made = code(parts);
    instructions_.push_back(instruction);
    functions_.push_back(object(layout_.function.module.bytes() + kWord, types_.function));
    put("function.code", functions_.back() + layout_.function.code, made.value);
  };
  add({.name = "<module>", .file = "/srv/shop/main.py", .instructions = leaf, .variables = {}}, call_at);
  add({.name = "run_forever", .file = "/usr/lib/python3/asyncio/base_events.py", .instructions = leaf, .variables = {}},
      call_at);
  add({.name = "_run_once",
       .file = "/usr/lib/python3/asyncio/base_events.py",
       .instructions = loop,
       .variables = {"self", "end_time", "ntodo", "i"}},
      body_at);
  add({.name = "checkout", .file = "/srv/shop/orders.py", .instructions = leaf, .variables = {"order"}, .flags = 0x83},
      call_at);
  add({.name = "pay", .file = "/srv/shop/payment.py", .instructions = leaf, .variables = {"sleep"}}, call_at);
}

void Image::make_asyncio() {
  constexpr double kEndTime = 1000.0;
  end_time_ = real(kEndTime);
  todo_ = integer(3);
  index_ = integer(1);
  loop_ = object(2 * kWord, types_.loop);
  sleep_ = builtin("sleep", "time");
  task_ = object(2 * kThreadBytes, types_.task);
  const std::array tasks{std::pair(loop_, task_)};
  const std::array in_tasks{std::pair(text("_current_tasks"), dict(tasks, false))};
  const std::array of_time{std::pair(text("sleep"), sleep_)};
  const std::array modules{std::pair(text("asyncio.tasks"), module(dict(in_tasks, true))),
                           std::pair(text("time"), module(dict(of_time, true)))};
  modules_ = dict(modules, true);
  const std::array globals{std::pair(text("__name__"), text("shop.orders.main"))};
  globals_ = dict(globals, true);
}

void Image::write_frame(std::size_t number, Address frame, Address previous) {
  const auto& layout = layout_.frame;
  const std::string prefix = "frame" + std::to_string(number) + ".";
  const auto field = [&](std::string_view name, Address where, auto value) {
    put(prefix + std::string(name), where, value);
  };
  const Address code = codes_[number];
  field("previous", frame + layout.previous, previous.value);
  field("code", frame + layout.code, code.value);
  field("globals", frame + layout.globals, globals_.value);
  put(prefix + "function", frame, layout.function, functions_[number].value);
  put(prefix + "owner", frame, layout.owner, std::uint8_t{0});
  if (layout.state.has_value()) put(prefix + "state", frame, layout.state, (*dialect_.running_states)[0]);
  put(prefix + "bytecode_index", frame, layout.bytecode_index, std::int32_t{0});
  switch (dialect_.instruction_index) {
    case python::InstructionIndex::kBytes:
      field("instruction", frame + layout.instruction, instructions_[number]);
      break;
    case python::InstructionIndex::kUnits:
      field("instruction", frame + layout.instruction, instructions_[number] / 2);
      break;
    case python::InstructionIndex::kPointer:
      field("instruction", frame + layout.instruction,
            (code + layout_.code.instructions).value + static_cast<std::uint64_t>(instructions_[number]));
      break;
  }
}

void Image::make_frames() {
  const bool on_heap = dialect_.frame_chain == python::FrameChain::kFrameObjects;
  const auto& layout = layout_.frame;
  Address end;
  if (!on_heap) {
    chunk_ = take(kChunkBytes);
    const auto& chunk = layout_.stack_chunk;
    put("chunk.previous", chunk_, chunk.previous, std::uint64_t{0});
    put("chunk.size", chunk_, chunk.size, std::uint64_t{kChunkBytes});
    put("chunk.top", chunk_, chunk.top, std::uint64_t{0});
    end = chunk_ + *chunk.data;
  }
  Address previous;
  if (dialect_.first_shim_owner) {  // the interpreter's own: it lies on the C stack
    previous = take(layout.size.bytes() + kWord);
    put("shim.code", previous + layout.code, codes_[0].value);
    put("shim.previous", previous + layout.previous, std::uint64_t{0});
    put("shim.owner", previous, layout.owner, *dialect_.first_shim_owner);
    frames_.push_back(previous);
  }
  for (std::size_t number = 0; number < codes_.size(); ++number) {
    const auto variables = static_cast<std::size_t>(variables_[number]);
    const std::size_t size = layout.locals.bytes() + (variables + kStackSize) * kWord;
    const Address frame = on_heap ? take(layout.size.bytes() + size) : end;
    write_frame(number, frame, previous);
    end = frame + size;
    frames_.push_back(frame);
    previous = frame;
  }
  chunk_top_ = end;
  const auto locals_of = [&](std::size_t from_top) {
    return frames_[frames_.size() - 1 - from_top] + layout.locals.bytes();
  };
  put("leaf.sleep", locals_of(0), sleep_.value);
  put("leaf.stack0", locals_of(0) + kWord, on_heap ? sleep_.value : 0);  // from 3.11 there is a NULL below
  put("leaf.stack1", locals_of(0) + 2 * kWord, sleep_.value);
  const std::array loop_locals{loop_, end_time_, todo_, index_};
  constexpr std::array<std::string_view, 4> kNames{"loop.self", "loop.end_time", "loop.todo", "loop.index"};
  for (std::size_t i = 0; i < loop_locals.size(); ++i) {
    put(kNames.at(i), locals_of(2) + i * kWord, loop_locals.at(i).value);
  }
}

void Image::make_states() {
  const auto& thread = layout_.thread_state;
  const auto& interpreter = layout_.interpreter_state;
  put("runtime.interpreters", place_.runtime + layout_.runtime_state.interpreters_head, interpreter_.value);
  put("runtime.gil_holder", place_.runtime, layout_.runtime_state.gil_last_holder, thread_.value);
  put("runtime.gil_locked", place_.runtime, layout_.runtime_state.gil_locked, std::int32_t{1});
  put("interpreter.next", interpreter_ + interpreter.next, std::uint64_t{0});
  put("interpreter.id", interpreter_ + interpreter.id, std::uint64_t{0});
  put("interpreter.threads", interpreter_ + interpreter.threads_head, thread_.value);
  put("interpreter.modules", interpreter_ + interpreter.modules, modules_.value);
  if (interpreter.gil.has_value()) {
    const Address gil = take(std::size_t{64} + layout_.gil_state.locked.bytes());
    put("interpreter.gil", interpreter_ + *interpreter.gil, gil.value);
    put("gil.holder", gil + layout_.gil_state.last_holder, thread_.value);
    put("gil.locked", gil + layout_.gil_state.locked, std::int32_t{1});
  }
  Address top = frames_.back();
  if (layout_.cframe.current_frame.has_value()) {
    cframe_ = take(4 * kWord);
    put("cframe.current", cframe_, layout_.cframe.current_frame, top.value);
    top = cframe_;
  }
  put("thread.next", thread_ + thread.next, std::uint64_t{0});
  put("thread.interpreter", thread_ + thread.interp, interpreter_.value);
  put("thread.top_frame", thread_ + thread.top_frame, top.value);
  put("thread.base_frame", thread_, thread.base_frame, frames_.front().value);
  const Address pthread = take(kPthreadTid + kWord);
  put("pthread.tid", pthread + kPthreadTid, place_.tid);
  put("thread.pthread", thread_ + thread.thread_id, pthread.value);
  put("thread.native_id", thread_, thread.native_thread_id, std::uint64_t(static_cast<std::uint32_t>(place_.tid)));
  put("thread.chunk", thread_, thread.datastack_chunk, chunk_.value);
  put("thread.chunk_top", thread_, thread.datastack_top, chunk_top_.value);
  put("thread.running_loop", thread_, layout_.asyncio.running_loop, loop_.value);
  put("thread.running_task", thread_, layout_.asyncio.running_task, task_.value);

  const Address coroutine =
      object(layout_.coroutine.size.bytes() + layout_.frame.size.bytes() + at_or_zero(layout_.coroutine.code),
             types_.coroutine);
  put("coroutine.qualname", coroutine + layout_.coroutine.qualname, text("checkout").value);
  put("coroutine.code", coroutine, layout_.coroutine.code, codes_[3].value);
  if (!layout_.coroutine.code.has_value()) {
    put("coroutine.code", coroutine + layout_.coroutine.frame + layout_.frame.code.bytes(), codes_[3].value);
  }
  put("task.coroutine", task_, layout_.task.coroutine, coroutine.value);
  put("task.name", task_, layout_.task.name, text("Task-7").value);
}

std::vector<std::byte> debug_offsets(const python::Layout& layout) {
  const auto words = words_of(layout.version, layout.free_threaded);
  if (words.empty()) return {};
  constexpr std::string_view kCookie = "xdebugpy";
  std::vector<std::byte> bytes(kCookie.size() + words.size_bytes());
  std::memcpy(bytes.data(), kCookie.data(), kCookie.size());
  std::memcpy(bytes.data() + kCookie.size(), words.data(), words.size_bytes());
  return bytes;
}

}  // namespace snag::made
