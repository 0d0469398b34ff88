#include <string>

#include <catch2/catch.hpp>

#include "cli/view/json_line.h"
#include "cli/view/printable.h"
#include "cli/view/words.h"
#include "proto/stream/utf8.h"

using namespace snag::cli;

TEST_CASE("no name brings control over the terminal with it") {
  CHECK(printable("größe") == "größe");
  CHECK(printable("a\x1b[31m\n\t\r\x7f") == "a\\x1b[31m\\n\\t\\r\\x7f");
  CHECK(printable(std::string("\0x", 2)) == "\\x00x");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\x9b31m");  // CSI as one character
  CHECK(printable("\xe2\x80\xae"
                  "evil") == "\\u202eevil");       // right-to-left override
  CHECK(printable("a\xff\xc3") == "a\\xff\\xc3");  // no UTF-8
  CHECK(printable("\xef\xbf\xbe\xef\xbb\xbf") == "\\ufffe\\ufeff");
  CHECK(printable("\xf0\x9f\x90\x8d") == "\xf0\x9f\x90\x8d");  // a snake
}

TEST_CASE("whatever comes out of printable is UTF-8 without control characters") {
  for (unsigned first = 0; first < 256; ++first) {
    for (unsigned second = 0; second < 256; ++second) {
      const std::string text = printable(std::string{static_cast<char>(first), static_cast<char>(second)});
      if (!snag::stream::is_utf8(text)) FAIL_CHECK(first << " " << second);
      for (const char byte : text) {
        if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F) FAIL_CHECK(first << " " << second);
      }
    }
  }
}

TEST_CASE("text is cut between characters") {
  CHECK(cut("abc", 3) == "abc");
  CHECK(cut("abcd", 3) == "ab…");
  CHECK(cut("äöüß", 3) == "äö…");
  CHECK(cut("abc", 1) == "…");
  CHECK(cut("abc", 0).empty());
  CHECK(cut("\xff\xff\xff", 2) == "\xff…");
}

TEST_CASE("numbers are shown in groups of three") {
  CHECK(with_thousands(0) == "0");
  CHECK(with_thousands(999) == "999");
  CHECK(with_thousands(1000) == "1,000");
  CHECK(with_thousands(1234567) == "1,234,567");
  CHECK(with_thousands(-123456) == "-123,456");
  CHECK(with_thousands(INT64_MIN) == "-9,223,372,036,854,775,808");
}

TEST_CASE("frames read function (file:line)") {
  CHECK(frame_words("report", "app/views.py", 41) == "report (app/views.py:41)");
  CHECK(frame_words("report", "app/views.py", 0) == "report (app/views.py)");
  CHECK(frame_words("time.sleep", "", 0) == "time.sleep");
  CHECK(frame_words("", "", 0) == "?");
  CHECK(frame_words("executed", "", 12) == "executed (:12)");  // compile(text, "", "exec")
  CHECK(frame_words("f\n", "a\x1b.py", 1) == "f\\n (a\\x1b.py:1)");
}

TEST_CASE("a JSON line says zero and UNKNOWN too") {
  snag::v1::Stall stall;
  stall.mutable_duration()->set_seconds(2);
  stall.mutable_duration()->set_nanos(310'000'000);
  stall.mutable_start()->set_seconds(1'700'000'000);
  const std::string line = json_line("stall", stall);
  CHECK_THAT(line, Catch::Matchers::StartsWith("{\"stall\":{") && Catch::Matchers::EndsWith("}}\n"));
  CHECK_THAT(line, Catch::Matchers::Contains("\"cause\":\"UNKNOWN\"") && Catch::Matchers::Contains("\"pid\":0"));
  CHECK_THAT(line, Catch::Matchers::Contains("\"duration\":\"2.310s\""));
  CHECK_THAT(line, Catch::Matchers::Contains("\"start\":\"2023-11-14T22:13:20Z\""));
  CHECK_THAT(line, Catch::Matchers::Contains("\"beganBeforeAttach\":false"));
  stall.mutable_duration()->set_seconds(INT64_MAX);
  CHECK(json_line("stall", stall) == "{\"stall\":null}\n");
}

TEST_CASE("JSON strings are escaped") {
  CHECK(json_quoted("a\"\\\n") == "\"a\\u0022\\u005c\\u000a\"");
  CHECK(json_quoted("\xff"
                    "é") ==
        "\"\xEF\xBF\xBD"
        "é\"");
}
