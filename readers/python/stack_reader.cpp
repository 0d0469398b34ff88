#include "readers/python/stack_reader.h"

#include <algorithm>
#include <initializer_list>

#include "readers/python/frame_fields.h"

namespace snag::python {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
// A stack that did not hold still is tried again this often: each attempt costs two system calls.
constexpr int kAttempts = 3;

struct Extent {
  std::size_t begin;
  std::size_t size;
};

Extent extent_of(std::initializer_list<Offset> members) {
  std::size_t begin = SIZE_MAX;
  std::size_t end = 0;
  for (const Offset member : members) {
    begin = std::min<std::size_t>(begin, member.bytes());
    end = std::max<std::size_t>(end, member.bytes() + kWord);
  }
  return {.begin = begin, .size = end - begin};
}

// FRAME_OWNED_BY_GENERATOR, from 3.11 to 3.15 (Include/internal/pycore_frame.h).
constexpr std::uint8_t kOwnedByGenerator = 1;

// A read that took longer than this many of the fastest, and an interrupt or two, was preempted. An interrupt costs
// some microseconds, a preemption a hundred; a piece costs 0.2, or more where the target has just written.
constexpr int kPreempted = 4;
constexpr Nanoseconds kInterrupts = std::chrono::microseconds(20);
// By this part the fastest pace is forgotten at each read, so that a machine which has become slower is believed.
constexpr int kForgetPace = 1024;

Offset either(MaybeOffset maybe, Offset otherwise) { return maybe.has_value() ? *maybe : otherwise; }

// The same in all copies of a frame that stands, whichever instructions it is counted from.
std::uint64_t position(const RawFrame& frame) {
  return frame.bytecode.value + static_cast<std::uint64_t>(frame.instruction);
}

Error torn(const char* what, Address where) { return {.kind = ErrorKind::kInconsistent, .what = what, .where = where}; }

}  // namespace

StackReader::StackReader(const RemoteMemory& memory, const Runtime& runtime, Clock clock)
    : memory_(&memory), runtime_(&runtime), clock_(clock) {
  const auto& frame = runtime.layout.frame;
  const auto in_frame = extent_of({frame.previous, frame.code, frame.instruction, frame.globals,
                                   either(frame.owner, frame.code), either(frame.state, frame.code),
                                   either(frame.function, frame.code), either(frame.bytecode_index, frame.code)});
  frame_begin_ = in_frame.begin;
  frame_size_ = in_frame.size;
  const auto& thread = runtime.layout.thread_state;
  const auto in_thread =
      extent_of({thread.top_frame, either(thread.datastack_chunk, thread.top_frame),
                 either(thread.datastack_top, thread.top_frame), either(thread.base_frame, thread.top_frame)});
  thread_begin_ = in_thread.begin;
  thread_size_ = in_thread.size;
  const auto& code = runtime.layout.code;
  const auto in_code = extent_of({code.filename, code.name, code.line_table, code.first_line, code.stack_size,
                                  either(code.variable_count, code.name), either(code.bytecodes, code.name)});
  code_begin_ = in_code.begin;
  code_size_ = in_code.size;
}

Result<void> StackReader::read(ThreadCursor& cursor, RawStack& stack) {
  stack.frames.clear();
  stack.whole = false;
  RawStack tried;
  Result<void> outcome = fail(torn("stack", cursor.thread_state()));
  for (int i = 0; i < kAttempts; ++i) {
    auto done = attempt(cursor, tried);
    if (!done) {
      cursor.regions_.clear();
      if (stack.frames.empty()) outcome = done;
      continue;
    }
    outcome = {};
    if (tried.whole || tried.frames.size() > stack.frames.size()) std::swap(stack, tried);
    if (stack.whole) return {};
  }
  if (stack.frames.empty() && outcome) outcome = fail(torn("stack", cursor.thread_state()));
  return outcome;
}

