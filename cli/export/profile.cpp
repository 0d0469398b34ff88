#include "cli/export/profile.h"

#include <algorithm>

#include "cli/view/printable.h"

namespace snag::cli {

double ProfileInfo::period() const {
  // Where the daemon could not keep up, each sample stands for more time than was asked for.
  const double achieved = summary.achieved_rate();
  const double rate = achieved > 0 && achieved < requested_rate ? achieved : requested_rate;
  return rate > 0 ? 1 / rate : 0;
}

std::string ProfileInfo::process_words(std::int32_t pid) const {
  const auto target =
      std::find_if(targets.begin(), targets.end(), [pid](const v1::Target& one) { return one.pid() == pid; });
  std::string text = "pid " + std::to_string(pid);
  if (target != targets.end() && !target->name().empty()) text += " " + printable(target->name());
  return text;
}

std::optional<std::string> Profile::add(const v1::Samples& samples) {
  const int count = samples.stack_size();
  if (samples.thread_size() != count || (samples.partial_size() != 0 && samples.partial_size() != count)) {
    return "samples of " + std::to_string(samples.thread_size()) + " threads, " + std::to_string(count) +
           " stacks and " + std::to_string(samples.partial_size()) + " marks";
  }
  for (int i = 0; i < count; ++i) {
    if (table_.thread(samples.thread(i)) == nullptr) {
      return "a sample of thread " + std::to_string(samples.thread(i)) + ", which is not defined";
    }
    if (table_.depth(samples.stack(i)) == 0) {
      return "a sample of stack " + std::to_string(samples.stack(i)) + ", which is not defined";
    }
    add(samples.thread(i), samples.stack(i));
  }
  partial_ += std::count(samples.partial().begin(), samples.partial().end(), true);
  return std::nullopt;
}

void Profile::add(std::uint32_t thread_id, std::uint32_t stack) {
  const auto [place, is_new] = index_.try_emplace(thread_id, threads_.size());
  if (is_new) threads_.push_back({.id = thread_id});
  Thread& thread = threads_[place->second];
  ++samples_;
  ++thread.samples;
  if (thread.unordered.empty() && !thread.runs.empty() && thread.runs.back().stack == stack) {
    ++thread.runs.back().samples;
  } else if (thread.unordered.empty() && runs_ < max_runs_) {
    ++runs_;
    thread.runs.push_back({.stack = stack, .samples = 1});
  } else {
    ++thread.unordered[stack];
  }
}

std::string Profile::thread_name(std::uint32_t thread) const {
  const stream::StackTable::Thread* known = table_.thread(thread);
  if (known == nullptr) return "?";
  const std::string number = known->tid > 0 ? std::to_string(known->tid) : std::string("?");
  return printable(*table_.string(known->name)) + " (" + number + ")";
}

}  // namespace snag::cli
