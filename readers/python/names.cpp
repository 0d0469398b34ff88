#include "readers/python/names.h"

#include <algorithm>
#include <array>

#include "readers/python/frame_fields.h"

namespace snag::python {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
// Exception tables grow with the code: as large as the code itself is beyond any compiler.
constexpr std::size_t kMaxExceptionTableBytes = 1U << 20U;
// A longer name is no module's; and of its dots no more are tried, since each is a search through sys.modules.
constexpr std::size_t kMaxModuleName = 512;
constexpr int kMaxPackages = 8;

struct Alias {
  std::string_view internal;
  std::string_view name;
};
// C types and modules whose own name is not the one that code uses. Source: Modules/*.c, PyType_Spec.name and m_name.
constexpr std::array<Alias, 16> kAliases{{{"_thread.lock", "threading.Lock"},
                                          {"_thread.RLock", "threading.RLock"},
                                          {"_thread._ThreadHandle", "threading.Thread"},
                                          {"_socket.socket", "socket"},
                                          {"socket.socket", "socket"},
                                          {"_ssl._SSLSocket", "ssl.SSLSocket"},
                                          {"_ssl._SSLContext", "ssl.SSLContext"},
                                          {"_queue.SimpleQueue", "queue.SimpleQueue"},
                                          {"_io.open", "open"},
                                          {"io.open", "open"},
                                          {"_io", "io"},
                                          {"_socket", "socket"},
                                          {"_hashlib", "hashlib"},
                                          {"_json", "json"},
                                          {"_pickle", "pickle"},
                                          {"posix", "os"}}};

// A bound C method may lend the slot of the callable to its first argument while it runs: these are arguments.
constexpr std::array<std::string_view, 12> kNeverCalled{"int",  "str", "bytes", "float", "tuple",    "list",
                                                        "dict", "set", "bool",  "slice", "NoneType", "bytearray"};

// "_socket.socket.recv_into" → "socket.recv_into": the longest alias that is the whole name or ends before a dot.
std::string as_written(std::string name) {
  constexpr std::string_view kBuiltins = "builtins.";
  if (name.starts_with(kBuiltins)) return name.substr(kBuiltins.size());
  for (const auto& alias : kAliases) {
    if (!name.starts_with(alias.internal)) continue;
    if (name.size() != alias.internal.size() && name[alias.internal.size()] != '.') continue;
    return std::string(alias.name) + name.substr(alias.internal.size());
  }
  return name;
}

std::string_view last_part(std::string_view dotted) { return dotted.substr(dotted.rfind('.') + 1); }
std::string_view first_part(std::string_view dotted) { return dotted.substr(0, dotted.find('.')); }

}  // namespace

std::optional<std::string> NameReader::read_module(Address globals) const {
  auto name = codes_->objects().find(globals, "__name__");
  if (!name || !*name) return std::nullopt;
  auto text = codes_->objects().string(**name);
  if (!text || text->size() > kMaxModuleName) return std::nullopt;
  return std::move(*text);
}

const std::string& NameReader::module_of(const RawFrame& frame, const Function& function) {
  if (auto known = modules_.find(function.number); known != modules_.end()) return known->second;
  return modules_.emplace(function.number, read_module(frame.globals).value_or("")).first->second;
}

// Before 3.11 a code object does not know its class: the type of `self` stands in for it.
std::optional<std::string> NameReader::class_of_self(const RawFrame& frame, const Function& function) const {
  const auto& objects = codes_->objects();
  const auto& layout = objects.layout();
  auto names = objects.memory().read_pointer(function.code + layout.code.variable_names, "co_varnames");
  if (!names) return std::nullopt;
  auto variables = objects.tuple(*names);
  if (!variables || variables->empty()) return std::nullopt;
  auto first = objects.string(variables->front());
  if (!first || *first != "self") return std::nullopt;
  auto self = objects.memory().read_pointer(frame.frame + layout.frame.locals, "self");  // never tagged to 3.10
  if (!self || self->is_null()) return std::nullopt;
  auto type = objects.type_name_of(*self);
  if (!type) return std::nullopt;
  return std::string(last_part(*type));
}

std::string NameReader::qualified_name(const RawFrame& frame, const Function& function) const {
  if (codes_->runtime().layout.code.qualname.has_value()) return function.name;
  const auto type = class_of_self(frame, function);
  return type ? *type + "." + function.name : function.name;
}

bool NameReader::exports(Address modules, std::string_view module, std::string_view qualified, const RawFrame& frame,
                         const Function& function) const {
  const auto& objects = codes_->objects();
  auto object = objects.find(modules, module);
  if (!object || !*object) return false;
  auto names = objects.memory().read_pointer(**object + objects.layout().small_objects.module_dict, "md_dict");
  if (!names) return false;
  auto value = objects.find(*names, first_part(qualified));
  if (!value || !*value) return false;
  if (**value == frame.function) return true;
  auto type = objects.type_name_of(**value);
  if (!type) return false;
  if (*type == "function") {
    auto code = objects.memory().read_pointer(**value + objects.layout().function.code, "func_code");
    return code && *code == function.code;
  }
  if (qualified.find('.') == std::string_view::npos) return false;
  auto name = objects.type_name(**value);  // of a class: "Session"
  return name && last_part(*name) == first_part(qualified);
}

