#include "readers/asyncio/run_once.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "readers/python/bytecode/for_body.h"
#include "readers/python/bytecode/instructions.h"
#include "readers/python/frame_fields.h"

namespace snag::asyncio {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
// `_run_once` has 12 to 14 locals, depending on the version.
constexpr unsigned kMaxLocals = 32;
// A monotonic clock beyond this (292 years) is no time.
constexpr double kMaxSeconds = 9.2e9;

bool is_run_once(const python::Function& function) {
  return function.name.ends_with("_run_once") && function.file.ends_with("asyncio/base_events.py");
}

Error inconsistent(const char* what, Address where) {
  return {.kind = ErrorKind::kInconsistent, .what = what, .where = where};
}

std::optional<unsigned> slot_of(std::span<const std::string> names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end() || found - names.begin() >= kMaxLocals) return std::nullopt;
  return static_cast<unsigned>(found - names.begin());
}

}  // namespace

Result<std::vector<std::string>> LoopReader::local_names(Address code) const {
  const auto& objects = codes_->objects();
  auto tuple = objects.memory().read_pointer(code + objects.layout().code.variable_names, "co_varnames");
  if (!tuple) return fail(tuple);
  auto items = objects.tuple(*tuple);
  if (!items) return fail(items);
  std::vector<std::string> names;
  for (const Address item : std::span(*items).first(std::min<std::size_t>(items->size(), kMaxLocals))) {
    auto name = objects.string(item);
    if (!name) return fail(name);
    names.push_back(std::move(*name));
  }
  return names;
}

Result<const RunOnceCode*> LoopReader::analyse(const python::Function& function) {
  if (auto known = analysed_.find(function.number); known != analysed_.end()) return &known->second;
  auto names = local_names(function.code);
  if (!names) return fail(names);
  auto code = codes_->instructions(function);
  if (!code) return fail(code);
  const auto loop = slot_of(*names, "self");
  const auto end_time = slot_of(*names, "end_time");
  const auto todo = slot_of(*names, "ntodo");
  const auto index = slot_of(*names, "i");
  if (!loop || !end_time || !todo || !index) return fail(inconsistent("locals of _run_once", function.code));
  const auto* opcodes = python::find_opcodes(codes_->runtime().version);
  if (opcodes == nullptr) return fail(inconsistent("opcodes of _run_once", function.code));
  const auto instructions = python::Instructions::decode(*opcodes, *code);
  const auto body = instructions ? python::for_body_of(*instructions, *index) : std::nullopt;
  if (!body) return fail(inconsistent("loop of _run_once", function.code));
  const auto placed = analysed_.emplace(function.number, RunOnceCode{.code = function.code,
                                                                     .loop = *loop,
                                                                     .end_time = *end_time,
                                                                     .todo = *todo,
                                                                     .index = *index,
                                                                     .body_begin = body->begin,
                                                                     .body_end = body->end});
  return &placed.first->second;
}

Result<std::optional<LoopFrame>> LoopReader::find(Address thread_state, Address interpreter,
                                                  const python::RawStack& stack) {
  for (const auto& frame : stack.frames) {
    auto function = codes_->function(frame);
    if (!function) return fail(function);
    if (!is_run_once(**function)) continue;
    auto code = analyse(**function);
    if (!code) return fail(code);
    const auto& memory = codes_->objects().memory();
    const auto& runtime = codes_->runtime();
    auto loop = memory.read_value<std::uint64_t>(
        frame.frame + runtime.layout.frame.locals + std::uint64_t{(*code)->loop} * kWord, "_run_once self");
    if (!loop) return fail(loop);
    return std::optional(LoopFrame{.thread_state = thread_state,
                                   .interpreter = interpreter,
                                   .frame = frame.frame,
                                   .loop = python::referent(runtime.dialect, *loop),
                                   .bytecode = frame.bytecode,
                                   .code = **code});
  }
  return std::optional<LoopFrame>();
}

Result<Glimpse> LoopReader::look(const LoopFrame& loop) const {
  const auto& layout = codes_->runtime().layout;
  const auto& at = layout.frame;
  const auto& memory = codes_->objects().memory();
  // From the struct's beginning to the last local that is used: 200 bytes, one memcpy in the kernel.
  std::array<std::byte, 1024> copy{};
  const auto& code = loop.code;
  const std::size_t last = std::max({code.loop, code.end_time, code.todo, code.index});
  const std::size_t size = at.locals.bytes() + (last + 1) * kWord;
  if (size > copy.size()) return fail(inconsistent("frame of _run_once", loop.frame));
  if (auto done = memory.read(loop.frame, std::span(copy).first(size), "frame of _run_once"); !done) return fail(done);
  const auto word = [&](std::size_t offset) {
    return python::referent(codes_->runtime().dialect, load<std::uint64_t>(copy, offset));
  };
  const auto local = [&](unsigned slot) { return word(at.locals.bytes() + slot * kWord); };

  Glimpse glimpse;
  // Between two iterations the frame is popped, before 3.11 with its locals cleared: that is no other loop's frame.
  const Address self = local(code.loop);
  if (word(at.code.bytes()) != code.code || (!self.is_null() && self != loop.loop)) return glimpse;
  glimpse.state = Glimpse::State::kWaiting;
  const std::int64_t instruction = python::instruction_of(codes_->runtime(), loop.bytecode, copy);
  const bool in_body = instruction >= code.body_begin && instruction < code.body_end;
  if (!in_body || local(code.end_time).is_null() || local(code.index).is_null() || local(code.todo).is_null()) {
    return glimpse;
  }
  auto turn = read_turn(local(code.end_time), local(code.index), local(code.todo));
  if (!turn) return fail(turn);
  return *turn;
}

// The values of the locals, in one system call.
Result<Glimpse> LoopReader::read_turn(Address end_time, Address index, Address todo) const {
  const auto& objects = codes_->objects();
  double seconds = 0;
  std::array<std::byte, python::kMaxSmallIntegerBytes> index_copy{};
  std::array<std::byte, python::kMaxSmallIntegerBytes> todo_copy{};
  const std::size_t integer = objects.small_integer_bytes();
  const std::array<Piece, 3> pieces{{{.from = end_time + objects.layout().small_objects.float_value,
                                      .into = std::as_writable_bytes(std::span(&seconds, 1))},
                                     {.from = index, .into = std::span(index_copy).first(integer)},
                                     {.from = todo, .into = std::span(todo_copy).first(integer)}}};
  auto done = objects.memory().read_many(pieces, "locals of _run_once");
  if (!done) return fail(done);
  if (*done != pieces.size()) {
    return fail({.kind = ErrorKind::kUnreadable, .what = "locals of _run_once", .where = pieces[*done].from});
  }
  const auto number = objects.small_integer(index_copy);
  const auto count = objects.small_integer(todo_copy);
  const bool sane =
      std::isfinite(seconds) && std::fabs(seconds) < kMaxSeconds && number && count && *number >= 0 && *number < *count;
  if (!sane) return fail(inconsistent("turn of _run_once", end_time));
  return Glimpse{.state = Glimpse::State::kRunning,
                 .turn = {.iteration_began = Nanoseconds(std::llround(seconds * 1e9)), .index = *number},
                 .todo = *count};
}

std::size_t LoopReader::depth_of(const LoopFrame& loop, const python::RawStack& stack) {
  const auto found = std::find_if(stack.frames.begin(), stack.frames.end(),
                                  [&](const python::RawFrame& frame) { return frame.frame == loop.frame; });
  return static_cast<std::size_t>(found - stack.frames.begin());
}

}  // namespace snag::asyncio
