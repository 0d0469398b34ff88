#include "cli/export/flamegraph.h"

#include <string>

#include <catch2/catch.hpp>

#include "cli/export/flamegraph_assets.h"
#include "profile_maker.h"

using namespace snag;
using namespace snag::cli;
using Catch::Matchers::Contains;
using test::ProfileMaker;

namespace {

std::string picture_of(const Profile& profile, const ProfileInfo& info = {}) {
  StringSink sink;
  FlamegraphExporter(false).write(profile, info, sink);
  return sink.text();
}

struct Drawn {
  std::string name;
  int start;
  int count;
  int depth;
};

std::string between(const std::string& text, const std::string& begin, char end) {
  const std::size_t start = text.find(begin) + begin.size();
  return text.substr(start, text.find(end, start) - start);
}

std::vector<Drawn> frames_in(const std::string& picture) {
  std::vector<Drawn> frames;
  for (auto at = picture.find("<g class=\"frame\""); at != std::string::npos;
       at = picture.find("<g class=\"frame\"", at + 1)) {
    const std::string element = picture.substr(at, picture.find("</g>", at) - at);
    frames.push_back({.name = between(element, "<title>", '\n'),
                      .start = std::stoi(between(element, "data-start=\"", '"')),
                      .count = std::stoi(between(element, "data-count=\"", '"')),
                      .depth = std::stoi(between(element, "data-depth=\"", '"'))});
  }
  return frames;
}

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("each frame lies within its caller, siblings beside each other, the widest first") {
  ProfileMaker maker;
  maker.sample("MainThread", {"main", "narrow"}, 1);
  maker.sample("MainThread", {"main", "wide", "leaf"}, 6);
  maker.sample("MainThread", {"main"}, 3);
  const auto frames = frames_in(picture_of(maker.profile()));
  REQUIRE(frames.size() == 5);
  const auto is = [&frames](std::size_t i, const std::string& name, int start, int count, int depth) {
    INFO(i);
    CHECK(frames[i].name == name);
    CHECK(frames[i].start == start);
    CHECK(frames[i].count == count);
    CHECK(frames[i].depth == depth);
  };
  is(0, "all", 0, 10, 0);
  is(1, "main (app.py:1)", 0, 10, 1);
  is(2, "wide (app.py:1)", 0, 6, 2);
  is(3, "leaf (app.py:1)", 0, 6, 3);
  is(4, "narrow (app.py:1)", 6, 1, 2);
}

TEST_CASE("the picture states the process, the rate, and what was lost") {
  ProfileMaker maker;
  maker.sample("MainThread", {"main"}, 3);
  ProfileInfo info;
  info.targets.resize(1);
  info.targets[0].set_pid(4242);
  info.targets[0].set_implementation("CPython");
  info.targets[0].set_version("3.12.1");
  info.requested_rate = 100;
  info.summary.set_achieved_rate(99.5);
  info.summary.set_whole(2);
  info.summary.set_partial(1);
  info.summary.set_lost(7);
  (*info.summary.mutable_lost_by_reason())["slow <reader>"] = 7;
  info.summary.mutable_duration()->set_seconds(30);
  info.remark = "interrupted";
  const std::string picture = picture_of(maker.profile(), info);
  CHECK_THAT(picture, Contains("pid 4242, CPython 3.12.1<"));
  CHECK_THAT(picture, Contains("3 samples of 1 thread, wall, 99.5 of 100 samples/s in 30.0 s<"));
  CHECK_THAT(picture, Contains("2 whole, 1 partial, 7 lost (slow &lt;reader&gt; 7), 0 late; target stopped for 0 ms"));
  CHECK_THAT(picture, Contains("interrupted"));
}

TEST_CASE("hostile names are text of the picture, and nothing else") {
  ProfileMaker maker;
  const std::string name = "</title><script>alert('1')</script>]]>\x1b\x01\"&";
  maker.sample("MainThread", {name}, 1, name);
  const std::string picture = picture_of(maker.profile());
  CHECK(occurrences(picture, "<script>") == 1);
  CHECK(occurrences(picture, "]]>") == 1);  // where our own script ends
  CHECK(occurrences(picture, "alert('1')") == 0);
  CHECK_THAT(picture,
             Contains("&lt;/title&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;]]&gt;\\x1b\\x01&quot;&amp;"));
}

TEST_CASE("the script and the style fit into the file as they are") {
  CHECK(kFlamegraphScript.size() > 1000);
  CHECK(kFlamegraphScript.find("]]>") == std::string_view::npos);
  CHECK(kFlamegraphStyle.find('<') == std::string_view::npos);
  CHECK(kFlamegraphStyle.find('&') == std::string_view::npos);
  CHECK(kFlamegraphScript.find(';') != std::string_view::npos);
}

TEST_CASE("frames too narrow to see are left out and counted, never more are drawn than a browser stands") {
  ProfileMaker maker(false);
  const int functions = static_cast<int>(FlamegraphExporter::kMaxDrawn) + 5000;
  for (int i = 0; i < functions; ++i) maker.sample("MainThread", {"f" + std::to_string(i)}, 1);
  maker.sample("MainThread", {"wide"}, 100);
  const std::string picture = picture_of(maker.profile());
  const auto frames = frames_in(picture);
  CHECK(frames.size() == 2);
  CHECK_THAT(picture, Contains("25,000 frames too narrow or too deep to draw"));
}

TEST_CASE("a stack deeper than the picture is cut off there") {
  ProfileMaker maker;
  maker.sample("MainThread", std::vector<std::string>(5000, "f"), 1);
  const std::string picture = picture_of(maker.profile());
  CHECK(frames_in(picture).size() == FlamegraphExporter::kMaxRows);
  CHECK_THAT(picture, Contains("4,001 frames too narrow or too deep to draw"));
}

TEST_CASE("a recording without samples is a picture that says so") {
  const std::string picture = picture_of(Profile(false));
  CHECK_THAT(picture, Contains("no samples were taken"));
  CHECK(frames_in(picture).size() == 1);
}
