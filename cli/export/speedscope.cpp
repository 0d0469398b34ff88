#include "cli/export/speedscope.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "cli/export/title.h"
#include "cli/view/json_line.h"

namespace snag::cli {
namespace {

// Enough digits for nanoseconds in a recording of a year.
std::string seconds(double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.9f", value);
  return text.data();
}

// Frames are numbered anew, in the order of first use: what no sample uses is not written.
class FrameNumbers {
 public:
  explicit FrameNumbers(const stream::StackTable& table) : table_(table) {}

  std::size_t number(std::uint32_t frame) {
    const auto [place, is_new] = numbers_.try_emplace(frame, used_.size());
    if (is_new) used_.push_back(frame);
    return place->second;
  }

  void write(Sink& sink) const {
    for (std::size_t i = 0; i < used_.size(); ++i) {
      const stream::StackTable::Frame& frame = *table_.frame(used_[i]);
      const std::string& file = *table_.string(frame.file);
      std::string text =
          (i == 0 ? "" : ",") + std::string("\n{\"name\":") + json_quoted(*table_.string(frame.function));
      if (!file.empty()) text += ",\"file\":" + json_quoted(file);
      if (frame.line > 0) text += ",\"line\":" + std::to_string(frame.line);
      sink.append(text + "}");
    }
  }

 private:
  const stream::StackTable& table_;
  std::map<std::uint32_t, std::size_t> numbers_;
  std::vector<std::uint32_t> used_;
};

// In order of time, then what came after the memory for the order was used up.
std::vector<Profile::Run> runs_of(const Profile::Thread& thread) {
  std::vector<Profile::Run> runs = thread.runs;
  const auto ordered = static_cast<std::ptrdiff_t>(runs.size());
  for (const auto& [stack, samples] : thread.unordered) runs.push_back({.stack = stack, .samples = samples});
  std::sort(runs.begin() + ordered, runs.end(), [](const auto& a, const auto& b) { return a.stack < b.stack; });
  return runs;
}

void write_profile(const Profile& profile, const Profile::Thread& thread, const ProfileInfo& info,
                   FrameNumbers& numbers, Sink& sink) {
  const std::vector<Profile::Run> runs = runs_of(thread);
  const double period = info.period();
  std::string name = profile.thread_name(thread.id);
  if (info.targets.size() > 1) {
    name = info.process_words(profile.table().thread(thread.id)->pid) + " " + name;
  }
  if (!thread.unordered.empty()) name += ", the end not in order of time";
  sink.append("{\"type\":\"sampled\",\"name\":" + json_quoted(name) +
              ",\"unit\":\"seconds\",\"startValue\":0,\"endValue\":" +
              seconds(static_cast<double>(thread.samples) * period) + ",\n\"samples\":[");
  std::vector<std::uint32_t> frames;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    frames.clear();
    (void)profile.table().frames_root_first(runs[i].stack, frames);
    std::string text = i == 0 ? "[" : ",[";
    for (const std::uint32_t frame : frames) {
      if (text.back() != '[') text += ',';
      text += std::to_string(numbers.number(frame));
    }
    sink.append(text + "]");
  }
  sink.append("],\n\"weights\":[");
  for (std::size_t i = 0; i < runs.size(); ++i) {
    sink.append((i == 0 ? "" : ",") + seconds(static_cast<double>(runs[i].samples) * period));
  }
  sink.append("]}");
}

}  // namespace

void SpeedscopeExporter::write(const Profile& profile, const ProfileInfo& info, Sink& sink) const {
  FrameNumbers numbers(profile.table());
  sink.append("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n\"exporter\":\"snag@" SNAG_VERSION
              "\",\n\"name\":" +
              json_quoted(title_of(info) + "; " + subtitle_of(profile, info) + "; " + losses_of(info)) +
              ",\n\"activeProfileIndex\":0,\n\"profiles\":[");
  bool first = true;
  for (const Profile::Thread& thread : profile.threads()) {
    sink.append(first ? "\n" : ",\n");
    first = false;
    write_profile(profile, thread, info, numbers, sink);
  }
  sink.append("\n],\n\"shared\":{\"frames\":[");
  numbers.write(sink);
  sink.append("\n]}}\n");
}

}  // namespace snag::cli
