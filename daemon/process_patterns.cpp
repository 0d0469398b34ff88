#include "daemon/process_patterns.h"

#include <algorithm>

#include <re2/re2.h>

#include "readers/base/printable.h"

namespace snag::daemon {
namespace {

constexpr int kMaxPatterns = 64;
constexpr std::size_t kMaxPatternBytes = 1000;
// Of one compiled pattern and its caches.
constexpr std::int64_t kMaxPatternMemory = std::int64_t{1} << 20U;

std::string quoted(const std::string& pattern) { return "'" + printable(pattern, kMaxPatternBytes) + "'"; }

}  // namespace

ProcessPatterns::ProcessPatterns() = default;
ProcessPatterns::ProcessPatterns(ProcessPatterns&&) noexcept = default;
ProcessPatterns& ProcessPatterns::operator=(ProcessPatterns&&) noexcept = default;
ProcessPatterns::~ProcessPatterns() = default;

std::variant<ProcessPatterns, std::string> ProcessPatterns::compile(
    const google::protobuf::RepeatedPtrField<std::string>& patterns) {
  if (patterns.size() > kMaxPatterns) return "at most " + std::to_string(kMaxPatterns) + " patterns are taken";
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxPatternMemory);
  ProcessPatterns compiled;
  for (const auto& pattern : patterns) {
    // An empty one matches everything, and is what a script makes of a variable that is not set.
    if (pattern.empty()) return std::string("a pattern has at least one character");
    if (pattern.size() > kMaxPatternBytes) {
      return "a pattern has at most " + std::to_string(kMaxPatternBytes) + " bytes";
    }
    auto& made = compiled.patterns_.emplace_back(std::make_unique<re2::RE2>(pattern, options));
    if (!made->ok()) return "the pattern " + quoted(pattern) + " is no regular expression: " + made->error();
  }
  return compiled;
}

bool ProcessPatterns::match(std::string_view text) const {
  return std::any_of(patterns_.begin(), patterns_.end(), [&](const auto& pattern) {
    return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *pattern);
  });
}

std::string ProcessPatterns::describe() const {
  std::string text;
  for (const auto& pattern : patterns_) text += (text.empty() ? "" : " or ") + quoted(pattern->pattern());
  return text;
}

}  // namespace snag::daemon