Result<void> StackReader::attempt(ThreadCursor& cursor, RawStack& stack) {
  if (auto done = take_first_copy(cursor); !done) return done;
  auto top = top_frame(cursor);
  if (!top) return fail(top);
  if (auto done = walk(*top); !done) return done;
  if (!reaches_base(cursor)) return fail(torn("outermost frame", cursor.thread_state()));
  cframe_ = runtime_->dialect.frame_chain == FrameChain::kCFrame ? cursor.cframe_ : Address{};
  copies_.set_head({.begin = cursor.thread_state() + thread_begin_, .size = thread_size_},
                   cframe_.is_null() ? Address{} : cframe_ + (*runtime_->layout.cframe.current_frame).bytes());
  plan_code_pieces();
  if (auto done = take_rest(cursor); !done) return done;
  take_identities();
  if (auto done = find_bytecodes(); !done) return done;
  compare(cursor, stack);
  remember(cursor);
  return {};
}

// One piece for each code object; recursion has many frames of one.
void StackReader::plan_code_pieces() {
  codes_.clear();
  for (const auto& link : chain_) {
    if (!link.shim) codes_.push_back(link.raw.code);
  }
  std::sort(codes_.begin(), codes_.end());
  codes_.erase(std::unique(codes_.begin(), codes_.end()), codes_.end());
  code_copies_.resize(codes_.size() * code_size_);
  code_pieces_.clear();
  for (std::size_t i = 0; i < codes_.size(); ++i) {
    code_pieces_.push_back(
        {.from = codes_[i] + code_begin_, .into = std::span(code_copies_).subspan(i * code_size_, code_size_)});
  }
}

Result<void> StackReader::take_rest(const ThreadCursor& cursor) {
  const Instant before = clock_();
  if (auto done = copies_.take_rest(*memory_, code_pieces_); !done) return done;
  const Nanoseconds took = clock_() - before;
  const auto pieces = static_cast<std::int64_t>(copies_.piece_count());
  best_pace_ = std::min(best_pace_ + best_pace_ / kForgetPace, took / pieces);
  if (took > best_pace_ * pieces * kPreempted + kInterrupts) return fail(torn("slow read", cursor.thread_state()));
  return {};
}

Result<void> StackReader::take_first_copy(ThreadCursor& cursor) {
  copies_.clear();
  copies_.add({.begin = cursor.thread_state() + thread_begin_, .size = thread_size_});
  if (!cursor.regions_.empty()) {
    if (!cursor.cframe_.is_null()) copies_.add({.begin = cursor.cframe_, .size = kWord * 2});
    for (const auto& region : cursor.regions_) copies_.add(region);
    if (copies_.take_first(*memory_)) return {};
    // A place that the stack lay in is gone: look afresh.
    copies_.clear();
    copies_.add({.begin = cursor.thread_state() + thread_begin_, .size = thread_size_});
  }
  cursor.cframe_ = {};
  if (auto done = copies_.take_first(*memory_); !done) return done;
  return survey_chunks(cursor);
}

// Adds the used part of each data-stack chunk.
Result<void> StackReader::survey_chunks(ThreadCursor& cursor) {
  const auto& thread = runtime_->layout.thread_state;
  if (!thread.datastack_chunk.has_value()) return {};
  std::size_t hint = 0;
  const auto state = copies_.find(0, cursor.thread_state() + thread_begin_, thread_size_, hint);
  const auto [chunk, top] = chunk_and_top(state);
  chunks_.clear();
  auto done = cursor.data_stack_.survey(*memory_, runtime_->layout.stack_chunk, chunk, top, chunks_);
  for (auto part = chunks_.begin(); done && part != chunks_.end(); ++part) done = copies_.extend_first(*memory_, *part);
  return done;
}

std::pair<Address, Address> StackReader::chunk_and_top(std::span<const std::byte> thread) const {
  const auto word = [&](MaybeOffset at) { return Address{load<std::uint64_t>(thread, (*at).bytes() - thread_begin_)}; };
  const auto& at = runtime_->layout.thread_state;
  return {word(at.datastack_chunk), word(at.datastack_top)};
}

Result<Address> StackReader::top_frame(ThreadCursor& cursor) {
  std::size_t hint = 0;
  const auto state = copies_.find(0, cursor.thread_state() + thread_begin_, thread_size_, hint);
  const auto& thread = runtime_->layout.thread_state;
  const Address top{load<std::uint64_t>(state, thread.top_frame.bytes() - thread_begin_)};
  if (runtime_->dialect.frame_chain != FrameChain::kCFrame || top.is_null()) return top;
  auto cframe = copies_.find(0, top, kWord * 2, hint);
  if (cframe.empty()) {
    auto done = copies_.extend_first(*memory_, {.begin = top, .size = kWord * 2});
    if (!done) return fail(done);
    cframe = copies_.find(0, top, kWord * 2, hint);
  }
  cursor.cframe_ = top;
  const Address frame{load<std::uint64_t>(cframe, (*runtime_->layout.cframe.current_frame).bytes())};
  // Only the root cframe, which lies within the thread state, may be without a frame: another one has just been made
  // current, and its frame is not in place yet (Python/ceval.c, _PyEval_EvalFrameDefault).
  const bool is_root = top >= cursor.thread_state() && top < cursor.thread_state() + thread.size.bytes();
  if (frame.is_null() && !is_root) return fail(torn("_PyCFrame.current_frame", top));
  return frame;
}

