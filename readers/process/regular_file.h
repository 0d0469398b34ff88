#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "readers/process/unique_descriptor.h"

namespace snag {

// Opens a regular file for reading, and nothing else: what only claims to be one (a pipe, a device that acts when it is
// opened) is looked at before it is opened. Not open: errno is set; EINVAL where it is no regular file.
[[nodiscard]] UniqueDescriptor open_regular(const std::filesystem::path& path);

// All of `into`, or false. With pread: a mapped file that shrinks would end us with SIGBUS.
[[nodiscard]] bool read_at(int file, std::uint64_t offset, std::span<std::byte> into);

}  // namespace snag
