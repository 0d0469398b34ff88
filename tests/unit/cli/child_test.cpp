#include "cli/connect/child.h"

#include <catch2/catch.hpp>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands/launched_command.h"
#include "cli/connect/connection.h"
#include "fake_daemon.h"

using namespace std::chrono_literals;
using namespace snag::cli;

namespace {

std::string end_of(std::vector<std::string> command) {
  auto launched = launch(command, 0);
  REQUIRE(std::holds_alternative<Child>(launched));
  const auto status = std::get<Child>(launched).wait(30s);
  REQUIRE(status);
  return describe_end(*status);
}

// A program in place of snagd.
std::string script(const snag::test::Folder& folder, const std::string& text) {
  std::string path = folder.path("snagd");
  snag::test::write_text(path, "#!/bin/sh\n" + text);
  REQUIRE(::chmod(path.c_str(), 0755) == 0);
  return path;
}

}  // namespace

TEST_CASE("how a child ended is told in words") {
  CHECK(end_of({"true"}) == "ended with status 0");
  CHECK(end_of({"sh", "-c", "exit 7"}) == "ended with status 7");
  CHECK(end_of({"sh", "-c", "kill -9 $$"}) == "was killed by signal 9 (Killed)");
}

TEST_CASE("a command that is none is told at once") {
  const auto launched = launch(std::vector<std::string>{"/nonexistent/\npython"}, 0);
  REQUIRE(std::holds_alternative<std::string>(launched));
  CHECK(std::get<std::string>(launched) == "starting /nonexistent/\\npython: No such file or directory");
}

TEST_CASE("a private daemon gets the socket, a process group of its own, and is gone with the connection") {
  const snag::test::Folder folder;
  // Says its arguments and its process group over the socket, then waits for the end of it.
  const std::string program = script(folder,
                                     "exec 3<&$3 4>&$3\n"
                                     "read -r _ _ _ _ group _ </proc/$$/stat\n"
                                     "printf '%s %s %s' \"$1\" \"$2\" \"$group\" >&4\n"
                                     "exec cat <&3 >/dev/null\n");
  pid_t pid = 0;
  {
    auto started = start_private_daemon(program);
    REQUIRE(std::holds_alternative<Connection>(started));
    auto& connection = std::get<Connection>(started);
    pid = connection.private_daemon().value_or(0);
    REQUIRE(pid > 0);
    const std::string expected = "--private --socket-fd " + std::to_string(pid);
    std::string got;
    while (got.size() < expected.size()) {
      char byte = 0;
      REQUIRE(::read(connection.socket(), &byte, 1) == 1);
      got += byte;
    }
    CHECK(got == expected);
    CHECK(::kill(pid, 0) == 0);
  }
  CHECK(::kill(pid, 0) == -1);
}

TEST_CASE("a private daemon that dies is told with how it died") {
  const snag::test::Folder folder;
  auto started = start_private_daemon(script(folder, "kill -9 $$\n"));
  REQUIRE(std::holds_alternative<Connection>(started));
  auto& connection = std::get<Connection>(started);
  const std::string pid = std::to_string(connection.private_daemon().value_or(0));
  CHECK(connection.describe_loss() == "snagd (pid " + pid + ") was killed by signal 9 (Killed)");
}

TEST_CASE("a private daemon that cannot be started is an error with its path") {
  const auto started = start_private_daemon("/nonexistent/snagd");
  REQUIRE(std::holds_alternative<ConnectError>(started));
  CHECK(std::get<ConnectError>(started).sentence == "starting /nonexistent/snagd: No such file or directory");
}

TEST_CASE("a socket where nobody listens is an error with its path") {
  for (const std::string& path : {std::string("/nonexistent/snagd.sock"), std::string(200, 'x'), std::string()}) {
    const auto connected = connect_to_socket(path);
    REQUIRE(std::holds_alternative<ConnectError>(connected));
    CHECK_THAT(std::get<ConnectError>(connected).sentence, Catch::Matchers::Contains(path));
  }
}
