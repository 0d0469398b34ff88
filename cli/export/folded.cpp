#include "cli/export/folded.h"

#include <algorithm>
#include <string>
#include <vector>

namespace snag::cli {

void FoldedExporter::write(const Profile& profile, const ProfileInfo& info, Sink& sink) const {
  const FrameTree tree(profile, info, threads_);
  const std::vector<FrameTree::Node>& nodes = tree.nodes();
  std::vector<std::string> lines;
  std::vector<std::uint32_t> path;
  for (std::uint32_t i = 1; i < nodes.size(); ++i) {
    if (nodes[i].self == 0) continue;
    path.clear();
    for (std::uint32_t at = i; at != 0; at = nodes[at].parent) path.push_back(at);
    std::string line;
    for (auto at = path.rbegin(); at != path.rend(); ++at) {
      std::string name = nodes[*at].name;
      std::replace(name.begin(), name.end(), ';', ':');
      line += (line.empty() ? "" : ";") + name;
    }
    lines.push_back(line + " " + std::to_string(nodes[i].self) + "\n");
  }
  std::sort(lines.begin(), lines.end());
  for (const std::string& line : lines) sink.append(line);
}

}  // namespace snag::cli
