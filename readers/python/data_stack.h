#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <vector>

#include "readers/process/remote_memory.h"
#include "readers/python/layout.h"

namespace snag::python {

// A part of the target's memory that belongs to a stack: a stretch of a data-stack chunk, or one frame on the heap.
struct Region {
  Address begin;
  std::size_t size;  // bytes
};

// Chunks of one thread's data stack that are followed: 16 KiB each at first, so that kMaxFrames small frames fit.
inline constexpr std::size_t kMaxChunks = 1024;
// Bytes of one chunk, and of all of a thread's chunks, that are copied at most: 20,000 frames of usual size. Each is
// copied six times, so that this decides how much memory a hostile target can make us take.
inline constexpr std::size_t kMaxChunkBytes = 4U << 20U;
inline constexpr std::size_t kMaxStackBytes = 4U << 20U;

// The chunks in which one thread keeps its frames from 3.11 on, but those of generators and the interpreter's own: a
// frame lies behind its caller's, and all of them before the stack's end (Include/cpython/pystate.h: _PyStackChunk).
class DataStack {
 public:
  struct Place {
    std::size_t chunk;  // 0 is the oldest
    Address address;
    friend constexpr auto operator<=>(const Place&, const Place&) = default;
  };

  // Reads the header of each chunk, from the current one to the oldest. The used part of each is appended to `used`,
  // the current one's with some room for frames that are pushed before the next read.
  [[nodiscard]] Result<void> survey(const RemoteMemory& memory, const StackChunkLayout& at, Address current,
                                    Address top, std::vector<Region>& used);
  // A chunk that has become the current one since the survey. False: it does not follow on the newest that is known.
  [[nodiscard]] bool grow(const RemoteMemory& memory, const StackChunkLayout& at, Address chunk);

  // nullopt: in none of the chunks known.
  [[nodiscard]] std::optional<Place> place_of(Address frame) const;
  // Where the stack ends while `chunk` is the current one and filled up to `top`. nullopt: the chunk is not known.
  [[nodiscard]] std::optional<Place> end(Address chunk, Address top) const;
  // Whether a frame may lie there when those before it end at `filled`: right there, or at the begin of the next chunk.
  [[nodiscard]] bool follows(const Place& frame, const Place& filled) const;

 private:
  struct Chunk {
    Address begin;
    std::size_t size;  // bytes, with its header
    Address data;
  };
  struct Header {
    Chunk chunk;
    Address previous;
    Address top;  // kept only while another chunk is the current one
  };
  [[nodiscard]] static Result<Header> read_header(const RemoteMemory& memory, const StackChunkLayout& at,
                                                  Address chunk);
  [[nodiscard]] const Chunk& chunk(std::size_t number) const { return chunks_[chunks_.size() - 1 - number]; }

  std::vector<Chunk> chunks_;  // the current one first
};

}  // namespace snag::python
