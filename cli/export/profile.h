#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <snag/v1/snag.pb.h>

#include "proto/stream/stack_table.h"

namespace snag::cli {

// What a recording is about, for titles and notes.
struct ProfileInfo {
  std::vector<v1::Target> targets;  // one a process
  std::string mode = "wall";
  double requested_rate = 100;
  v1::SamplingSummary summary;  // as the daemon's last word; else what was counted here
  std::string remark;           // empty, or why the recording is not what was asked for: "interrupted"

  // Seconds that one sample stands for.
  [[nodiscard]] double period() const;
  // "pid 4242 gunicorn"; safe to print.
  [[nodiscard]] std::string process_words(std::int32_t pid) const;
};

// All samples of a recording, counted by thread and stack. Its size grows with the number of distinct stacks, not with
// time; in addition the order of the stacks is kept, as runs of equal ones, up to kMaxRuns.
class Profile {
 public:
  // 16 bytes each: 64 MB. At 100 samples a second that is 11 hours in which no two samples in succession are alike.
  static constexpr std::size_t kMaxRuns = std::size_t{4} << 20U;
  struct Run {
    std::uint32_t stack = 0;
    std::int64_t samples = 0;
  };
  struct Thread {
    std::uint32_t id = 0;  // in table()
    std::vector<Run> runs = {};
    std::unordered_map<std::uint32_t, std::int64_t> unordered = {};  // stack -> samples behind the last run
    std::int64_t samples = 0;
  };

  explicit Profile(bool keep_order) : max_runs_(keep_order ? kMaxRuns : 0) {}

  // Each answers nothing, or a sentence why the message is unsound.
  [[nodiscard]] std::optional<std::string> add(const v1::Definitions& definitions) { return table_.add(definitions); }
  [[nodiscard]] std::optional<std::string> add(const v1::Samples& samples);

  [[nodiscard]] const stream::StackTable& table() const { return table_; }
  [[nodiscard]] const std::vector<Thread>& threads() const { return threads_; }  // in order of appearance
  [[nodiscard]] std::int64_t samples() const { return samples_; }
  [[nodiscard]] std::int64_t partial() const { return partial_; }
  // "MainThread (4242)"
  [[nodiscard]] std::string thread_name(std::uint32_t thread) const;

 private:
  void add(std::uint32_t thread, std::uint32_t stack);

  stream::StackTable table_;
  std::vector<Thread> threads_;
  std::unordered_map<std::uint32_t, std::size_t> index_;  // thread id -> threads_
  std::size_t max_runs_;
  std::size_t runs_ = 0;
  std::int64_t samples_ = 0;
  std::int64_t partial_ = 0;
};

}  // namespace snag::cli
