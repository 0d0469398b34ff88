#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <google/protobuf/repeated_ptr_field.h>

namespace re2 {
class RE2;
}

namespace snag::daemon {

// The patterns of a request, each a regular expression. They and what they are matched against come from strangers: RE2
// takes a time that is linear in the text, and a bounded memory.
class ProcessPatterns {
 public:
  // A sentence if one of them is unsound.
  [[nodiscard]] static std::variant<ProcessPatterns, std::string> compile(
      const google::protobuf::RepeatedPtrField<std::string>& patterns);

  ProcessPatterns();
  ProcessPatterns(ProcessPatterns&&) noexcept;
  ProcessPatterns& operator=(ProcessPatterns&&) noexcept;
  ~ProcessPatterns();

  [[nodiscard]] bool empty() const { return patterns_.empty(); }
  // Whether one of them matches some part of the text.
  [[nodiscard]] bool match(std::string_view text) const;
  // "'gunicorn' or 'celery'": for a sentence.
  [[nodiscard]] std::string describe() const;

 private:
  std::vector<std::unique_ptr<re2::RE2>> patterns_;
};

}  // namespace snag::daemon
