#include "readers/asyncio/module_offsets.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "readers/python/debug_offsets.h"

namespace snag::asyncio {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);

// The words in their order.
enum Word : std::size_t {
  kTaskSize,
  kTaskName,
  kTaskAwaitedBy,
  kTaskIsTask,
  kTaskAwaitedByIsSet,
  kTaskCoroutine,
  kTaskNode,
  kInterpreterSize,
  kInterpreterTasksHead,
  kThreadSize,
  kThreadRunningLoop,
  kThreadRunningTask,
  kThreadTasksHead,
  kWords
};
static_assert(kWords * kWord == kModuleOffsetsBytes, "sizeof(_Py_AsyncioModuleDebugOffsets) in 3.14 and 3.15");

// A free-threaded build's thread state has its part of the allocator in it.
constexpr std::uint64_t kMaxThreadBytes = 1U << 20U;

struct Member {
  Word at;
  Word size;
  std::uint64_t largest;  // that the struct may claim to be
};
constexpr std::array kUsed{
    Member{.at = kTaskName, .size = kTaskSize, .largest = python::kMaxStructBytes},
    Member{.at = kTaskCoroutine, .size = kTaskSize, .largest = python::kMaxStructBytes},
    Member{.at = kThreadRunningLoop, .size = kThreadSize, .largest = kMaxThreadBytes},
    Member{.at = kThreadRunningTask, .size = kThreadSize, .largest = kMaxThreadBytes},
};

bool may_have_them(const Mapping& mapping, std::string_view runtime_file) {
  const std::string_view path = mapping.path;
  return mapping.is_file() && (path == runtime_file || path.substr(path.rfind('/') + 1).starts_with("_asyncio."));
}

}  // namespace

Result<ModuleOffsets> parse_module_offsets(std::span<const std::byte> bytes) {
  const auto refuse = [](ErrorKind kind, const char* detail) {
    return fail(Error{.kind = kind, .what = "_Py_AsyncioModuleDebugOffsets", .detail = detail});
  };
  if (bytes.size() < kModuleOffsetsBytes) return refuse(ErrorKind::kInconsistent, "it is cut off");
  std::array<std::uint64_t, kWords> words{};
  std::memcpy(words.data(), bytes.data(), kModuleOffsetsBytes);
  for (const Member& member : kUsed) {
    const std::uint64_t size = words[member.size];
    const std::uint64_t at = words[member.at];
    if (size > member.largest) return refuse(ErrorKind::kOutOfBounds, "a struct is absurdly large");
    if (at % kWord != 0 || at > size || size - at < kWord) {
      return refuse(ErrorKind::kOutOfBounds, "a member lies outside its struct");
    }
  }
  const auto offset = [&](Word word) { return python::Offset(static_cast<std::uint32_t>(words[word])); };
  return ModuleOffsets{.task_name = offset(kTaskName),
                       .task_coroutine = offset(kTaskCoroutine),
                       .running_loop = offset(kThreadRunningLoop),
                       .running_task = offset(kThreadRunningTask)};
}

Result<std::optional<ModuleOffsets>> find_module_offsets(const ElfOpener& open, std::string_view runtime_file,
                                                         std::span<const Mapping> mappings) {
  for (const auto& mapping : mappings) {
    if (mapping.file_offset != 0 || !may_have_them(mapping, runtime_file)) continue;
    const auto image = open(mapping);
    if (!image) continue;
    const auto section = image->find_section(".AsyncioDebug");
    if (!section) continue;
    std::array<std::byte, kModuleOffsetsBytes> bytes{};
    if (auto done = image->read(section->address, bytes, "section .AsyncioDebug"); !done) return fail(done);
    auto offsets = parse_module_offsets(bytes);
    if (!offsets) return fail(offsets);
    return std::optional(*offsets);
  }
  return std::optional<ModuleOffsets>();
}

}  // namespace snag::asyncio
