#include "cli/export/flamegraph.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <vector>

#include "cli/export/flamegraph_assets.h"
#include "cli/export/title.h"
#include "cli/view/printable.h"
#include "cli/view/words.h"

namespace snag::cli {
namespace {

// Pixels. flamegraph.js knows the margin, the row's height and the width too.
constexpr double kWidth = 1200;
constexpr double kMargin = 10;
constexpr double kInner = kWidth - 2 * kMargin;
constexpr double kRowHeight = 17;
constexpr double kFirstRow = 112;
constexpr double kCharacterWidth = 7.2;  // of a monospaced font of 12 pixels
// Narrower frames are not written: nobody would find them, and they are most of the file.
constexpr double kNarrowest = 0.1;
constexpr std::size_t kShortestText = 3;  // "a…" says nothing

using Node = FrameTree::Node;

// A frame's place in the picture, in samples and rows.
struct Placed {
  std::uint32_t node = 0;
  std::int64_t start = 0;
};

struct Drawing {
  std::vector<Placed> frames;  // each behind its parent, siblings from left to right
  std::size_t left_out = 0;
  std::uint32_t rows = 0;
};

// The fewest samples that a frame must have to be drawn.
std::int64_t least_samples(const std::vector<Node>& nodes) {
  const double by_width = static_cast<double>(nodes[0].total) * kNarrowest / kInner;
  auto least = std::max<std::int64_t>(1, static_cast<std::int64_t>(by_width));
  if (nodes.size() <= FlamegraphExporter::kMaxDrawn) return least;
  std::vector<std::int64_t> totals;
  totals.reserve(nodes.size());
  for (const Node& node : nodes) totals.push_back(node.total);
  const auto place = totals.begin() + static_cast<std::ptrdiff_t>(FlamegraphExporter::kMaxDrawn);
  std::nth_element(totals.begin(), place, totals.end(), std::greater<>());
  return std::max(least, *place + 1);
}

// A child has no more samples than its parent, so leaving out narrow frames leaves out whole subtrees.
Drawing lay_out(const std::vector<Node>& nodes) {
  const std::int64_t least = least_samples(nodes);
  std::vector<std::vector<std::uint32_t>> children(nodes.size());
  Drawing drawing;
  std::size_t drawn = 1;
  for (std::uint32_t i = 1; i < nodes.size(); ++i) {
    if (nodes[i].total < least || nodes[i].depth >= FlamegraphExporter::kMaxRows) continue;
    children[nodes[i].parent].push_back(i);
    ++drawn;
  }
  drawing.left_out = nodes.size() - drawn;
  std::vector<Placed> pending = {{.node = 0, .start = 0}};
  while (!pending.empty()) {
    const Placed here = pending.back();
    pending.pop_back();
    drawing.frames.push_back(here);
    drawing.rows = std::max(drawing.rows, nodes[here.node].depth + 1);
    std::vector<std::uint32_t>& list = children[here.node];
    std::sort(list.begin(), list.end(), [&nodes](std::uint32_t a, std::uint32_t b) {
      return nodes[a].total != nodes[b].total ? nodes[a].total > nodes[b].total : nodes[a].name < nodes[b].name;
    });
    std::int64_t end = here.start;
    for (const std::uint32_t child : list) end += nodes[child].total;
    // From the right, so that the leftmost comes off the stack first.
    for (auto child = list.rbegin(); child != list.rend(); ++child) {
      end -= nodes[*child].total;
      pending.push_back({.node = *child, .start = end});
    }
  }
  return drawing;
}

// The same file or module always has the same of its origin's four shades.
std::string colour_class(const Node& node) {
  std::string_view name;
  switch (node.origin) {
    case Origin::kRoot:
      return "root";
    case Origin::kKernel:
      return "kernel";
    case Origin::kMarker:
      return "marker";
    case Origin::kUser:
      name = "user";
      break;
    case Origin::kPackage:
      name = "package";
      break;
    case Origin::kStandardLibrary:
      name = "library";
      break;
    case Origin::kNative:
      name = "native";
      break;
  }
  // FNV-1a over the file, which stands between the parenthesis and the line.
  const std::size_t open = node.name.rfind('(');
  const std::string_view file = std::string_view(node.name).substr(open == std::string::npos ? 0 : open);
  std::uint32_t hash = 2166136261U;
  for (const char byte : file.substr(0, file.rfind(':'))) hash = (hash ^ static_cast<std::uint8_t>(byte)) * 16777619U;
  return std::string(name) + std::to_string((hash >> 16U) % 4);
}

std::string number(double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.2f", value);
  return text.data();
}

std::string text_element(const char* id, double x, double y, std::string_view text) {
  return "<text id=\"" + std::string(id) + "\" x=\"" + number(x) + "\" y=\"" + number(y) + "\">" + xml_escaped(text) +
         "</text>\n";
}

std::string shortened(const std::string& name, double width) {
  const double room = (width - 6) / kCharacterWidth;
  const std::size_t columns = room <= 0 ? 0 : static_cast<std::size_t>(room);
  if (columns < kShortestText && count_characters(name) > columns) return "";
  return cut(name, columns);
}

std::string frame_element(const Node& node, std::int64_t start, std::int64_t all) {
  const double scale = kInner / static_cast<double>(std::max<std::int64_t>(all, 1));
  const double x = kMargin + static_cast<double>(start) * scale;
  const double y = kFirstRow + node.depth * kRowHeight;
  const double width = static_cast<double>(node.total) * scale;
  const double divisor = static_cast<double>(std::max<std::int64_t>(all, 1));
  std::string title = counted(node.total, "sample") + ", " + percent(static_cast<double>(node.total) / divisor, 2);
  if (node.self > 0) title += ", " + percent(static_cast<double>(node.self) / divisor, 2) + " itself";
  return "<g class=\"frame\" data-start=\"" + std::to_string(start) + "\" data-count=\"" + std::to_string(node.total) +
         "\" data-depth=\"" + std::to_string(node.depth) + "\"><title>" + xml_escaped(node.name) + "\n" + title +
         "</title><rect class=\"" + colour_class(node) + "\" x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" +
         number(width) + "\" height=\"" + number(kRowHeight - 1) + "\" rx=\"1\"/><text x=\"" + number(x + 3) +
         "\" y=\"" + number(y + 12) + "\">" + xml_escaped(shortened(node.name, width)) + "</text></g>\n";
}

std::string legend() {
  constexpr std::array<std::array<std::string_view, 2>, 5> kEntries = {{{"user0", "your code"},
                                                                        {"package0", "installed packages"},
                                                                        {"library0", "standard library"},
                                                                        {"native0", "native"},
                                                                        {"marker", "marker"}}};
  std::string text = "<g id=\"legend\">";
  double x = kMargin;
  for (const auto& [colour, words] : kEntries) {
    text += "<rect class=\"" + std::string(colour) + "\" x=\"" + number(x) + "\" y=\"69\" width=\"11\" height=\"11\"/>";
    text += "<text x=\"" + number(x + 16) + "\" y=\"79\">" + std::string(words) + "</text>";
    x += 16 + static_cast<double>(words.size()) * kCharacterWidth + 18;
  }
  return text + "</g>\n";
}

// At the right edge, wherever the script moves it; shown only where the script runs.
std::string controls() {
  return "<g id=\"controls\"><g id=\"right\" transform=\"translate(" + number(kWidth) +
         " 0)\">\n"
         "<text id=\"reset\" class=\"button hidden\" x=\"-250\" y=\"99\" text-anchor=\"end\">Reset zoom</text>\n"
         "<foreignObject x=\"-240\" y=\"66\" width=\"230\" height=\"24\"><input xmlns=\"http://www.w3.org/1999/xhtml\" "
         "id=\"query\" type=\"text\" placeholder=\"search, regex (Ctrl-F)\" spellcheck=\"false\" "
         "autocomplete=\"off\" aria-label=\"search frames by regular expression\"/></foreignObject>\n"
         "<text id=\"matched\" x=\"-10\" y=\"105\" text-anchor=\"end\"></text></g></g>\n";
}

}  // namespace

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (const char byte : printable(text)) {  // takes out what XML forbids
    switch (byte) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;  // also for "]]>", which may not stand in text
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += byte;
    }
  }
  return out;
}