Result<void> StackReader::walk(Address frame) {
  chain_.clear();
  std::size_t hint = 0;
  while (!frame.is_null()) {
    if (chain_.size() >= kMaxFrames) {
      return fail({.kind = ErrorKind::kOutOfBounds, .what = "frames of a stack", .where = frame});
    }
    auto bytes = copies_.find(0, frame + frame_begin_, frame_size_, hint);
    if (bytes.empty()) {
      auto done = copies_.extend_first(*memory_, {.begin = frame + frame_begin_, .size = frame_size_});
      if (!done) return done;
      bytes = copies_.find(0, frame + frame_begin_, frame_size_, hint);
    }
    auto link = parse_frame(frame, bytes);
    if (!link) return fail(link);
    link->region = hint;
    chain_.push_back(*link);
    frame = link->previous;
  }
  return {};
}

bool StackReader::reaches_base(const ThreadCursor& cursor) {
  const auto at = runtime_->layout.thread_state.base_frame;
  if (!at.has_value()) return true;
  std::size_t hint = 0;
  const auto state = copies_.find(0, cursor.thread_state() + thread_begin_, thread_size_, hint);
  const Address base{load<std::uint64_t>(state, (*at).bytes() - thread_begin_)};
  return !chain_.empty() && chain_.back().raw.frame == base;
}

Result<StackReader::Link> StackReader::parse_frame(Address frame, std::span<const std::byte> bytes) const {
  const auto& at = runtime_->layout.frame;
  const auto word = [&](Offset member) { return load<std::uint64_t>(bytes, member.bytes() - frame_begin_); };
  const auto& dialect = runtime_->dialect;
  Link link{.raw = {.frame = frame,
                    .code = referent(dialect, word(at.code)),
                    .globals = Address{word(at.globals)},
                    .function = {},
                    .bytecode = {},
                    .identity = {}},
            .previous = Address{word(at.previous)},
            .shim = false,
            .running = true,
            .bytecodes = {}};
  if (at.function.has_value()) link.raw.function = referent(dialect, word(*at.function));
  if (at.owner.has_value()) {
    const auto owner = load<std::uint8_t>(bytes, (*at.owner).bytes() - frame_begin_);
    link.shim = dialect.first_shim_owner && owner >= *dialect.first_shim_owner;
    link.raw.in_generator = owner == kOwnedByGenerator;
  }
  if (dialect.running_states && at.state.has_value()) {
    const auto& running = *dialect.running_states;
    const auto state = load<std::uint8_t>(bytes, (*at.state).bytes() - frame_begin_);
    link.running = std::find(running.begin(), running.end(), state) != running.end();
  }
  if (link.previous == frame || (link.raw.code.is_null() && !link.shim)) return fail(torn("frame", frame));
  if (at.bytecode_index.has_value()) {
    link.bytecode_index = load<std::int32_t>(bytes, (*at.bytecode_index).bytes() - frame_begin_);
  }
  link.raw.bytecode = own_bytecode(*runtime_, link.raw.code);
  link.raw.instruction = instruction_of(*runtime_, link.raw.bytecode, bytes, frame_begin_);
  return link;
}

