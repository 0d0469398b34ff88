#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/export/profile.h"

namespace snag::cli {

// Where a frame's code comes from: decides its colour.
enum class Origin { kRoot, kUser, kPackage, kStandardLibrary, kNative, kKernel, kMarker };
// By where CPython and installers put files, on Linux: site-packages and dist-packages, lib/pythonX.Y, "<frozen …>".
[[nodiscard]] Origin origin_of(v1::Frame::Kind kind, std::string_view file);

// The samples of all threads as a tree, root first: what flame graphs and folded stacks are made from. Node 0 is the
// root of all. Children follow their parent in the list, so that every walk is a loop.
class FrameTree {
 public:
  struct Node {
    std::string name = {};
    Origin origin = Origin::kRoot;
    std::uint32_t parent = 0;
    std::uint32_t depth = 0;  // of the root: 0
    std::int64_t self = 0;    // samples that end here
    std::int64_t total = 0;   // and those that go on
  };
  // Where several processes were recorded, the first frame is the process, "pid 4242 gunicorn"; with `threads` the next
  // is the thread, "MainThread (4242)".
  FrameTree(const Profile& profile, const ProfileInfo& info, bool threads);

  [[nodiscard]] const std::vector<Node>& nodes() const { return nodes_; }

 private:
  std::vector<Node> nodes_;
};

}  // namespace snag::cli
