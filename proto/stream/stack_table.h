#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <snag/v1/snag.pb.h>

#include "proto/stream/intern.h"

namespace snag::stream {

// The client's side of interning: definitions in, numbers resolved. A daemon is not trusted to be sound: numbers that
// were never defined are answered with nothing, never followed.
//
// Invariant: a string, frame or stack refers only to numbers defined before it, so no chain of callers has a cycle.
class StackTable {
 public:
  struct Frame {
    std::uint32_t function = 0;  // string
    std::uint32_t file = 0;      // string
    std::int32_t line = 0;       // 1-based; 0: not known
    v1::Frame::Kind kind = v1::Frame::KIND_UNSPECIFIED;
  };
  struct Thread {
    std::int32_t pid = 0;
    std::int32_t tid = 0;
    std::uint32_t name = 0;  // string
  };

  // Nothing: all were taken. Else a sentence about the first that is unsound: out of order, referring to what is not
  // defined, or too many; the connection cannot go on then.
  [[nodiscard]] std::optional<std::string> add(const v1::Definitions& definitions);

  // Null for a number that is not defined, 0 among them. Pointers live until the next add().
  [[nodiscard]] const std::string* string(std::uint32_t id) const;
  [[nodiscard]] const Frame* frame(std::uint32_t id) const;
  [[nodiscard]] const Thread* thread(std::uint32_t id) const;

  // Appends the stack's frame numbers to `frames`, outermost first. False: not defined, nothing appended.
  [[nodiscard]] bool frames_root_first(std::uint32_t stack, std::vector<std::uint32_t>& frames) const;
  // 0 for a stack that is not defined.
  [[nodiscard]] std::size_t depth(std::uint32_t stack) const;
  // The stack below and the frame on top of it; nothing for a stack that is not defined.
  struct Link {
    std::uint32_t caller = 0;  // stack; 0: the frame is the outermost
    std::uint32_t frame = 0;
  };
  [[nodiscard]] std::optional<Link> link(std::uint32_t stack) const;

 private:
  struct Stack {
    std::uint32_t caller;
    std::uint32_t frame;
    std::uint32_t depth;
  };
  [[nodiscard]] std::optional<std::string> add(const v1::StringDefinition& definition);
  [[nodiscard]] std::optional<std::string> add(const v1::FrameDefinition& definition);
  [[nodiscard]] std::optional<std::string> add(const v1::StackDefinition& definition);
  [[nodiscard]] std::optional<std::string> add(const v1::ThreadDefinition& definition);

  std::vector<std::string> strings_;
  std::vector<Frame> frames_;
  std::vector<Stack> stacks_;
  std::vector<Thread> threads_;
};

}  // namespace snag::stream