void StackReader::take_identities() {
  const auto& at = runtime_->layout.code;
  for (auto& link : chain_) {
    if (link.shim) continue;
    const auto i =
        static_cast<std::size_t>(std::lower_bound(codes_.begin(), codes_.end(), link.raw.code) - codes_.begin());
    const auto bytes = std::span<const std::byte>(code_copies_).subspan(i * code_size_, code_size_);
    const auto word = [&](Offset member) { return load<std::uint64_t>(bytes, member.bytes() - code_begin_); };
    link.raw.identity = {.filename = Address{word(at.filename)},
                         .name = Address{word(at.name)},
                         .line_table = Address{word(at.line_table)},
                         .first_line = load<std::int32_t>(bytes, at.first_line.bytes() - code_begin_)};
    if (at.bytecodes.has_value()) link.bytecodes = Address{word(*at.bytecodes)};
    if (!at.variable_count.has_value()) continue;
    // _PyFrame_Initialize() and its callers: the frame itself, its variables, its value stack.
    const auto count = [&](Offset member) { return load<std::uint32_t>(bytes, member.bytes() - code_begin_); };
    link.size =
        runtime_->layout.frame.locals.bytes() + (std::size_t{count(*at.variable_count)} + count(at.stack_size)) * kWord;
  }
}

Result<void> StackReader::find_bytecodes() {
  const auto& at = runtime_->layout.bytecodes;
  if (!at.entries.has_value()) return {};
  struct Entry {
    std::uint64_t count;
    Address begin;
  };
  std::vector<Link*> links;
  for (auto& link : chain_) {
    if (!link.shim && link.bytecode_index != 0) links.push_back(&link);
  }
  if (links.empty()) return {};
  std::vector<Entry> entries(links.size());
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < links.size(); ++i) {
    const auto into = std::as_writable_bytes(std::span(&entries[i], 1));
    const auto index = static_cast<std::uint32_t>(links[i]->bytecode_index);
    pieces.push_back({.from = links[i]->bytecodes + *at.count, .into = into.first(kWord)});
    pieces.push_back(
        {.from = links[i]->bytecodes + *at.entries + std::uint64_t{index} * kWord, .into = into.last(kWord)});
  }
  auto done = memory_->read_many(pieces, "_PyCodeArray");
  if (!done) return fail(done);
  if (*done != pieces.size()) return fail(torn("_PyCodeArray", pieces[*done].from));
  for (std::size_t i = 0; i < links.size(); ++i) {
    auto& raw = links[i]->raw;
    const auto index = static_cast<std::uint32_t>(links[i]->bytecode_index);
    if (index >= entries[i].count) return fail(torn("_PyCodeArray.size", links[i]->bytecodes));
    raw.instruction += static_cast<std::int64_t>(raw.bytecode.value - entries[i].begin.value);
    raw.bytecode = entries[i].begin;
  }
  return {};
}

bool StackReader::top_stood() const {
  const Address innermost = chain_.empty() ? Address{} : chain_.front().raw.frame;
  const std::size_t at = runtime_->layout.thread_state.top_frame.bytes() - thread_begin_;
  for (std::size_t i = 0; i < copies_.look_count(); ++i) {
    const auto look = copies_.look(i);
    const Address head{load<std::uint64_t>(look.thread, at)};
    if (cframe_.is_null() ? head != innermost : head != cframe_ || Address{look.word} != innermost) return false;
  }
  return true;
}

std::optional<DataStack::Place> StackReader::lowest_end(DataStack& data_stack) const {
  const auto& thread = runtime_->layout.thread_state;
  if (!thread.datastack_chunk.has_value()) return std::nullopt;
  std::optional<DataStack::Place> lowest;
  for (std::size_t i = 0; i < copies_.look_count(); ++i) {
    const auto [chunk, top] = chunk_and_top(copies_.look(i).thread);
    auto end = data_stack.end(chunk, top);
    if (!end && data_stack.grow(*memory_, runtime_->layout.stack_chunk, chunk)) end = data_stack.end(chunk, top);
    if (!end) return std::nullopt;
    if (!lowest || *end < *lowest) lowest = end;
  }
  return lowest;
}

// A frame of the first copy lies in all of them: they are of the same regions.
StackReader::Agreement StackReader::agreement(const Link& link) {
  bool same_instruction = true;
  std::size_t region = link.region;
  for (std::size_t copy = 1; copy < StackCopies::kCopies; ++copy) {
    const auto bytes = copies_.find(copy, link.raw.frame + frame_begin_, frame_size_, region);
    const auto other = parse_frame(link.raw.frame, bytes);
    if (!other || other->raw.code != link.raw.code || other->previous != link.previous || other->shim != link.shim ||
        other->raw.in_generator != link.raw.in_generator || other->running != link.running ||
        other->bytecode_index != link.bytecode_index) {
      return Agreement::kNone;
    }
    same_instruction = same_instruction && position(other->raw) == position(link.raw);
  }
  return same_instruction ? Agreement::kFull : Agreement::kButInstruction;
}

