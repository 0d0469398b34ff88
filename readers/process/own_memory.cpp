#include "readers/process/own_memory.h"

#include <unistd.h>

namespace snag {

OwnMemory::OwnMemory() : live_(Pid{::getpid()}) {}

Result<void> OwnMemory::read(Address from, std::span<std::byte> into, const char* what) const {
  return live_.read(from, into, what);
}

Result<std::size_t> OwnMemory::read_many(std::span<const Piece> pieces, const char* what) const {
  return live_.read_many(pieces, what);
}

}  // namespace snag