void FlamegraphExporter::write(const Profile& profile, const ProfileInfo& info, Sink& sink) const {
  const FrameTree tree(profile, info, threads_);
  const std::vector<Node>& nodes = tree.nodes();
  const Drawing drawing = lay_out(nodes);
  const std::int64_t all = nodes[0].total;
  const std::string height = number(kFirstRow + drawing.rows * kRowHeight + kMargin);
  const std::string width = number(kWidth);
  std::string losses = losses_of(info);
  if (drawing.left_out > 0)
    losses += "; " + counted(static_cast<std::int64_t>(drawing.left_out), "frame") + " too narrow or too deep to draw";
  sink.append("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + width +
              "\" height=\"" + height + "\" viewBox=\"0 0 " + width + " " + height + "\" data-total=\"" +
              std::to_string(all) + "\">\n<title>" + xml_escaped("snag: " + title_of(info)) + "</title>\n<style>\n");
  sink.append(kFlamegraphStyle);
  sink.append("</style>\n<rect id=\"page\" width=\"100%\" height=\"100%\"/>\n");
  sink.append(text_element("title", kMargin, 24, title_of(info)));
  sink.append(text_element("subtitle", kMargin, 42, subtitle_of(profile, info)));
  sink.append(text_element("losses", kMargin, 58, losses));
  sink.append(legend());
  sink.append(text_element("details", kMargin, 99, all == 0 ? "no samples were taken" : " "));
  sink.append(controls());
  sink.append("<g id=\"frames\">\n");
  for (const Placed& frame : drawing.frames) sink.append(frame_element(nodes[frame.node], frame.start, all));
  sink.append("</g>\n<script><![CDATA[\n");
  sink.append(kFlamegraphScript);
  sink.append("]]></script>\n</svg>\n");
}

}  // namespace snag::cli