// On the heap a frame's own state tells. On the data stack a frame begins where the one before it ends, and the stack
// has to reach to its end at each look. A generator's frame and the interpreter's own lie elsewhere: a frame that lives
// and was called by one proves it.
StackReader::Life StackReader::life(const Link& link, bool at_the_top, const DataStack& data_stack,
                                    std::optional<DataStack::Place>& filled) const {
  if (runtime_->dialect.frame_chain == FrameChain::kFrameObjects) {
    return link.running || at_the_top ? Life::kProved : Life::kNone;
  }
  const auto place = data_stack.place_of(link.raw.frame);
  if (!place) return at_the_top ? Life::kProved : Life::kIfItsCalleeLives;
  if (filled && !data_stack.follows(*place, *filled)) return Life::kNone;
  filled = DataStack::Place{.chunk = place->chunk, .address = place->address + link.size};
  return lowest_end_ && *filled <= *lowest_end_ ? Life::kProved : Life::kNone;
}

// Keeps the frames, from the outermost inwards, that all copies agree on and that surely lived.
void StackReader::compare(ThreadCursor& cursor, RawStack& stack) {
  const bool stood = top_stood();
  lowest_end_ = lowest_end(cursor.data_stack_);
  std::optional<DataStack::Place> filled;
  std::size_t kept = 0;
  for (std::size_t depth = 1; depth <= chain_.size(); ++depth) {
    const auto& link = chain_[chain_.size() - depth];
    const auto agreed = agreement(link);
    if (agreed == Agreement::kNone) break;
    const auto alive = life(link, stood && depth == chain_.size(), cursor.data_stack_, filled);
    if (alive == Life::kNone) break;
    if (alive == Life::kProved) kept = depth;
    if (agreed == Agreement::kButInstruction) break;  // it is there, and what it calls is in doubt
  }
  stack.frames.clear();
  for (auto link = chain_.end() - static_cast<std::ptrdiff_t>(kept); link != chain_.end(); ++link) {
    if (!link->shim) stack.frames.push_back(link->raw);
  }
  stack.whole = stood && kept == chain_.size();
}

// The regions that the stack lay in, for the next read's first guess.
void StackReader::remember(ThreadCursor& cursor) {
  if (runtime_->dialect.frame_chain == FrameChain::kFrameObjects) return remember_frames(cursor);
  const std::size_t before = cursor.regions_.size();
  cursor.regions_.clear();
  const auto regions = copies_.regions();
  for (std::size_t i = 1; i < regions.size(); ++i) {  // 0 is the thread state
    if (copies_.was_used(i) && regions[i].begin != cursor.cframe_) cursor.regions_.push_back(regions[i]);
  }
  // Many single frames mean that the guess has become poor (the data stack outgrew its headroom), and so does a chunk
  // not known: then the next read surveys the chunks afresh.
  constexpr std::size_t kManyNew = 4;
  const bool outgrown = before != 0 && cursor.regions_.size() > before + kManyNew;
  if (outgrown || !lowest_end_) cursor.regions_.clear();
}

// Frames on the heap, those that lie close together in one region: a piece more costs as much as a kilobyte more, and
// what is read at once is not torn.
void StackReader::remember_frames(ThreadCursor& cursor) {
  constexpr std::size_t kWidestGap = 1024;
  constexpr std::size_t kLargestRegion = std::size_t{16} << 10U;
  sorted_frames_.clear();
  for (const auto& link : chain_) sorted_frames_.push_back(link.raw.frame + frame_begin_);
  std::sort(sorted_frames_.begin(), sorted_frames_.end());
  cursor.regions_.clear();
  for (const Address frame : sorted_frames_) {
    const Address end = frame + frame_size_;
    if (!cursor.regions_.empty()) {
      auto& last = cursor.regions_.back();
      const bool is_near = frame.value <= last.begin.value + last.size + kWidestGap;
      if (is_near && end.value - last.begin.value <= kLargestRegion) {
        last.size = std::max<std::size_t>(last.size, end.value - last.begin.value);
        continue;
      }
    }
    cursor.regions_.push_back({.begin = frame, .size = frame_size_});
  }
}

}  // namespace snag::python
