#include "proto/stream/utf8.h"

#include <random>
#include <string>

#include <catch2/catch.hpp>
#include <google/protobuf/wrappers.pb.h>

using snag::stream::is_utf8;
using snag::stream::to_utf8;

namespace {

// The oracle: proto3 refuses a message whose string is no UTF-8.
bool protobuf_takes(const std::string& text) {
  google::protobuf::BytesValue bytes;
  bytes.set_value(text);
  google::protobuf::StringValue string;  // the same on the wire
  return string.ParseFromString(bytes.SerializeAsString());
}

}  // namespace

TEST_CASE("is_utf8 agrees with protobuf on every sequence of up to three bytes out of the telling ones") {
  const std::string telling(
      "\x00\x41\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff", 25);
  google::protobuf::SetLogHandler(nullptr);
  for (const char a : telling) {
    for (const char b : telling) {
      for (const char c : telling) {
        for (const std::string& text : {std::string{a}, std::string{a, b}, std::string{a, b, c},
                                        std::string{a, b, c, '\x80'}, std::string{a, b, c, '\xbf'}}) {
          if (is_utf8(text) != protobuf_takes(text)) FAIL_CHECK("differs for " << Catch::Detail::stringify(text));
        }
      }
    }
  }
}

TEST_CASE("to_utf8 leaves sound text alone and replaces what is none") {
  CHECK(to_utf8("größe €", 100) == "größe €");
  CHECK(to_utf8("a\xffz", 100) == "a\xEF\xBF\xBDz");
  CHECK(is_utf8(to_utf8("\xed\xa0\x80", 100)));  // a lone surrogate, as os.fsdecode makes them
  CHECK(to_utf8("", 0).empty());
}

TEST_CASE("to_utf8 cuts between characters and says so") {
  CHECK(to_utf8("abcdef", 6) == "abcdef");
  CHECK(to_utf8("abcdefg", 6) == "abc…");
  CHECK(to_utf8("ääää", 7) == "ää…");
  CHECK(to_utf8("abc", 2).empty());
}

TEST_CASE("to_utf8 of random bytes is always taken by protobuf and within its limit") {
  google::protobuf::SetLogHandler(nullptr);
  std::mt19937 random(2);
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 40, '\0');
    for (char& byte : text) byte = static_cast<char>(random() % 256);
    const std::string clean = to_utf8(text, 20);
    if (!protobuf_takes(clean) || clean.size() > 20) FAIL_CHECK("round " << round);
  }
}
