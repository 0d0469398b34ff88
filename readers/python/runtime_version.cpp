#include "readers/python/runtime_version.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

namespace snag::python {
namespace {

// Constant data of a program that has Python in it: the largest have some hundred megabytes of code, whose pages are
// read as well where the linker did not part them.
constexpr std::uint64_t kMaxSearched = std::uint64_t{256} << 20U;
constexpr std::uint64_t kBlock = std::uint64_t{1} << 20U;

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// The number after the last "python3.", as in libpython3.8.so.1.0, python3.8, /usr/lib/python3.8/lib-dynload.
std::optional<Version> version_in(std::string_view path) {
  constexpr std::string_view kMark = "python3.";
  const auto at = path.rfind(kMark);
  if (at == std::string_view::npos) return std::nullopt;
  std::uint8_t minor = 0;
  const auto digits = path.substr(at + kMark.size());
  if (std::from_chars(digits.data(), digits.data() + digits.size(), minor).ec != std::errc()) return std::nullopt;
  return Version{.major = 3, .minor = minor};
}

// The number that text begins with, taken off it.
std::optional<unsigned> take_number(std::string_view& text) {
  unsigned number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  return number;
}

// "3.11.2" or "3.12.0rc1+", up to the end of the string: PY_VERSION. SQLite's version looks alike, and is 3.16 or more
// since 2017.
std::optional<Version> version_string(std::string_view text) {
  text.remove_prefix(std::string_view("3.").size());
  const auto minor = take_number(text);
  if (!minor || *minor > UINT8_MAX || !text.starts_with('.')) return std::nullopt;
  text.remove_prefix(1);
  if (!take_number(text)) return std::nullopt;
  text.remove_prefix(std::min(text.find_first_not_of("abrc+0123456789"), text.size()));
  if (!text.starts_with('\0')) return std::nullopt;
  return Version{.major = 3, .minor = static_cast<std::uint8_t>(*minor)};
}

// Adds the versions that the constants name, each once, as whole strings or as a folder of the standard library. What
// Snag has no layout for is something else's version.
void collect_versions(std::string_view text, std::vector<std::uint8_t>& minors) {
  constexpr std::string_view kFolder = "lib/python3.";
  const auto add = [&](std::optional<Version> version) {
    if (!version || find_layout(*version) == nullptr) return;
    if (std::find(minors.begin(), minors.end(), version->minor) == minors.end()) minors.push_back(version->minor);
  };
  for (auto at = text.find("3.", 1); at != std::string_view::npos; at = text.find("3.", at + 1)) {
    // Linkers store a string in the end of a longer one: a prefix may end in "/3.10.13".
    if (text[at - 1] == '\0' || text[at - 1] == '/') add(version_string(text.substr(at)));
  }
  for (auto at = text.find(kFolder); at != std::string_view::npos; at = text.find(kFolder, at + 1)) {
    add(version_in(text.substr(at, kFolder.size() + 3)));
  }
}

// Calls `look` with the file's constants, block by block, until it returns false. What two blocks share is missed.
template <class Look>
void for_each_block_of_constants(std::span<const Mapping> of_file, const RemoteMemory& memory, Look look) {
  std::uint64_t searched = 0;
  std::string block;
  for (const Mapping& mapping : of_file) {
    if (!mapping.readable || mapping.writable) continue;
    for (std::uint64_t at = 0; at < mapping.size() && searched < kMaxSearched; at += kBlock) {
      block.resize(std::min(kBlock, mapping.size() - at));
      searched += block.size();
      if (!memory.read(mapping.begin + at, std::as_writable_bytes(std::span(block)), "constants")) continue;
      if (!look(std::string_view(block))) return;
    }
  }
}

std::optional<Version> version_in_constants(std::span<const Mapping> of_file, const RemoteMemory& memory) {
  std::vector<std::uint8_t> minors;
  for_each_block_of_constants(of_file, memory, [&](std::string_view block) {
    collect_versions(block, minors);
    return minors.size() < 2;
  });
  if (minors.size() != 1) return std::nullopt;
  return Version{.major = 3, .minor = minors.front()};
}

}  // namespace

std::optional<Version> version_by_names(const Mapping& file, std::span<const Mapping> mappings,
                                        const RemoteMemory& memory) {
  if (auto version = version_in(base_name(file.path))) return version;
  for (const auto& other : mappings) {
    if (!other.is_file()) continue;
    if (auto version = version_in(other.path)) return version;
  }
  return version_in_constants(mappings_of_file(mappings, file), memory);
}

bool has_cpython_constants(std::span<const Mapping> of_file, const RemoteMemory& memory) {
  // Python/pylifecycle.c, of every version.
  constexpr std::string_view kText = "Fatal Python error: ";
  bool found = false;
  for_each_block_of_constants(of_file, memory, [&](std::string_view block) {
    found = block.find(kText) != std::string_view::npos;
    return !found;
  });
  return found;
}

}  // namespace snag::python
