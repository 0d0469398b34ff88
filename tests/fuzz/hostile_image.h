#pragma once

#include <memory>
#include <vector>

#include "readers/base/clock.h"
#include "readers/process/image_memory.h"
#include "readers/python/runtime.h"
#include "tests/fuzz/input.h"
#include "tests/made/made_image.h"

namespace snag::fuzz {

// A sound CPython image, of a version that the input chooses, with what the input changes in it: fields that readers
// believe, words, bytes, pages that are gone, and changes that happen while it is read. So a few bytes of input reach
// what random memory would never get to.
class HostileImage {
 public:
  explicit HostileImage(Input input);

  [[nodiscard]] ImageMemory& memory() { return memory_; }
  [[nodiscard]] const made::Image& image() const { return *image_; }
  // As the row has it; the image's own offsets are not asked.
  [[nodiscard]] const python::Runtime& runtime() const { return runtime_; }

 private:
  struct Change {
    Address at;
    std::vector<std::byte> bytes;
  };
  [[nodiscard]] Change take_change(Input& input, unsigned kind) const;
  [[nodiscard]] Address take_address(Input& input) const;

  std::size_t row_;
  const made::Image* image_;
  python::Runtime runtime_;
  ImageMemory memory_;
};

// A clock for readers that need one: each look at it is a microsecond later.
[[nodiscard]] Instant ticking();

}  // namespace snag::fuzz
