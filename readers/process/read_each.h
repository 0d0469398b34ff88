#pragma once

#include <span>
#include <vector>

#include "readers/process/remote_memory.h"

namespace snag {

// Copies all pieces that can be read, whatever lies between them: which ones are whole. As cheap as read_many() while
// all are; each one that is not costs a system call more. Fails only where read() would fail for every address.
[[nodiscard]] inline Result<std::vector<bool>> read_each(const RemoteMemory& memory, std::span<const Piece> pieces,
                                                         const char* what) {
  std::vector<bool> whole(pieces.size(), true);
  for (std::size_t first = 0; first < pieces.size(); ++first) {
    auto done = memory.read_many(pieces.subspan(first), what);
    if (!done) return fail(done);
    first += *done;
    if (first < pieces.size()) whole[first] = false;
  }
  return whole;
}

}  // namespace snag
