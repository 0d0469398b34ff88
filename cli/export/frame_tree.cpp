#include "cli/export/frame_tree.h"

#include <unordered_map>

#include "cli/view/words.h"

namespace snag::cli {
namespace {

// What tells a node from its siblings.
enum class Kind : std::uint64_t { kProcess = 1, kThread = 2, kFrame = 3 };

struct Key {
  std::uint64_t parent_and_kind;
  std::uint64_t number;
  friend bool operator==(const Key&, const Key&) = default;
};
struct KeyHash {
  std::size_t operator()(const Key& key) const noexcept {
    const std::uint64_t mixed = (key.parent_and_kind ^ (key.number << 29U)) * 0x9E3779B97F4A7C15ULL;
    return static_cast<std::size_t>(mixed ^ (mixed >> 31U));
  }
};

class Builder {
 public:
  Builder(const Profile& profile, const ProfileInfo& info, std::vector<FrameTree::Node>& nodes)
      : profile_(profile), info_(info), nodes_(nodes) {
    nodes_.push_back({.name = "all"});
  }

  std::uint32_t process(std::uint32_t parent, std::int32_t pid) {
    return child(parent, Kind::kProcess, static_cast<std::uint32_t>(pid),
                 [&] { return FrameTree::Node{.name = info_.process_words(pid)}; });
  }

  std::uint32_t thread(std::uint32_t parent, std::uint32_t id) {
    return child(parent, Kind::kThread, id, [&] { return FrameTree::Node{.name = profile_.thread_name(id)}; });
  }

  void add(std::uint32_t parent, std::uint32_t stack, std::int64_t samples) {
    frames_.clear();
    if (!profile_.table().frames_root_first(stack, frames_)) return;
    for (const std::uint32_t id : frames_) {
      parent = child(parent, Kind::kFrame, id, [&] { return node_of(id); });
    }
    nodes_[parent].self += samples;
  }

 private:
  [[nodiscard]] FrameTree::Node node_of(std::uint32_t id) const {
    const stream::StackTable& table = profile_.table();
    const stream::StackTable::Frame& frame = *table.frame(id);
    const std::string& file = *table.string(frame.file);
    return {.name = frame_words(*table.string(frame.function), file, frame.line),
            .origin = origin_of(frame.kind, file)};
  }

  template <class MakeNode>
  std::uint32_t child(std::uint32_t parent, Kind kind, std::uint32_t number, MakeNode make_node) {
    const Key key{.parent_and_kind = (std::uint64_t{parent} << 2U) | static_cast<std::uint64_t>(kind),
                  .number = number};
    const auto [place, is_new] = known_.try_emplace(key, static_cast<std::uint32_t>(nodes_.size()));
    if (is_new) {
      FrameTree::Node node = make_node();
      node.parent = parent;
      node.depth = nodes_[parent].depth + 1;
      nodes_.push_back(std::move(node));
    }
    return place->second;
  }

  const Profile& profile_;
  const ProfileInfo& info_;
  std::vector<FrameTree::Node>& nodes_;
  std::unordered_map<Key, std::uint32_t, KeyHash> known_;
  std::vector<std::uint32_t> frames_;
};

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace

Origin origin_of(v1::Frame::Kind kind, std::string_view file) {
  if (kind == v1::Frame::NATIVE) return Origin::kNative;
  if (kind == v1::Frame::KERNEL) return Origin::kKernel;
  if (kind == v1::Frame::MARKER) return Origin::kMarker;
  if (contains(file, "/site-packages/") || contains(file, "/dist-packages/")) return Origin::kPackage;
  if (contains(file, "/lib/python3.") || contains(file, "/lib64/python3.") || file.starts_with("<frozen ")) {
    return Origin::kStandardLibrary;
  }
  return Origin::kUser;
}

FrameTree::FrameTree(const Profile& profile, const ProfileInfo& info, bool threads) {
  Builder builder(profile, info, nodes_);
  for (const Profile::Thread& thread : profile.threads()) {
    std::uint32_t root = 0;
    if (info.targets.size() > 1) root = builder.process(root, profile.table().thread(thread.id)->pid);
    if (threads) root = builder.thread(root, thread.id);
    for (const Profile::Run& run : thread.runs) builder.add(root, run.stack, run.samples);
    for (const auto& [stack, samples] : thread.unordered) builder.add(root, stack, samples);
  }
  // A child stands behind its parent: from the back, every total is complete when it is passed on.
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    nodes_[i].total += nodes_[i].self;
    if (i > 0) nodes_[nodes_[i].parent].total += nodes_[i].total;
  }
}

}  // namespace snag::cli
