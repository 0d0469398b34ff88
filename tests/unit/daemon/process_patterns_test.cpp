#include "daemon/process_patterns.h"

#include <catch2/catch.hpp>

namespace snag::daemon {
namespace {

std::variant<ProcessPatterns, std::string> compiled(const std::vector<std::string>& patterns) {
  google::protobuf::RepeatedPtrField<std::string> list;
  list.Assign(patterns.begin(), patterns.end());
  return ProcessPatterns::compile(list);
}

}  // namespace

TEST_CASE("a pattern matches any part of a text, as pgrep's do; one of several is enough") {
  const auto made = compiled({"gunicorn.*master", "^celery$"});
  const auto& patterns = std::get<ProcessPatterns>(made);
  CHECK(patterns.match("/usr/bin/python3 /usr/bin/gunicorn: master [shop]"));
  CHECK(patterns.match("celery"));
  CHECK_FALSE(patterns.match("celery worker"));
  CHECK_FALSE(patterns.match("gunicorn: worker"));
  CHECK_FALSE(patterns.match(""));
  CHECK(patterns.describe() == "'gunicorn.*master' or '^celery$'");
  CHECK(std::get<ProcessPatterns>(compiled({})).empty());
}

TEST_CASE("what is matched may be no text at all") {
  const auto made = compiled({"app"});
  CHECK(std::get<ProcessPatterns>(made).match(std::string_view("\xff\xfe\0 app \xc3", 9)));
}

TEST_CASE("an unsound pattern is refused with the reason") {
  CHECK_THAT(std::get<std::string>(compiled({"a", "(b"})), Catch::Matchers::Contains("'(b' is no regular expression"));
  CHECK_THAT(std::get<std::string>(compiled({""})), Catch::Matchers::Contains("at least one character"));
  CHECK_THAT(std::get<std::string>(compiled({std::string(1001, 'a')})),
             Catch::Matchers::Contains("at most 1000 bytes"));
  CHECK_THAT(std::get<std::string>(compiled(std::vector<std::string>(65, "a"))),
             Catch::Matchers::Contains("at most 64"));
}

// A back-tracking matcher needs 2^30 steps for the first, and gigabytes for the second.
TEST_CASE("no pattern costs much time or memory, whatever it is matched against") {
  const auto slow = compiled({"(a+)+$"});
  CHECK_FALSE(std::get<ProcessPatterns>(slow).match(std::string(60'000, 'a') + "b"));
  CHECK(std::holds_alternative<std::string>(compiled({"((a{1,200}){1,200}){1,200}"})));
}

}  // namespace snag::daemon
