#pragma once

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "cli/export/profile.h"
#include "proto/stream/intern.h"

namespace snag::test {

// A profile as a daemon would send it, from names.
class ProfileMaker {
 public:
  explicit ProfileMaker(bool keep_order = true) : profile_(keep_order) {}

  std::uint32_t thread(const std::string& name) {
    for (std::size_t i = 0; i < threads_.size(); ++i) {
      if (threads_[i] == name) return define(interner_.thread(4242, static_cast<int>(i + 1), name));
    }
    threads_.push_back(name);
    return define(interner_.thread(4242, static_cast<int>(threads_.size()), name));
  }

  std::uint32_t stack(const std::vector<std::string>& root_first, const std::string& file = "app.py") {
    std::vector<std::uint32_t> frames;
    for (auto name = root_first.rbegin(); name != root_first.rend(); ++name) {
      frames.push_back(interner_.frame(*name, file, 1, v1::Frame::PYTHON));
    }
    return define(interner_.stack(frames));
  }

  void sample(const std::string& thread_name, const std::vector<std::string>& root_first, int count,
              const std::string& file = "app.py") {
    v1::Samples samples;
    for (int i = 0; i < count; ++i) {
      samples.add_thread(thread(thread_name));
      samples.add_stack(stack(root_first, file));
    }
    REQUIRE_FALSE(profile_.add(samples));
  }

  [[nodiscard]] cli::Profile& profile() { return profile_; }

 private:
  std::uint32_t define(std::uint32_t id) {
    v1::Definitions batch;
    while (interner_.take(batch)) REQUIRE_FALSE(profile_.add(batch));
    return id;
  }

  cli::Profile profile_;
  stream::Interner interner_;
  std::vector<std::string> threads_;
};

}  // namespace snag::test
