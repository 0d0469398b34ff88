#include "readers/python/stack_reader.h"

#include <algorithm>
#include <initializer_list>

#include "readers/python/frame_fields.h"

namespace snag::python {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
// A stack that did not hold still is tried again this often: each attempt costs two system calls.
constexpr int kAttempts = 3;
// Copied beyond the top of the data stack, for frames that are pushed before the next read: some five of usual size.
constexpr std::size_t kHeadroom = 768;

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

// A read that took longer than this many of the fastest, and a cache miss or two, was interrupted. An interrupt costs
// some microseconds, a preemption a hundred; a piece costs 0.2.
constexpr int kInterrupted = 3;
constexpr Nanoseconds kCacheMisses = std::chrono::microseconds(1);
// By this part the fastest pace is forgotten at each read, so that a machine which has become slower is believed.
constexpr int kForgetPace = 1024;

Offset either(MaybeOffset maybe, Offset otherwise) { return maybe.has_value() ? *maybe : otherwise; }

Error torn(const char* what, Address where) { return {.kind = ErrorKind::kInconsistent, .what = what, .where = where}; }

}  // namespace

StackReader::StackReader(const RemoteMemory& memory, const Runtime& runtime, Clock clock)
    : memory_(&memory), runtime_(&runtime), clock_(clock) {
  const auto& frame = runtime.layout.frame;
  const auto in_frame = extent_of({frame.previous, frame.code, frame.instruction, frame.globals,
                                   either(frame.owner, frame.code), either(frame.function, frame.code)});
  frame_begin_ = in_frame.begin;
  frame_size_ = in_frame.size;
  const auto& thread = runtime.layout.thread_state;
  const auto in_thread = extent_of({thread.interp, thread.top_frame, either(thread.datastack_chunk, thread.top_frame),
                                    either(thread.datastack_top, thread.top_frame)});
  thread_begin_ = in_thread.begin;
  thread_size_ = in_thread.size;
  const auto& code = runtime.layout.code;
  const auto in_code = extent_of({code.filename, code.name, code.line_table, code.first_line});
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
  auto top = top_frame(0, cursor, true);
  if (!top) return fail(top);
  if (auto done = walk(0, *top, chains_[0]); !done) return done;
  cframe_ = runtime_->dialect.frame_chain == FrameChain::kCFrame ? cursor.cframe_ : Address{};
  copies_.set_heads(cursor.thread_state() + runtime_->layout.thread_state.top_frame,
                    cframe_.is_null() ? Address{} : cframe_ + (*runtime_->layout.cframe.current_frame).bytes());
  plan_code_pieces();
  if (auto done = take_rest(cursor); !done) return done;
  take_identities();
  for (std::size_t copy = 1; copy < StackCopies::kCopies; ++copy) {
    auto other_top = top_frame(copy, cursor, false);
    if (!other_top) return fail(other_top);
    if (auto done = walk(copy, *other_top, chains_[copy]); !done) return done;
  }
  compare(stack);
  remember(cursor);
  return {};
}

