#include "daemon/culprit.h"

#include <cstdio>
#include <vector>

#include <catch2/catch.hpp>

namespace snag::daemon {
namespace {

constexpr std::string_view kLibrary = "/usr/lib/python3.11";

ShownFrame python(std::string function, std::string file, std::int32_t line = 1) {
  return {.function = std::move(function), .file = std::move(file), .line = line, .module = {}};
}

ShownFrame native(std::string function) {
  return {.function = std::move(function), .file = {}, .kind = ShownFrame::Kind::kNative, .module = {}};
}

TEST_CASE("whose code a file is, is told by where it lies") {
  struct Row {
    const char* file;
    Origin origin;
  };
  const std::vector<Row> rows{
      {"/srv/app/views.py", Origin::kUser},
      {"app/views.py", Origin::kUser},
      {"<string>", Origin::kUser},
      {"<stdin>", Origin::kUser},
      {"", Origin::kUser},
      {"/usr/lib/python3.11/json/decoder.py", Origin::kStandard},
      {"<frozen importlib._bootstrap>", Origin::kStandard},
      {"/usr/lib/python3.11/site-packages/requests/api.py", Origin::kInstalled},
      {"/usr/lib/python3/dist-packages/yaml/loader.py", Origin::kInstalled},
      {"/srv/venv/lib/python3.11/site-packages/django/db.py", Origin::kInstalled},
      // Names that only begin like the library's directory.
      {"/usr/lib/python3.11-app/views.py", Origin::kUser},
      {"/usr/lib/python3.11", Origin::kUser},
  };
  for (const auto& row : rows) {
    INFO(row.file);
    CHECK(origin_of(row.file, kLibrary) == row.origin);
  }
}

TEST_CASE("without a known standard library every other file is the user's") {
  CHECK(origin_of("/usr/lib/python3.11/json/decoder.py", "") == Origin::kUser);
}

TEST_CASE("the innermost frame of the user's own code is to blame") {
  const std::vector<ShownFrame> frames{native("time.sleep"), python("read", "/usr/lib/python3.11/socket.py"),
                                       python("get", "/v/site-packages/requests/api.py"),
                                       python("report", "/srv/app/views.py"), python("main", "/srv/app/main.py")};
  CHECK(find_culprit(frames, kLibrary) == 3);
}

TEST_CASE("an installed package is to blame where there is no code of the user's own") {
  const std::vector<ShownFrame> frames{python("read", "/usr/lib/python3.11/socket.py"),
                                       python("get", "/v/site-packages/requests/api.py"),
                                       python("send", "/v/site-packages/requests/sessions.py")};
  CHECK(find_culprit(frames, kLibrary) == 1);
}

TEST_CASE("of nothing but the standard library the innermost Python frame is to blame") {
  const std::vector<ShownFrame> frames{native("json.loads"), python("decode", "/usr/lib/python3.11/json/decoder.py"),
                                       python("_run", "/usr/lib/python3.11/asyncio/events.py")};
  CHECK(find_culprit(frames, kLibrary) == 1);
}

TEST_CASE("a stack without Python frames has nothing to blame") {
  CHECK(find_culprit({}, kLibrary) == 0);
  const std::vector<ShownFrame> frames{native("time.sleep")};
  CHECK(find_culprit(frames, kLibrary) == frames.size());
}

TEST_CASE("the standard library lies where asyncio does") {
  CHECK(standard_library_of("/usr/lib/python3.11/asyncio/base_events.py") == kLibrary);
  CHECK(standard_library_of("/srv/app/loop.py").empty());
  CHECK(standard_library_of("").empty());
}

// FNV-1a, 64 bits, as its authors describe it: http://www.isthe.com/chongo/tech/comp/fnv/
std::uint64_t fnv1a(std::string_view bytes) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211ULL;
  return hash;
}

std::string hexadecimal(std::uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

TEST_CASE("a fingerprint is the FNV-1a of file name, function and blocking call, each ended by 0xFF") {
  REQUIRE(fnv1a("foobar") == 0x85944171F73967E8ULL);  // test vector of FNV's authors
  const auto frame = python("report", "/srv/app/views.py", 41);
  CHECK(fingerprint(frame, "requests.get") == hexadecimal(fnv1a("views.py\xFFreport\xFFrequests.get\xFF")));
  CHECK(fingerprint(python("", ""), "") == hexadecimal(fnv1a("\xFF\xFF\xFF")));
}

TEST_CASE("a fingerprint depends on neither line nor directory") {
  CHECK(fingerprint(python("report", "/srv/app/views.py", 41), "requests.get") ==
        fingerprint(python("report", "/home/me/app/views.py", 43), "requests.get"));
}

TEST_CASE("a fingerprint tells where one part ends and the next begins") {
  CHECK(fingerprint(python("ab", "f.py"), "c") != fingerprint(python("a", "f.py"), "bc"));
}

}  // namespace
}  // namespace snag::daemon
