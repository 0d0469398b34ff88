#include <string>

#include <catch2/catch.hpp>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "cli/export/folded.h"
#include "cli/export/speedscope.h"
#include "cli/view/words.h"
#include "profile_maker.h"

using namespace snag;
using namespace snag::cli;
using test::ProfileMaker;

namespace {

std::string folded(const Profile& profile, const ProfileInfo& info = {}, bool threads = false) {
  StringSink sink;
  FoldedExporter(threads).write(profile, info, sink);
  return sink.text();
}

// The oracle for JSON: protobuf's parser.
google::protobuf::Struct parsed(const std::string& json) {
  google::protobuf::Struct object;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &object);
  INFO(status.ToString());
  REQUIRE(status.ok());
  return object;
}

google::protobuf::Struct speedscope(const Profile& profile, const ProfileInfo& info = {}) {
  StringSink sink;
  SpeedscopeExporter().write(profile, info, sink);
  return parsed(sink.text());
}

const auto& field(const google::protobuf::Struct& object, const std::string& name) {
  INFO(name);
  REQUIRE(object.fields().count(name) == 1);
  return object.fields().at(name);
}

}  // namespace

TEST_CASE("folded stacks are counted, root first, one line each") {
  ProfileMaker maker;
  maker.sample("MainThread", {"main", "serve", "read"}, 3);
  maker.sample("MainThread", {"main", "serve"}, 1);
  maker.sample("worker", {"main", "serve", "read"}, 2);
  CHECK(folded(maker.profile()) ==
        "main (app.py:1);serve (app.py:1) 1\n"
        "main (app.py:1);serve (app.py:1);read (app.py:1) 5\n");
  CHECK(folded(maker.profile(), {}, true) ==
        "MainThread (1);main (app.py:1);serve (app.py:1) 1\n"
        "MainThread (1);main (app.py:1);serve (app.py:1);read (app.py:1) 3\n"
        "worker (2);main (app.py:1);serve (app.py:1);read (app.py:1) 2\n");
}

TEST_CASE("several processes are told apart by number and name, and one process is not") {
  ProfileMaker maker;
  maker.sample("MainThread", {"main"}, 1);
  ProfileInfo info;
  info.targets.emplace_back().set_pid(4242);
  info.targets.back().set_name("gunicorn: \x1b[1m");
  CHECK(folded(maker.profile(), info) == "main (app.py:1) 1\n");
  info.targets.emplace_back().set_pid(4243);
  CHECK(folded(maker.profile(), info) == "pid 4242 gunicorn: \\x1b[1m;main (app.py:1) 1\n");
  CHECK(folded(maker.profile(), info, true) == "pid 4242 gunicorn: \\x1b[1m;MainThread (1);main (app.py:1) 1\n");
  const auto profiles = field(speedscope(maker.profile(), info), "profiles").list_value();
  CHECK(field(profiles.values(0).struct_value(), "name").string_value() ==
        "pid 4242 gunicorn: \\x1b[1m MainThread (1)");
}

TEST_CASE("no name splits a frame or a line of folded stacks") {
  ProfileMaker maker;
  maker.sample("MainThread", {"a;b", "c\nd 7"}, 2);
  CHECK(folded(maker.profile()) == "a:b (app.py:1);c\\nd 7 (app.py:1) 2\n");
}

TEST_CASE("recursion keeps its depth") {
  ProfileMaker maker;
  maker.sample("MainThread", {"f", "f", "f"}, 1);
  CHECK(folded(maker.profile()) == "f (app.py:1);f (app.py:1);f (app.py:1) 1\n");
}

TEST_CASE("a recording without samples is an empty file of stacks") { CHECK(folded(Profile(false)).empty()); }

