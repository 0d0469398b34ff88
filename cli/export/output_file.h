#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <variant>

#include "cli/connect/descriptor.h"

namespace snag::cli {

// The file that a recording ends in. It is opened before sampling begins, so that a wrong path is said at once, and
// takes its name only when it is whole: until then, whatever happens, a file of that name stays what it was.
//
// The data goes to an unnamed file in the same directory (O_TMPFILE), which leaves nothing behind even on SIGKILL;
// where the file system has none, to a hidden one that is removed again. What is no regular file (/dev/stdout, a pipe)
// and what stands in a directory that is read-only is written in place.
class OutputFile {
 public:
  // "-" is `standard_output`. If it cannot be opened: one sentence with the path and the reason.
  [[nodiscard]] static std::variant<OutputFile, std::string> open(const std::string& path, int standard_output);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool is_standard_output() const { return path_ == "-"; }

  // Call it before the first write: a file written in place is emptied.
  [[nodiscard]] std::optional<std::string> begin();
  // Call it once all is written; `write_error` is errno of the writing, 0: none. Else the sentence why it failed; the
  // name is then untouched.
  [[nodiscard]] std::optional<std::string> commit(int write_error);

 private:
  OutputFile() = default;
  [[nodiscard]] int open_in_place(bool truncate_later);
  [[nodiscard]] int open_beside(const std::filesystem::path& target, unsigned mode);
  [[nodiscard]] int give_name();
  [[nodiscard]] std::string sentence(int system_error) const;

  std::string path_;              // as it was typed
  std::filesystem::path target_;  // what is replaced: symbolic links are followed. Empty: written in place
  std::filesystem::path hidden_;  // the file's name until then. Empty: it has none
  Descriptor owned_;
  int descriptor_ = -1;
  bool truncate_ = false;
};

}  // namespace snag::cli
