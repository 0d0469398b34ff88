#include "readers/python/data_stack.h"

#include <algorithm>
#include <array>

namespace snag::python {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
// Copied beyond the end of the stack, for frames that are pushed before the next read: some five of usual size.
constexpr std::size_t kHeadroom = 768;

}  // namespace

Result<DataStack::Header> DataStack::read_header(const RemoteMemory& memory, const StackChunkLayout& at,
                                                 Address chunk) {
  std::array<std::byte, 3 * kWord> header{};
  if (auto done = memory.read(chunk, header, "_PyStackChunk"); !done) return fail(done);
  const auto word = [&](MaybeOffset member) { return load<std::uint64_t>(header, (*member).bytes()); };
  const Address data = chunk + *at.data;
  const auto size = word(at.size);
  if (size > kMaxChunkBytes) {
    return fail({.kind = ErrorKind::kInconsistent, .what = "_PyStackChunk.size", .where = chunk});
  }
  return Header{.chunk = {.begin = chunk, .size = size, .data = data},
                .previous = Address{word(at.previous)},
                .top = data + word(at.top) * kWord};  // kept in words from the data
}

Result<void> DataStack::survey(const RemoteMemory& memory, const StackChunkLayout& at, Address current, Address top,
                               std::vector<Region>& used) {
  chunks_.clear();
  std::size_t total = 0;
  for (Address chunk = current; !chunk.is_null();) {
    if (chunks_.size() >= kMaxChunks) {
      return fail({.kind = ErrorKind::kOutOfBounds, .what = "_PyStackChunk.previous", .where = chunk});
    }
    const auto header = read_header(memory, at, chunk);
    if (!header) return fail(header);
    const auto& [begin, size, data] = header->chunk;
    if (!chunks_.empty()) top = header->top;
    if (top < data || top.value - begin.value > size) {
      return fail({.kind = ErrorKind::kInconsistent, .what = "_PyStackChunk.top", .where = chunk});
    }
    const std::size_t room = begin.value + size - top.value;
    const std::size_t wanted = top.value - data.value + (chunks_.empty() ? std::min(room, kHeadroom) : 0);
    total += wanted;
    if (total > kMaxStackBytes) {
      return fail({.kind = ErrorKind::kOutOfBounds, .what = "data stack", .where = chunk, .wanted = total});
    }
    if (wanted > 0) used.push_back({.begin = data, .size = wanted});
    chunks_.push_back(header->chunk);
    chunk = header->previous;
  }
  return {};
}

bool DataStack::grow(const RemoteMemory& memory, const StackChunkLayout& at, Address chunk) {
  if (chunks_.empty() || chunks_.size() >= kMaxChunks) return false;
  const auto header = read_header(memory, at, chunk);
  if (!header || header->previous != chunks_.front().begin) return false;
  chunks_.insert(chunks_.begin(), header->chunk);
  return true;
}

std::optional<DataStack::Place> DataStack::place_of(Address frame) const {
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    if (frame >= chunks_[i].begin && frame.value - chunks_[i].begin.value < chunks_[i].size) {
      return Place{.chunk = chunks_.size() - 1 - i, .address = frame};
    }
  }
  return std::nullopt;
}

std::optional<DataStack::Place> DataStack::end(Address chunk, Address top) const {
  const auto known = std::find_if(chunks_.begin(), chunks_.end(), [&](const Chunk& one) { return one.begin == chunk; });
  if (known == chunks_.end() || top < chunk || top.value - chunk.value > known->size) return std::nullopt;
  return Place{.chunk = static_cast<std::size_t>(chunks_.end() - known) - 1, .address = top};
}

bool DataStack::follows(const Place& frame, const Place& filled) const {
  if (frame.chunk == filled.chunk) return frame.address == filled.address;
  return frame.chunk == filled.chunk + 1 && frame.address == chunk(frame.chunk).data;
}

}  // namespace snag::python
