#include "cli/export/output_file.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/export/sink.h"
#include "fake_daemon.h"

using namespace snag::cli;
using snag::test::Folder;
using snag::test::read_text;
using Names = std::vector<std::string>;

namespace {

OutputFile opened(const std::string& path) {
  auto result = OutputFile::open(path, STDOUT_FILENO);
  if (const auto* wrong = std::get_if<std::string>(&result)) FAIL(*wrong);
  return std::get<OutputFile>(std::move(result));
}

std::string refusal(const std::string& path) {
  const auto result = OutputFile::open(path, STDOUT_FILENO);
  REQUIRE(std::holds_alternative<std::string>(result));
  return std::get<std::string>(result);
}

std::optional<std::string> write_all(OutputFile& file, const std::string& text) {
  REQUIRE_FALSE(file.begin());
  FileSink sink(file.descriptor());
  sink.append(text);
  return file.commit(sink.finish());
}

}  // namespace

TEST_CASE("a file takes its name only when it is whole") {
  const Folder folder;
  const std::string path = folder.path("out.svg");
  snag::test::write_text(path, "old");
  {
    OutputFile file = opened(path);
    FileSink sink(file.descriptor());
    sink.append("new");
    REQUIRE(sink.finish() == 0);
    CHECK(read_text(path) == "old");
  }
  CHECK(read_text(path) == "old");
  CHECK(folder.names() == Names{"out.svg"});
  OutputFile file = opened(path);
  CHECK_FALSE(write_all(file, "new"));
  CHECK(read_text(path) == "new");
  CHECK(folder.names() == Names{"out.svg"});
}

TEST_CASE("a new file has the mode that the umask leaves, a replaced one keeps its own") {
  const Folder folder;
  const mode_t before = ::umask(0027);
  OutputFile fresh = opened(folder.path("fresh"));
  ::umask(before);
  REQUIRE_FALSE(write_all(fresh, ""));
  struct stat status {};
  REQUIRE(::stat(folder.path("fresh").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0640U);
  REQUIRE(::chmod(folder.path("fresh").c_str(), 0604) == 0);
  OutputFile again = opened(folder.path("fresh"));
  REQUIRE_FALSE(write_all(again, ""));
  REQUIRE(::stat(folder.path("fresh").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0604U);
}

TEST_CASE("a symbolic link stays one, what it leads to is replaced") {
  const Folder folder;
  snag::test::write_text(folder.path("real"), "old");
  REQUIRE(::symlink("real", folder.path("link").c_str()) == 0);
  OutputFile file = opened(folder.path("link"));
  REQUIRE_FALSE(write_all(file, "new"));
  CHECK(read_text(folder.path("real")) == "new");
  struct stat status {};
  REQUIRE(::lstat(folder.path("link").c_str(), &status) == 0);
  CHECK(S_ISLNK(status.st_mode));
}

TEST_CASE("what cannot be written is refused with its path and the reason") {
  const Folder folder;
  CHECK(refusal(folder.path("nowhere/x")) == "writing " + folder.path("nowhere/x") + ": No such file or directory");
  CHECK(refusal(folder.path("")) == "writing " + folder.path("") + ": Is a directory");
  CHECK_THAT(refusal("/proc/profile.svg"), Catch::Matchers::StartsWith("writing /proc/profile.svg: "));
  snag::test::write_text(folder.path("file"), "");
  CHECK_THAT(refusal(folder.path("file/x")), Catch::Matchers::Contains("Not a directory"));
}

TEST_CASE("a full disk is a sentence, and leaves no file") {
  OutputFile full = opened("/dev/full");
  CHECK(write_all(full, "x") == "writing /dev/full: No space left on device");
  const Folder folder;
  {
    OutputFile file = opened(folder.path("x.svg"));
    CHECK(file.commit(ENOSPC) == "writing " + folder.path("x.svg") + ": No space left on device");
  }
  CHECK(folder.names().empty());
}

TEST_CASE("/dev/null and a pipe are written in place") {
  OutputFile null = opened("/dev/null");
  CHECK_FALSE(write_all(null, "x"));
  const Folder folder;
  REQUIRE(::mkfifo(folder.path("pipe").c_str(), 0600) == 0);
  const Descriptor reader(::open(folder.path("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  OutputFile pipe = opened(folder.path("pipe"));
  CHECK_FALSE(write_all(pipe, "abc"));
  std::string got(10, '\0');
  got.resize(static_cast<std::size_t>(::read(reader.get(), got.data(), got.size())));
  CHECK(got == "abc");
}
