#include "daemon/culprit.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

namespace snag::daemon {
namespace {

constexpr std::string_view kBaseEvents = "/asyncio/base_events.py";

bool has_part(std::string_view path, std::string_view part) { return path.find(part) != std::string_view::npos; }

// FNV-1a, 64 bits: stable across builds and machines, which std::hash is not.
void mix(std::uint64_t& hash, std::string_view text) {
  for (const char character : text) {
    hash ^= static_cast<unsigned char>(character);
    hash *= 0x100000001B3ULL;
  }
  hash ^= 0xFF;  // ends the part: ("ab", "c") differs from ("a", "bc")
  hash *= 0x100000001B3ULL;
}

}  // namespace

Origin origin_of(std::string_view file, std::string_view standard_library) {
  if (has_part(file, "/site-packages/") || has_part(file, "/dist-packages/")) return Origin::kInstalled;
  if (file.starts_with("<frozen ")) return Origin::kStandard;
  if (!standard_library.empty() && file.starts_with(standard_library) &&
      file.substr(standard_library.size()).starts_with('/')) {
    return Origin::kStandard;
  }
  return Origin::kUser;
}

std::size_t find_culprit(std::span<const ShownFrame> frames, std::string_view standard_library) {
  for (const Origin wanted : {Origin::kUser, Origin::kInstalled, Origin::kStandard}) {
    const auto found = std::find_if(frames.begin(), frames.end(), [&](const ShownFrame& frame) {
      return frame.kind == ShownFrame::Kind::kPython && origin_of(frame.file, standard_library) == wanted;
    });
    if (found != frames.end()) return static_cast<std::size_t>(found - frames.begin());
  }
  return frames.size();
}

std::string standard_library_of(std::string_view base_events_file) {
  if (!base_events_file.ends_with(kBaseEvents)) return {};
  return std::string(base_events_file.substr(0, base_events_file.size() - kBaseEvents.size()));
}

std::string fingerprint(const ShownFrame& culprit, std::string_view blocking_call) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  mix(hash, culprit.file.substr(culprit.file.rfind('/') + 1));
  mix(hash, culprit.function);
  mix(hash, blocking_call);
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(hash));
  return text.data();
}

}  // namespace snag::daemon
