#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <snag/v1/snag.pb.h>

namespace snag::stream {

// What one connection may intern. A target that invents names without end must not fill the daemon's memory, nor the
// client's; a large service has some 10,000 functions, 50,000 lines and 500,000 distinct stacks.
inline constexpr std::size_t kMaxStrings = std::size_t{1} << 18U;
inline constexpr std::size_t kMaxFrames = std::size_t{1} << 20U;
inline constexpr std::size_t kMaxStacks = std::size_t{1} << 22U;
inline constexpr std::size_t kMaxThreads = std::size_t{1} << 18U;
// Longer names are cut (to_utf8): a path may have 4096 bytes (PATH_MAX).
inline constexpr std::size_t kMaxStringBytes = 4096;
// Frames of one stack. CPython's default recursion limit is 1000; sys.setrecursionlimit may raise it. More than readers
// follow (python::kMaxFrames), with room for markers and native frames.
inline constexpr std::size_t kMaxStackDepth = std::size_t{1} << 15U;
// A batch of definitions is closed once it is this long, so that it stays far below kMaxMessageBytes.
inline constexpr std::size_t kDefinitionBatchBytes = std::size_t{256} * 1024;

// The daemon's side: gives numbers to strings, frames, stacks and threads of one connection, and writes a definition at
// the moment of the first use. Numbers of each kind are 1, 2, 3 … in the order of definition; 0 says that the table is
// full (the sample is lost: "too many distinct stacks").
//
// Cost of a sample whose stack was seen before: one hash look-up, and `depth` steps through an array.
class Interner {
 public:
  struct Frame {
    std::uint32_t function = 0;  // string
    std::uint32_t file = 0;      // string
    std::int32_t line = 0;
    v1::Frame::Kind kind = v1::Frame::PYTHON;
    friend bool operator==(const Frame&, const Frame&) = default;
  };

  [[nodiscard]] std::uint32_t string(std::string_view value);
  // Keep the strings' numbers with the code object: then this is one look-up of integers.
  [[nodiscard]] std::uint32_t frame(const Frame& frame);
  [[nodiscard]] std::uint32_t frame(std::string_view function, std::string_view file, std::int32_t line,
                                    v1::Frame::Kind kind);
  // Numbers of frames, innermost first. 0 also if one of them is 0 or unknown, there is none, or it is deeper than
  // kMaxStackDepth.
  [[nodiscard]] std::uint32_t stack(std::span<const std::uint32_t> frames_innermost_first);
  // A thread that is renamed gets a new number.
  [[nodiscard]] std::uint32_t thread(std::int32_t pid, std::int32_t tid, std::string_view name);

  // Takes the oldest batch of definitions not taken yet, by swap: hand in the same message again and its memory is
  // reused. Send all of them before the samples that use them:
  //   while (interner.take(*message.mutable_definitions())) send(message);
  [[nodiscard]] bool take(v1::Definitions& batch);
  [[nodiscard]] bool has_definitions() const { return !batches_.empty(); }

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  struct FrameHash {
    std::size_t operator()(const Frame& frame) const noexcept;
  };
  struct Node {  // of the prefix tree; stack n is nodes_[n - 1]
    std::uint32_t caller;
    std::uint32_t frame;
  };
  struct ThreadKey {
    std::int32_t pid;
    std::int32_t tid;
    std::uint32_t name;
    friend bool operator==(const ThreadKey&, const ThreadKey&) = default;
  };
  struct ThreadHash {
    std::size_t operator()(const ThreadKey& key) const noexcept;
  };

  [[nodiscard]] v1::Definitions& batch_for(std::size_t bytes);
  [[nodiscard]] bool is_stack(std::uint32_t stack, std::span<const std::uint32_t> frames_innermost_first) const;
  [[nodiscard]] std::uint32_t child(std::uint32_t caller, std::uint32_t frame);

  std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>> strings_;
  std::unordered_map<Frame, std::uint32_t, FrameHash> frames_;
  std::vector<Node> nodes_;
  std::unordered_map<std::uint64_t, std::uint32_t> children_;  // caller << 32 | frame -> stack
  std::unordered_map<std::uint64_t, std::uint32_t> by_hash_;   // hash of all frames -> the last such stack; a hint
  std::unordered_map<ThreadKey, std::uint32_t, ThreadHash> threads_;
  std::deque<v1::Definitions> batches_;
  std::size_t last_batch_bytes_ = 0;
};

}  // namespace snag::stream
