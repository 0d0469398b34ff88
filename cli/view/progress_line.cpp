#include "cli/view/progress_line.h"

#include "cli/view/printable.h"

namespace snag::cli {

void ProgressLine::update(std::string_view text) {
  if (!output_.is_terminal()) return;
  // One column less than there are: a full line would make some terminals go to the next.
  output_.write("\r\x1b[K" + cut(text, output_.columns() - 1));
  shown_ = true;
}

void ProgressLine::clear() {
  if (shown_) output_.write("\r\x1b[K");
  shown_ = false;
}

void ProgressLine::say(std::string_view text) {
  clear();
  output_.write(text);
}

}  // namespace snag::cli
