#include "readers/base/error.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "readers/base/address.h"
#include "readers/base/result.h"

using namespace snag;

TEST_CASE("an error says what, where and how much") {
  const Error error = {
      .kind = ErrorKind::kUnreadable, .what = "PyThreadState.next", .where = {0x7f1200000010}, .wanted = 8};
  CHECK(describe(error) == "PyThreadState.next at 0x7f1200000010: 8 bytes wanted, unreadable");
  CHECK(describe(error, Pid{4242}) == "pid 4242: PyThreadState.next at 0x7f1200000010: 8 bytes wanted, unreadable");
}

TEST_CASE("an error of the system carries its text, and detail replaces the reason") {
  const Error error = {.kind = ErrorKind::kNotPermitted,
                       .what = "/proc/PID/maps",
                       .system_error = EACCES,
                       .detail = "belongs to another user"};
  CHECK(describe(error) == "/proc/PID/maps: belongs to another user (Permission denied)");
}

TEST_CASE("each kind of error has a reason of its own") {
  std::vector<std::string> reasons;
  for (const ErrorKind kind :
       {ErrorKind::kUnreadable, ErrorKind::kInconsistent, ErrorKind::kOutOfBounds, ErrorKind::kNoSuchProcess,
        ErrorKind::kNotPermitted, ErrorKind::kNotPython, ErrorKind::kUnsupported, ErrorKind::kSystem}) {
    CHECK(std::find(reasons.begin(), reasons.end(), reason(kind)) == reasons.end());
    reasons.emplace_back(reason(kind));
  }
}

TEST_CASE("a failure is passed on whole") {
  const auto inner = []() -> Result<int> {
    return fail(Error{.kind = ErrorKind::kOutOfBounds, .what = "co_stacksize", .wanted = 5});
  };
  const auto outer = [&]() -> Result<std::string> {
    auto value = inner();
    if (!value) return fail(value);
    return std::to_string(*value);
  };
  REQUIRE(!outer());
  CHECK(outer().error().kind == ErrorKind::kOutOfBounds);
  CHECK(outer().error().wanted == 5);
}

TEST_CASE("sums of addresses wrap around like the target's own") {
  CHECK(Address{~0ULL} + 1 == Address{0});
  CHECK((Address{0} - 1).value == ~0ULL);
  CHECK(Address{}.is_null());
  CHECK(Address{1} < Address{2});
}
