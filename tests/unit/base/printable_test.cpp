#include "readers/base/printable.h"

#include <catch2/catch.hpp>

using snag::printable;

namespace {
const std::string kLost = "\xEF\xBF\xBD";
}

TEST_CASE("text that can be shown stays as it is") {
  const std::string text = GENERATE(as<std::string>{}, "", "plain", "naïve", "日本語", "\xF0\x9F\x90\x8D snake", "a b");
  CHECK(printable(text, 100) == text);
}

TEST_CASE("control characters are replaced") {
  CHECK(printable("a\x1b[31mb", 100) == "a" + kLost + "[31mb");
  CHECK(printable(std::string("a\0b", 3), 100) == "a" + kLost + "b");
  CHECK(printable("\n\r\t\x7f", 100) == kLost + kLost + kLost + kLost);
  CHECK(printable("\xC2\x9B"
                  "31m",
                  100) == kLost + "31m");
}

TEST_CASE("marks that turn the direction of writing are replaced") {
  CHECK(printable("exe\xE2\x80\xAEyp.py", 100) == "exe" + kLost + "yp.py");
  CHECK(printable("\xE2\x81\xA7", 100) == kLost);
  CHECK(printable("\xE2\x80\xA6", 100) == "\xE2\x80\xA6");
}

// The ill-formed sequences of Unicode 15, section 3.9, and what they would mean.
TEST_CASE("bytes that are no UTF-8 are replaced one by one") {
  CHECK(printable("\xFF", 100) == kLost);
  CHECK(printable("\xC0\xAF", 100) == kLost + kLost);                          // overlong '/'
  CHECK(printable("\xE0\x9F\xBF", 100) == kLost + kLost + kLost);              // overlong
  CHECK(printable("\xED\xA0\x80", 100) == kLost + kLost + kLost);              // a surrogate
  CHECK(printable("\xF4\x90\x80\x80", 100) == kLost + kLost + kLost + kLost);  // beyond U+10FFFF
  CHECK(printable("a\xE6\x97", 100) == "a" + kLost + kLost);                   // cut short
  CHECK(printable("\x80x", 100) == kLost + "x");
}

TEST_CASE("long text is cut between characters, and says so") {
  CHECK(printable("abcdef", 6) == "abcdef");
  CHECK(printable("abcdefg", 6) == "abc\xE2\x80\xA6");
  CHECK(printable("日本語", 9) == "日本語");
  CHECK(printable("日本語x", 9) == "日本\xE2\x80\xA6");
  CHECK(printable("abcdef", 2).empty());
  CHECK(printable("abcdef", 3) == "\xE2\x80\xA6");
}