TEST_CASE("speedscope gets one profile a thread with as many weights as samples, which add up to the end") {
  ProfileMaker maker;
  maker.sample("MainThread", {"main", "a"}, 3);
  maker.sample("MainThread", {"main", "b"}, 1);
  maker.sample("worker", {"wait"}, 4);
  maker.sample("MainThread", {"main", "a"}, 2);
  ProfileInfo info;
  info.requested_rate = 100;
  const auto file = speedscope(maker.profile(), info);
  // https://www.speedscope.app/file-format-schema.json
  CHECK(field(file, "$schema").string_value() == "https://www.speedscope.app/file-format-schema.json");
  CHECK(field(file, "exporter").string_value() == "snag@0.1.0");
  const auto& frames = field(field(file, "shared").struct_value(), "frames").list_value();
  REQUIRE(frames.values_size() == 4);
  CHECK(field(frames.values(0).struct_value(), "name").string_value() == "main");
  CHECK(field(frames.values(0).struct_value(), "file").string_value() == "app.py");
  CHECK(field(frames.values(0).struct_value(), "line").number_value() == 1);
  const auto& profiles = field(file, "profiles").list_value();
  REQUIRE(profiles.values_size() == 2);
  const auto& main = profiles.values(0).struct_value();
  CHECK(field(main, "type").string_value() == "sampled");
  CHECK(field(main, "unit").string_value() == "seconds");
  CHECK(field(main, "name").string_value() == "MainThread (1)");
  CHECK(field(main, "startValue").number_value() == 0);
  CHECK(field(main, "endValue").number_value() == Approx(0.06));
  const auto& samples = field(main, "samples").list_value();
  const auto& weights = field(main, "weights").list_value();
  REQUIRE(samples.values_size() == 3);  // runs of equal stacks, in order
  REQUIRE(weights.values_size() == 3);
  CHECK(weights.values(0).number_value() == Approx(0.03));
  CHECK(weights.values(1).number_value() == Approx(0.01));
  CHECK(weights.values(2).number_value() == Approx(0.02));
  CHECK(samples.values(0).list_value().values(0).number_value() == 0);  // root first
  CHECK(samples.values(0).list_value().values(1).number_value() == 1);
  CHECK(samples.values(1).list_value().values(1).number_value() == 2);
}

TEST_CASE("where the daemon could not keep up, a sample stands for the time that it took") {
  ProfileInfo info;
  info.requested_rate = 1000;
  CHECK(info.period() == Approx(0.001));
  info.summary.set_achieved_rate(500);
  CHECK(info.period() == Approx(0.002));
  info.summary.set_achieved_rate(1e300);
  CHECK(info.period() == Approx(0.001));
}

TEST_CASE("hostile names are sound JSON") {
  ProfileMaker maker;
  const std::string name = "\"}],\\ \n \x1b ]]> </script>";
  maker.sample(name, {name}, 1);
  const auto file = speedscope(maker.profile());
  const auto& frames = field(field(file, "shared").struct_value(), "frames").list_value();
  CHECK(field(frames.values(0).struct_value(), "name").string_value() == name);
}

TEST_CASE("memory for the order of samples is bounded: what comes later is counted without it") {
  ProfileMaker maker(true);
  const std::uint32_t a = maker.stack({"a"});
  const std::uint32_t b = maker.stack({"b"});
  v1::Samples samples;
  const auto flush = [&] {
    REQUIRE_FALSE(maker.profile().add(samples));
    samples.Clear();
  };
  const std::uint32_t thread = maker.thread("MainThread");
  for (std::size_t i = 0; i < Profile::kMaxRuns + 10; ++i) {
    samples.add_thread(thread);
    samples.add_stack(i % 2 == 0 ? a : b);
    if (samples.stack_size() == 100'000) flush();
  }
  flush();
  const Profile::Thread& recorded = maker.profile().threads().at(0);
  CHECK(recorded.runs.size() == Profile::kMaxRuns);
  CHECK(recorded.unordered.at(a) == 5);
  CHECK(recorded.unordered.at(b) == 5);
  CHECK(maker.profile().samples() == static_cast<std::int64_t>(Profile::kMaxRuns + 10));
}

TEST_CASE("samples that do not belong together are refused") {
  ProfileMaker maker;
  v1::Samples samples;
  samples.add_thread(maker.thread("MainThread"));
  CHECK(maker.profile().add(samples) == "samples of 1 threads, 0 stacks and 0 marks");
  samples.add_stack(7);
  CHECK(maker.profile().add(samples) == "a sample of stack 7, which is not defined");
  samples.set_thread(0, 9);
  CHECK(maker.profile().add(samples) == "a sample of thread 9, which is not defined");
}

TEST_CASE("a frame's origin is told by its kind and its file") {
  CHECK(origin_of(v1::Frame::PYTHON, "/srv/app/views.py") == Origin::kUser);
  CHECK(origin_of(v1::Frame::PYTHON, "<string>") == Origin::kUser);
  CHECK(origin_of(v1::Frame::PYTHON, "/srv/venv/lib/python3.11/site-packages/requests/api.py") == Origin::kPackage);
  CHECK(origin_of(v1::Frame::PYTHON, "/usr/lib/python3/dist-packages/requests/api.py") == Origin::kPackage);
  CHECK(origin_of(v1::Frame::PYTHON, "/usr/lib/python3.11/asyncio/events.py") == Origin::kStandardLibrary);
  CHECK(origin_of(v1::Frame::PYTHON, "<frozen importlib._bootstrap>") == Origin::kStandardLibrary);
  CHECK(origin_of(v1::Frame::NATIVE, "") == Origin::kNative);
  CHECK(origin_of(v1::Frame::MARKER, "") == Origin::kMarker);
}