// One piece for each code object; recursion has many frames of one.
void StackReader::plan_code_pieces() {
  codes_.clear();
  for (const auto& link : chains_[0]) {
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
  if (took > best_pace_ * pieces * kInterrupted + kCacheMisses) return fail(torn("slow read", cursor.thread_state()));
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

// Adds the used part of each data-stack chunk (3.11 and later; Include/cpython/pystate.h: _PyStackChunk).
Result<void> StackReader::survey_chunks(const ThreadCursor& cursor) {
  const auto& thread = runtime_->layout.thread_state;
  const auto& at = runtime_->layout.stack_chunk;
  if (!thread.datastack_chunk.has_value()) return {};
  std::size_t hint = 0;
  const auto state = copies_.find(0, cursor.thread_state() + thread_begin_, thread_size_, hint);
  Address chunk{load<std::uint64_t>(state, (*thread.datastack_chunk).bytes() - thread_begin_)};
  Address top{load<std::uint64_t>(state, (*thread.datastack_top).bytes() - thread_begin_)};
  for (std::size_t count = 0; !chunk.is_null(); ++count) {
    if (count >= kMaxChunks) {
      return fail({.kind = ErrorKind::kOutOfBounds, .what = "_PyStackChunk.previous", .where = chunk});
    }
    std::array<std::byte, 3 * kWord> header{};
    if (auto done = memory_->read(chunk, header, "_PyStackChunk"); !done) return done;
    const auto size = load<std::uint64_t>(header, (*at.size).bytes());
    const Address data = chunk + *at.data;
    // The current chunk's top is in the thread state; an older chunk keeps its own, in words from its data.
    if (count > 0) top = data + load<std::uint64_t>(header, (*at.top).bytes()) * kWord;
    if (size > kMaxChunkBytes || top < data || top.value - chunk.value > size) {
      return fail(torn("_PyStackChunk.size", chunk));
    }
    const std::size_t used = top.value - data.value;
    const std::size_t room = chunk.value + size - top.value;
    const std::size_t wanted = used + (count == 0 ? std::min(room, kHeadroom) : 0);
    if (wanted > 0) {
      if (auto done = copies_.extend_first(*memory_, {.begin = data, .size = wanted}); !done) return done;
    }
    chunk = Address{load<std::uint64_t>(header, (*at.previous).bytes())};
  }
  return {};
}

Result<Address> StackReader::top_frame(std::size_t copy, ThreadCursor& cursor, bool may_read) {
  std::size_t hint = 0;
  const auto state = copies_.find(copy, cursor.thread_state() + thread_begin_, thread_size_, hint);
  const auto& thread = runtime_->layout.thread_state;
  const Address top{load<std::uint64_t>(state, thread.top_frame.bytes() - thread_begin_)};
  if (runtime_->dialect.frame_chain != FrameChain::kCFrame || top.is_null()) return top;
  auto cframe = copies_.find(copy, top, kWord * 2, hint);
  if (cframe.empty()) {
    if (!may_read) return fail(torn("PyThreadState.cframe", top));
    auto done = copies_.extend_first(*memory_, {.begin = top, .size = kWord * 2});
    if (!done) return fail(done);
    cframe = copies_.find(copy, top, kWord * 2, hint);
  }
  if (may_read) cursor.cframe_ = top;
  const Address frame{load<std::uint64_t>(cframe, (*runtime_->layout.cframe.current_frame).bytes())};
  // Only the root cframe, which lies within the thread state, may be without a frame: another one has just been made
  // current, and its frame is not in place yet (Python/ceval.c, _PyEval_EvalFrameDefault).
  const bool is_root = top >= cursor.thread_state() && top < cursor.thread_state() + thread.size.bytes();
  if (frame.is_null() && !is_root) return fail(torn("_PyCFrame.current_frame", top));
  return frame;
}

Result<void> StackReader::walk(std::size_t copy, Address frame, Chain& chain) {
  chain.clear();
  std::size_t hint = 0;
  while (!frame.is_null()) {
    if (chain.size() >= kMaxFrames) {
      return fail({.kind = ErrorKind::kOutOfBounds, .what = "frames of a stack", .where = frame});
    }
    auto bytes = copies_.find(copy, frame + frame_begin_, frame_size_, hint);
    if (bytes.empty()) {
      if (copy != 0) return fail(torn("frame", frame));
      auto done = copies_.extend_first(*memory_, {.begin = frame + frame_begin_, .size = frame_size_});
      if (!done) return done;
      bytes = copies_.find(copy, frame + frame_begin_, frame_size_, hint);
    }
    auto link = parse_frame(frame, bytes);
    if (!link) return fail(link);
    chain.push_back(*link);
    frame = link->previous;
  }
  return {};
}

Result<StackReader::Link> StackReader::parse_frame(Address frame, std::span<const std::byte> bytes) const {
  const auto& at = runtime_->layout.frame;
  const auto word = [&](Offset member) { return load<std::uint64_t>(bytes, member.bytes() - frame_begin_); };
  Link link{.raw = {.frame = frame,
                    .code = Address{word(at.code)},
                    .globals = Address{word(at.globals)},
                    .function = {},
                    .identity = {}},
            .previous = Address{word(at.previous)},
            .shim = false};
  if (at.function.has_value()) link.raw.function = Address{word(*at.function)};
  if (at.owner.has_value()) {
    const auto owner = load<std::uint8_t>(bytes, (*at.owner).bytes() - frame_begin_);
    link.shim = runtime_->dialect.owner_of_shim == owner;
    link.raw.in_generator = owner == kOwnedByGenerator;
  }
  if (link.previous == frame || (link.raw.code.is_null() && !link.shim)) return fail(torn("frame", frame));
  link.raw.instruction = instruction_of(*runtime_, link.raw.code, bytes, frame_begin_);
  return link;
}

void StackReader::take_identities() {
  const auto& at = runtime_->layout.code;
  for (auto& link : chains_[0]) {
    if (link.shim) continue;
    const auto i =
        static_cast<std::size_t>(std::lower_bound(codes_.begin(), codes_.end(), link.raw.code) - codes_.begin());
    const auto bytes = std::span<const std::byte>(code_copies_).subspan(i * code_size_, code_size_);
    const auto word = [&](Offset member) { return load<std::uint64_t>(bytes, member.bytes() - code_begin_); };
    link.raw.identity = {.filename = Address{word(at.filename)},
                         .name = Address{word(at.name)},
                         .line_table = Address{word(at.line_table)},
                         .first_line = load<std::int32_t>(bytes, at.first_line.bytes() - code_begin_)};
  }
}

// How many frames, from the outermost inwards, all copies agree on.
std::size_t StackReader::stable_frames() const {
  const auto& first = chains_[0];
  std::size_t shortest = first.size();
  for (const auto& chain : chains_) shortest = std::min(shortest, chain.size());
  for (std::size_t stable = 0; stable < shortest; ++stable) {
    const auto& frame = first[first.size() - 1 - stable].raw;
    bool same_instruction = true;
    for (const auto& chain : chains_) {
      const auto& other = chain[chain.size() - 1 - stable].raw;
      if (other.frame != frame.frame || other.code != frame.code) return stable;
      same_instruction = same_instruction && other.instruction == frame.instruction;
    }
    if (!same_instruction) return stable + 1;  // it is there, and what it calls is in doubt
  }
  return shortest;
}

// How many of these frames were on the stack at every look at the heads. A frame that is popped leaves its bytes
// behind, so that a copy alone does not prove that it was alive. nullopt: a look leads to where nothing was copied.
std::optional<std::size_t> StackReader::stable_under_heads(std::size_t stable) {
  const auto& first = chains_[0];
  const bool has_cframe = !cframe_.is_null();
  Address looked_at;
  for (const auto& head : copies_.heads()) {
    if (has_cframe && Address{head.words[0]} != cframe_) return std::nullopt;
    const Address top{has_cframe ? head.words[1] : head.words[0]};
    if (top == looked_at || (!first.empty() && top == first.front().raw.frame)) continue;
    looked_at = top;
    if (!walk(head.copy, top, head_chain_)) return std::nullopt;
    std::size_t common = 0;
    while (common < std::min(stable, head_chain_.size()) &&
           head_chain_[head_chain_.size() - 1 - common].raw.frame == first[first.size() - 1 - common].raw.frame) {
      ++common;
    }
    stable = common;
  }
  return stable;
}

// Keeps what all copies agree on and every look at the heads confirms.
void StackReader::compare(RawStack& stack) {
  const auto& first = chains_[0];
  const bool same_depth =
      std::all_of(chains_.begin(), chains_.end(), [&](const Chain& chain) { return chain.size() == first.size(); });
  const auto stable = stable_under_heads(stable_frames()).value_or(0);
  stack.frames.clear();
  for (auto link = first.end() - static_cast<std::ptrdiff_t>(stable); link != first.end(); ++link) {
    if (!link->shim) stack.frames.push_back(link->raw);
  }
  stack.whole = same_depth && stable == first.size();
}

// The regions that the stack lay in, for the next read's first guess. Many single frames mean that the guess has become
// poor (the data stack outgrew its headroom): then the next read surveys the chunks afresh.
void StackReader::remember(ThreadCursor& cursor) const {
  constexpr std::size_t kManyNew = 4;
  const bool frames_on_heap = runtime_->dialect.frame_chain == FrameChain::kFrameObjects;
  const std::size_t before = cursor.regions_.size();
  cursor.regions_.clear();
  const auto regions = copies_.regions();
  for (std::size_t i = 1; i < regions.size(); ++i) {  // 0 is the thread state
    if (copies_.was_used(i) && regions[i].begin != cursor.cframe_) cursor.regions_.push_back(regions[i]);
  }
  if (!frames_on_heap && before != 0 && cursor.regions_.size() > before + kManyNew) cursor.regions_.clear();
}

}  // namespace snag::python
