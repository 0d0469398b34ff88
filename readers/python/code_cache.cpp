#include "readers/python/code_cache.h"

#include "readers/python/bytecode/opcodes.h"

namespace snag::python {
namespace {

// Far more than anything has references, the immortal objects of 3.12 and 3.13 (2^32) included, and below any address.
constexpr std::uint64_t kMaxReferences = std::uint64_t{1} << 33U;
// CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR (Include/cpython/code.h).
constexpr std::uint32_t kGeneratorFlags = 0x20 | 0x80 | 0x200;

}  // namespace

CodeCache::CodeCache(const RemoteMemory& memory, const Runtime& runtime)
    : objects_(memory, runtime.layout), runtime_(&runtime) {}

Result<const Function*> CodeCache::function(const RawFrame& frame) {
  auto found = look_up(frame.code, frame.identity);
  if (!found) return found;
  // prev_instr of a frame that has not begun lies one unit before the first instruction.
  if (frame.instruction >= (*found)->instruction_bytes) {
    return fail({.kind = ErrorKind::kInconsistent, .what = "frame's instruction", .where = frame.frame});
  }
  return found;
}

Result<const Function*> CodeCache::function_of(Address code) {
  auto identity = identity_of(code);
  if (!identity) return fail(identity);
  return look_up(code, *identity);
}

Result<const Function*> CodeCache::look_up(Address code, const CodeIdentity& identity) {
  if (auto known = by_address_.find(code); known != by_address_.end()) {
    const auto& entry = entries_[known->second];
    if (entry.identity == identity) return entry.function.get();
  }
  if (held_bytes_ > kMaxCacheBytes) {
    return fail({.kind = ErrorKind::kOutOfBounds, .what = "functions", .where = code, .wanted = held_bytes_});
  }
  auto loaded = load_function(code);
  if (!loaded) return fail(loaded);
  // Still alive, and the same: so were the strings that it refers to while they were read. Twice, since a new code
  // object that is just being made at this address has the old one's fields until each is set.
  for (int check = 0; check < 2; ++check) {
    auto now = identity_of(code);
    if (!now) return fail(now);
    auto again = load_function(code);
    if (!again) return fail(again);
    const bool same = again->name == loaded->name && again->file == loaded->file;
    if (*now != identity || !same)
      return fail({.kind = ErrorKind::kInconsistent, .what = "PyCodeObject", .where = code});
  }
  held_bytes_ += loaded->name.size() + loaded->file.size() + loaded->line_table.size();
  if (held_bytes_ > kMaxCacheBytes) {
    return fail({.kind = ErrorKind::kOutOfBounds, .what = "functions", .where = code, .wanted = held_bytes_});
  }
  const auto number = static_cast<std::uint32_t>(entries_.size());
  loaded->number = number;
  entries_.push_back(
      {.identity = identity, .function = std::make_unique<Function>(std::move(*loaded)), .lines = {}, .returns = {}});
  by_address_[code] = number;
  return entries_.back().function.get();
}

Result<CodeIdentity> CodeCache::identity_of(Address code) const {
  const auto& at = runtime_->layout.code;
  std::vector<std::byte> copy(at.size.bytes());
  if (auto done = objects_.memory().read(code, copy, "PyCodeObject"); !done) return fail(done);
  const auto word = [&](Offset member) { return Address{load<std::uint64_t>(copy, member.bytes())}; };
  // What was freed keeps its bytes but for the first word, in which both allocators (obmalloc, malloc) link free
  // blocks.
  // Without the GIL that word is the owning thread's number, and there is no telling.
  if (const auto count_at = objects_.layout().object.reference_count; count_at.has_value()) {
    const std::uint64_t references = word(*count_at).value;
    if (references == 0 || references > kMaxReferences) {
      return fail({.kind = ErrorKind::kInconsistent, .what = "PyCodeObject.ob_refcnt", .where = code});
    }
  }
  return CodeIdentity{.filename = word(at.filename),
                      .name = word(at.name),
                      .line_table = word(at.line_table),
                      .first_line = load<std::int32_t>(copy, at.first_line.bytes())};
}

Result<Function> CodeCache::load_function(Address code) const {
  const auto& at = runtime_->layout.code;
  std::vector<std::byte> copy(at.size.bytes());
  if (auto done = objects_.memory().read(code, copy, "PyCodeObject"); !done) return fail(done);
  const auto word = [&](Offset member) { return Address{load<std::uint64_t>(copy, member.bytes())}; };
  Function function{.code = code,
                    .name = {},
                    .file = {},
                    .first_line = load<std::int32_t>(copy, at.first_line.bytes()),
                    .line_table = {}};
  auto name = objects_.string(word(at.qualname.has_value() ? *at.qualname : at.name));
  if (!name) return fail(name);
  function.name = std::move(*name);
  auto file = objects_.string(word(at.filename));
  if (!file) return fail(file);
  function.file = std::move(*file);
  auto lines = objects_.bytes(word(at.line_table), kMaxLineTableBytes);
  if (!lines) return fail(lines);
  function.line_table = std::move(*lines);
  function.is_generator = (load<std::uint32_t>(copy, at.flags.bytes()) & kGeneratorFlags) != 0;
  std::uint64_t count = 0;
  if (runtime_->dialect.instruction_index == InstructionIndex::kPointer) {  // inline, ob_size in units of two bytes
    count = load<std::uint64_t>(copy, runtime_->layout.object.item_count.bytes()) * 2;
  } else {
    auto size = objects_.memory().read_value<std::uint64_t>(word(at.instructions) + runtime_->layout.object.item_count,
                                                            "co_code size");
    if (!size) return fail(size);
    count = *size;
  }
  if (count > kMaxInstructionBytes) {
    return fail({.kind = ErrorKind::kOutOfBounds, .what = "co_code", .where = code, .wanted = count});
  }
  function.instruction_bytes = static_cast<std::int64_t>(count);
  if (at.first_traceable.has_value()) {
    function.first_traceable = std::int64_t{2} * load<std::int32_t>(copy, (*at.first_traceable).bytes());
  }
  return function;
}

CodeCache::Place CodeCache::place(const Function& function, std::int64_t instruction) {
  // The first instruction has not begun: PyCode_Addr2Line says the same.
  if (instruction < 0) return {.line = function.first_line};
  auto& entry = entries_[function.number];
  if (!entry.lines) {
    entry.lines = line_runs(runtime_->dialect.line_table, function.line_table, function.first_line);
    held_bytes_ += entry.lines->size() * sizeof(LineRun);
  }
  Place place{.line = line_at(*entry.lines, static_cast<std::uint32_t>(instruction))};
  if (runtime_->dialect.frame_chain != FrameChain::kFrameObjects) return place;
  const auto known = entry.returns.find(instruction);
  place.returns = known != entry.returns.end() ? known->second : returns(function, instruction);
  if (known != entry.returns.end()) return place;
  constexpr std::size_t kNodeBytes = 64;
  held_bytes_ += kNodeBytes;
  entry.returns.emplace(instruction, place.returns);
  return place;
}

bool CodeCache::returns(const Function& function, std::int64_t instruction) const {
  const auto* opcodes = find_opcodes(runtime_->version);
  const auto begin = first_instruction(function);
  if (opcodes == nullptr || !begin) return false;
  auto opcode = objects_.memory().read_value<std::uint8_t>(*begin + static_cast<std::uint64_t>(instruction), "co_code");
  return opcode && opcodes->base_of(*opcode).name == "RETURN_VALUE";
}

Result<Address> CodeCache::first_instruction(const Function& function) const {
  const Address begin = function.code + runtime_->layout.code.instructions;
  if (runtime_->dialect.instruction_index == InstructionIndex::kPointer) return begin;
  auto bytes = objects_.memory().read_pointer(begin, "co_code");
  if (!bytes) return fail(bytes);
  return *bytes + runtime_->layout.small_objects.bytes_value;
}

Result<std::vector<std::byte>> CodeCache::instructions(const Function& function) const {
  auto begin = first_instruction(function);
  if (!begin) return fail(begin);
  std::vector<std::byte> copy(static_cast<std::size_t>(function.instruction_bytes));
  if (auto done = objects_.memory().read(*begin, copy, "co_code"); !done) return fail(done);
  return copy;
}

}  // namespace snag::python
