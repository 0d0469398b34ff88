#include "cli/duration.h"

#include <string>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using snag::cli::BareNumber;
using snag::cli::format_duration;
using snag::cli::parse_duration;
using std::chrono::nanoseconds;

namespace {

nanoseconds parsed(std::string_view text, BareNumber bare = BareNumber::kSeconds) {
  const auto result = parse_duration(text, bare);
  INFO(text);
  REQUIRE(std::holds_alternative<nanoseconds>(result));
  return std::get<nanoseconds>(result);
}

std::string refused(std::string_view text, BareNumber bare = BareNumber::kSeconds) {
  const auto result = parse_duration(text, bare);
  INFO(text);
  REQUIRE(std::holds_alternative<std::string>(result));
  return std::get<std::string>(result);
}

}  // namespace

TEST_CASE("a duration is a number and a unit") {
  CHECK(parsed("100ms") == 100ms);
  CHECK(parsed("2s") == 2s);
  CHECK(parsed("1m") == 1min);
  CHECK(parsed("1.5s") == 1500ms);
  CHECK(parsed(".5s") == 500ms);
  CHECK(parsed("1h") == 1h);
  CHECK(parsed("250us") == 250us);
  CHECK(parsed("30") == 30s);
  CHECK(parsed("8784h") == snag::cli::kLongestDuration);
}

TEST_CASE("a number without a unit is refused where it could mean two things") {
  CHECK(refused("100", BareNumber::kRefused) == "the unit is missing; write 100ms or 100s");
  CHECK(parsed("100ms", BareNumber::kRefused) == 100ms);
}

TEST_CASE("no time, negative time, too much time and nonsense are refused") {
  for (const char* text : {"0", "0ms", "-1s", "-0s", "0.0000000001s"}) CHECK(refused(text) == "a duration is above 0");
  for (const char* text : {"", "s", "ms", "soon", "nan", "inf", "+5s", " 5s", "0x10s", "--5s", "1,5s"})
    (void)refused(text);
  for (const char* text : {"5parsecs", "1e3s", "5 s", "5S", "1m30s", "5s "}) (void)refused(text);
  for (const char* text : {"9000h", "99999999h"}) CHECK(refused(text) == "longer than a year");
  (void)refused(std::string(400, '9') + "s");
}

TEST_CASE("durations are shown with three digits") {
  CHECK(format_duration(0ns) == "0 ms");
  CHECK(format_duration(420us) == "0.42 ms");
  CHECK(format_duration(310ms) == "310 ms");
  CHECK(format_duration(31ms) == "31.0 ms");
  CHECK(format_duration(2310ms) == "2.31 s");
  CHECK(format_duration(12400ms) == "12.4 s");
  CHECK(format_duration(125s) == "125 s");
  CHECK(format_duration(999900us) == "1.00 s");
}

TEST_CASE("a daemon's nonsense becomes a duration that can be added up") {
  google::protobuf::Duration duration;
  duration.set_seconds(INT64_MAX);
  duration.set_nanos(INT32_MIN);
  CHECK(snag::cli::from_proto(duration) == snag::cli::kLongestDuration);
  duration.set_seconds(-5);
  CHECK(snag::cli::from_proto(duration) == 0ns);
  CHECK(snag::cli::from_proto(snag::cli::to_proto(1234567890123ns)) == 1234567890123ns);
}
