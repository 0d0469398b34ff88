#include "readers/process/process_list.h"

#include <algorithm>

#include <catch2/catch.hpp>
#include <signal.h>
#include <unistd.h>

#include "tests/unit/process/child.h"

using namespace snag;
using snag::test::Child;

namespace {

std::string shown(const std::vector<std::string>& arguments) {
  std::string line;
  for (const std::string& argument : arguments) line += argument + '\0';
  return shown_command(line);
}

}  // namespace

TEST_CASE("of a Python the script or module is shown") {
  CHECK(shown({"python3", "app.py"}) == "python3 app.py");
  CHECK(shown({"/usr/bin/python3.11", "-m", "uvicorn", "app:main"}) == "/usr/bin/python3.11 -m uvicorn");
  CHECK(shown({"python3", "-um", "gunicorn"}) == "python3 -m gunicorn");
  CHECK(shown({"python3", "-mhttp.server", "80"}) == "python3 -m http.server");
  CHECK(shown({"python3", "-u", "-W", "ignore", "-X", "dev", "-Xutf8", "/srv/app.py", "x"}) == "python3 /srv/app.py");
  CHECK(shown({"python3", "-Werror", "-OO", "-I", "a.py"}) == "python3 a.py");
  CHECK(shown({"python3", "--check-hash-based-pycs", "always", "a.py"}) == "python3 a.py");
  CHECK(shown({"pypy3", "a.py"}) == "pypy3 a.py");
  CHECK(shown({"python3", "--", "-odd.py"}) == "python3 -odd.py");
  CHECK(shown({"python3"}) == "python3");
  CHECK(shown({"python3", "-"}) == "python3");
  CHECK(shown({"python3", "-m"}) == "python3");
  CHECK(shown({"python3", "-W"}) == "python3");
}

TEST_CASE("no other argument is shown: secrets stand there") {
  const std::string secret = "hunter2";
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"python3", "app.py", "--password", secret},
           {"python3", "-m", "app", secret},
           {"python3", "-c", "connect('" + secret + "')"},
           {"python3", "-cconnect('" + secret + "')"},
           {"python3", "-Ic", secret},
           {"python3", "-X", secret, "-W", secret, "a.py"},
           {"python3", "-", secret},
           {"mysql", secret},
           {"curl", "-u", "me:" + secret, "https://x"},
           {"[celeryd: worker@host] -active- (worker --broker=redis://:" + secret + "@host)"}}) {
    INFO(arguments.front());
    CHECK(shown(arguments).find(secret) == std::string::npos);
  }
}

TEST_CASE("a command cannot play on the terminal") {
  CHECK(shown({"python3", "\x1b]0;title\x07.py"}) == "python3 \xEF\xBF\xBD]0;title\xEF\xBF\xBD.py");
  CHECK(shown({"python3", "line\nfeed.py"}) ==
        "python3 line\xEF\xBF\xBD"
        "feed.py");
  CHECK(shown({std::string(100'000, 'x')}).size() <= 4096);
}

TEST_CASE("a running process is listed with what it is") {
  const Child child({"/bin/sleep", "1000"});
  const auto processes = list_processes(ProcRoot());
  REQUIRE(processes);
  const auto found = std::find_if(processes->begin(), processes->end(),
                                  [&](const ProcessEntry& entry) { return entry.identity.pid == child.pid(); });
  REQUIRE(found != processes->end());
  CHECK(found->user == ::getuid());
  CHECK(found->name == "sleep");
  CHECK(found->executable.ends_with("/sleep"));
  CHECK(found->command == "/bin/sleep");
  CHECK(std::is_sorted(processes->begin(), processes->end(), [](const ProcessEntry& left, const ProcessEntry& right) {
    return left.identity.pid < right.identity.pid;
  }));
  // Kernel threads are no targets.
  CHECK(std::none_of(processes->begin(), processes->end(),
                     [](const ProcessEntry& entry) { return entry.name == "kthreadd"; }));
}

TEST_CASE("a zombie is listed by its name, since it has no command any more") {
  Child child({"/bin/sleep", "1000"});
  child.kill_and_leave_zombie();
  const auto entry = read_process(ProcRoot(), child.pid());
  REQUIRE(entry);
  CHECK(entry->state == 'Z');
  CHECK(entry->command == "[sleep]");
  CHECK(entry->executable.empty());
}