std::string NameReader::public_name(const RawFrame& frame, const Function& function, Address interpreter) {
  if (auto known = public_names_.find(function.number); known != public_names_.end()) return known->second;
  const std::string& module = module_of(frame, function);
  const std::string qualified = qualified_name(frame, function);
  std::string name = module.empty() ? qualified : module + "." + qualified;
  const auto& objects = codes_->objects();
  auto modules = objects.memory().read_pointer(interpreter + objects.layout().interpreter_state.modules, "sys.modules");
  auto dot = module.find('.');
  for (int level = 0; level < kMaxPackages && modules && dot != std::string::npos; ++level) {
    const std::string package = module.substr(0, dot);
    dot = module.find('.', dot + 1);
    if (!exports(*modules, package, qualified, frame, function)) continue;
    name = package;
    name.append(".").append(qualified);
    break;
  }
  return public_names_.emplace(function.number, as_written(std::move(name))).first->second;
}

Result<std::size_t> NameReader::value_stack_begin(const Function& function) const {
  const auto& objects = codes_->objects();
  const auto& at = objects.layout().code;
  const auto count = [&](Offset member) {
    return objects.memory().read_value<std::int32_t>(function.code + member, "co_nlocals");
  };
  auto slots = count(at.variable_count.has_value() ? *at.variable_count : at.local_count);
  if (!slots) return fail(slots);
  if (*slots < 0) return fail({.kind = ErrorKind::kInconsistent, .what = "co_nlocals", .where = function.code});
  auto total = static_cast<std::size_t>(*slots);
  if (at.variable_count.has_value()) return total;
  for (const MaybeOffset member : {at.cell_names, at.free_names}) {  // to 3.10: locals, cells, free variables
    auto tuple = objects.memory().read_pointer(function.code + *member, "co_cellvars");
    if (!tuple) return fail(tuple);
    auto names = objects.tuple(*tuple);
    if (!names) return fail(names);
    total += names->size();
  }
  return total;
}

std::optional<NameReader::Shape> NameReader::read_shape(const Function& function) const {
  const auto* opcodes = find_opcodes(codes_->runtime().version);
  if (opcodes == nullptr) return std::nullopt;
  auto code = codes_->instructions(function);
  if (!code) return std::nullopt;
  auto instructions = Instructions::decode(*opcodes, *code);
  if (!instructions) return std::nullopt;
  const auto& objects = codes_->objects();
  std::vector<std::byte> exceptions;
  if (const auto member = objects.layout().code.exception_table; member.has_value()) {
    auto table = objects.memory().read_pointer(function.code + *member, "co_exceptiontable");
    if (!table) return std::nullopt;
    auto bytes = objects.bytes(*table, kMaxExceptionTableBytes);
    if (!bytes) return std::nullopt;
    exceptions = std::move(*bytes);
  }
  auto depths = StackDepths::analyse(*instructions, exceptions);
  auto begin = value_stack_begin(function);
  if (!depths || !begin) return std::nullopt;
  return Shape{.instructions = std::move(*instructions), .depths = std::move(*depths), .value_stack_begin = *begin};
}

const NameReader::Shape* NameReader::shape_of(const Function& function) {
  auto known = shapes_.find(function.number);
  if (known == shapes_.end()) known = shapes_.emplace(function.number, read_shape(function)).first;
  return known->second ? &*known->second : nullptr;
}

std::optional<std::vector<Address>> NameReader::read_slots(const RawFrame& frame, const Shape& shape,
                                                           const CallSite& site) const {
  const auto& at = codes_->runtime().layout.frame;
  // One system call, the instruction before the slots: a frame that still stands there has its operands there.
  std::array<std::byte, kWord> instruction{};
  std::vector<std::uint64_t> words(site.slot_count);
  std::vector<Piece> pieces{{.from = frame.frame + at.instruction, .into = instruction}};
  for (std::size_t i = 0; i < site.slot_count; ++i) {
    pieces.push_back({.from = frame.frame + at.locals + (shape.value_stack_begin + site.slots.at(i)) * kWord,
                      .into = std::as_writable_bytes(std::span(words).subspan(i, 1))});
  }
  auto done = codes_->objects().memory().read_many(pieces, "value stack");
  if (!done || *done != pieces.size()) return std::nullopt;
  if (instruction_of(codes_->runtime(), frame.bytecode, instruction, at.instruction.bytes()) != frame.instruction) {
    return std::nullopt;
  }
  std::vector<Address> objects;
  for (const std::uint64_t word : words) objects.push_back(referent(codes_->runtime().dialect, word));
  return objects;
}

std::optional<std::string> NameReader::builtin_name(Address object) const {
  const auto& objects = codes_->objects();
  const auto& at = objects.layout().small_objects;
  auto definition = objects.memory().read_pointer(object + at.builtin_definition, "PyCFunctionObject.m_ml");
  if (!definition) return std::nullopt;
  auto text = objects.memory().read_pointer(*definition, "PyMethodDef.ml_name");
  if (!text) return std::nullopt;
  auto name = objects.c_string(*text);
  auto module = objects.memory().read_pointer(object + at.builtin_module, "PyCFunctionObject.m_module");
  auto self = objects.memory().read_pointer(object + at.builtin_self, "PyCFunctionObject.m_self");
  if (!name || !module || !self) return std::nullopt;
  if (!module->is_null()) {
    auto owner = objects.string(*module);
    if (!owner) return std::nullopt;
    return *owner + "." + *name;
  }
  if (self->is_null()) return *name;
  auto owner = objects.type_name_of(*self);
  if (owner && *owner == "type") owner = objects.type_name(*self);  // a class method: dict.fromkeys
  if (!owner) return std::nullopt;
  return *owner + "." + *name;
}

std::optional<std::string> NameReader::callable_name(Address object) const {
  const auto& objects = codes_->objects();
  const auto& at = objects.layout().small_objects;
  auto type = objects.type_name_of(object);
  if (!type) return std::nullopt;
  if (*type == "function") return std::nullopt;  // has a frame of its own, or is just about to
  if (*type == "method") {
    auto function = objects.memory().read_pointer(object + at.method_function, "PyMethodObject.im_func");
    if (!function) return std::nullopt;
    auto inner = objects.type_name_of(*function);
    if (!inner || *inner != "builtin_function_or_method") return std::nullopt;
    return builtin_name(*function);
  }
  if (*type == "builtin_function_or_method" || *type == "builtin_method") return builtin_name(object);
  if (*type == "method_descriptor" || *type == "wrapper_descriptor" || *type == "classmethod_descriptor") {
    auto owner = objects.memory().read_pointer(object + at.descriptor_type, "PyDescrObject.d_type");
    auto name = objects.memory().read_pointer(object + at.descriptor_name, "PyDescrObject.d_name");
    if (!owner || !name) return std::nullopt;
    auto owner_name = objects.type_name(*owner);
    auto text = objects.string(*name);
    if (!owner_name || !text) return std::nullopt;
    return *owner_name + "." + *text;
  }
  if (*type == "type") {
    auto name = objects.type_name(object);
    if (!name) return std::nullopt;
    return std::move(*name);
  }
  if (std::find(kNeverCalled.begin(), kNeverCalled.end(), *type) != kNeverCalled.end()) return std::nullopt;
  return *type + ".__call__";
}

std::optional<std::string> NameReader::imported_name(const Function& function, unsigned index) const {
  const auto& objects = codes_->objects();
  auto tuple = objects.memory().read_pointer(function.code + objects.layout().code.names, "co_names");
  if (!tuple) return std::nullopt;
  auto names = objects.tuple(*tuple);
  if (!names || index >= names->size()) return std::nullopt;
  auto name = objects.string((*names)[index]);
  if (!name) return std::nullopt;
  return "import " + *name;
}

std::optional<std::string> NameReader::name_call(const Function& function, const CallSite& site,
                                                 std::span<const Address> objects) const {
  if (site.kind == CallKind::kImport) {
    return site.name_index ? imported_name(function, *site.name_index) : std::nullopt;
  }
  const auto object = std::find_if(objects.begin(), objects.end(), [](Address slot) { return !slot.is_null(); });
  if (object == objects.end()) return std::nullopt;
  if (site.kind == CallKind::kCall || site.kind == CallKind::kExit) return callable_name(*object);
  auto type = codes_->objects().type_name_of(*object);
  if (!type) return std::nullopt;
  if (site.kind == CallKind::kEnter && *type == "builtin_function_or_method") {  // the bound __exit__
    auto exit = builtin_name(*object);
    if (!exit) return std::nullopt;
    return exit->substr(0, exit->rfind('.') + 1) + std::string(site.method);
  }
  if (site.kind == CallKind::kEnter && *type == "method") return std::nullopt;  // a Python __enter__
  return *type + "." + std::string(site.method);
}

std::optional<NameReader::BuiltinCall> NameReader::builtin_call(const RawFrame& frame, const Function& function) {
  if (frame.instruction < 0) return std::nullopt;
  const auto* shape = shape_of(function);
  if (shape == nullptr) return std::nullopt;
  const auto index = shape->instructions.index_at(static_cast<std::uint32_t>(frame.instruction));
  if (!index) return std::nullopt;
  const auto depth = shape->depths.before(*index);
  if (!depth) return std::nullopt;
  const auto site = call_site(shape->instructions, *index, *depth);
  if (!site) return std::nullopt;
  const auto objects = read_slots(frame, *shape, *site);
  if (!objects) return std::nullopt;
  auto name = name_call(function, *site, *objects);
  if (!name) return std::nullopt;
  const bool is_operation =
      site->kind == CallKind::kSpecialMethod || site->kind == CallKind::kAttribute || site->kind == CallKind::kRelease;
  return BuiltinCall{.name = as_written(std::move(*name)), .is_operation = is_operation};
}

}  // namespace snag::python
