#include "cli/arguments.h"

#include <catch2/catch.hpp>

#include "cli/exit_status.h"
#include "fake_daemon.h"

using namespace std::chrono_literals;
using namespace snag::cli;
using Words = std::vector<std::string>;

namespace {

template <class Options>
Options options_of(const Words& words) {
  const auto parsed = parse_arguments(words);
  if (const auto* wrong = std::get_if<UsageError>(&parsed)) FAIL(wrong->sentence);
  REQUIRE(std::holds_alternative<Command>(parsed));
  return std::get<Options>(std::get<Command>(parsed).options);
}

std::string refused(const Words& words) {
  const auto parsed = parse_arguments(words);
  INFO(Catch::Detail::stringify(words));
  REQUIRE(std::holds_alternative<UsageError>(parsed));
  return std::get<UsageError>(parsed).sentence;
}

}  // namespace

TEST_CASE("processes are named with and without -p, each counts once") {
  using Pids = std::vector<std::int32_t>;
  CHECK(options_of<StallsOptions>({"stalls", "5", "6"}).processes.pids == Pids{5, 6});
  CHECK(options_of<StallsOptions>({"stalls", "-p", "5", "--pid=6"}).processes.pids == Pids{5, 6});
  CHECK(options_of<DumpOptions>({"dump", "7", "7"}).processes.pids == Pids{7});
  CHECK(options_of<DoctorOptions>({"doctor"}).pids.empty());
  CHECK(options_of<DoctorOptions>({"doctor", "9", "8"}).pids == Pids{9, 8});
}

TEST_CASE("dump is of processes or of a core file, which a daemon of its own reads") {
  const auto options = options_of<DumpOptions>({"dump", "--core", "a core", "--executable", "/old/python3"});
  CHECK(options.core == "a core");
  CHECK(options.executable == "/old/python3");
  CHECK(refused({"dump", "--core", "core", "7"}) == "either a PID or --core, not both");
  CHECK(refused({"dump", "--executable", "/old/python3", "7"}) == "--executable belongs to --core");
  CHECK(refused({"dump", "--core", ""}) == "--core '': a file is needed");
  CHECK(refused({"dump", "--core", "core", "--socket", "/s"}) ==
        "--core is read by a snagd of its own, not by the one at --socket");
  CHECK_FALSE(refused({"doctor", "--core", "core"}).empty());
  CHECK(refused({"dump", "--core", "core", "-s"}) == "either --match and --subprocesses or --core, not both");
}

TEST_CASE("processes are selected by patterns, alone or beside numbers, and followed if that is asked for") {
  using Patterns = std::vector<std::string>;
  const auto both = options_of<StallsOptions>({"stalls", "--match", "a", "5", "--match=b c"}).processes;
  CHECK(both.pids == std::vector<std::int32_t>{5});
  CHECK(both.match == Patterns{"a", "b c"});
  CHECK_FALSE(both.subprocesses);
  CHECK(options_of<DumpOptions>({"dump", "--match", "a"}).processes.match == Patterns{"a"});
  CHECK(options_of<RecordOptions>({"record", "--match", "a", "-s"}).processes.subprocesses);
  CHECK(options_of<RecordOptions>({"record", "--subprocesses", "--", "python3", "-s"}).processes.subprocesses);
  CHECK(refused({"record", "--match", "a", "--", "x"}) == "either --match or a command behind --, not both");
  CHECK(refused({"stalls", "--subprocesses"}) == "no process is named");
}

TEST_CASE("what is no process is refused with its name") {
  CHECK(refused({"stalls", "0"}) == "PID 0 is not a process: process numbers begin at 1");
  CHECK(refused({"dump", "-5"}) == "PID -5 is not a process: process numbers begin at 1");
  CHECK(refused({"dump", "-p", "-5"}) == "PID -5 is not a process: process numbers begin at 1");
  CHECK(refused({"record", "-p-5"}) == "PID -5 is not a process: process numbers begin at 1");
  CHECK(refused({"stalls", "uvicorn"}) == "PID 'uvicorn' is not a number");
  CHECK(refused({"stalls", "1x"}) == "PID '1x' is not a number");
  CHECK(refused({"stalls", ""}) == "PID '' is not a number");
  CHECK(refused({"stalls", "\x1b[2J"}) == "PID '\\x1b[2J' is not a number");
  CHECK(refused({"stalls", "99999999999"}) == "PID 99999999999 is too large for a process");
  CHECK(refused({"stalls"}) == "no process is named");
}

TEST_CASE("stalls has a threshold of 100 ms and no end unless told otherwise") {
  const auto plain = options_of<StallsOptions>({"stalls", "5"});
  CHECK(plain.threshold == 100ms);
  CHECK_FALSE(plain.duration);
  CHECK_FALSE(plain.ongoing);
  const auto told = options_of<StallsOptions>({"stalls", "5", "--threshold", "50ms", "--duration=30", "--ongoing"});
  CHECK(told.threshold == 50ms);
  CHECK(told.duration == 30s);
  CHECK(told.ongoing);
}

TEST_CASE("a threshold, a rate or a duration that is none is refused") {
  for (const char* text : {"0", "0ms", "-5ms", "soon", "", "5", "nan", "1e99h", "99999999h", "1ns", "2h"}) {
    CHECK_THAT(refused({"stalls", "5", std::string("--threshold=") + text}), Catch::Matchers::Contains("--threshold"));
  }
  CHECK_THAT(refused({"stalls", "5", "--threshold", "-5ms"}), Catch::Matchers::Contains("above 0"));
  for (const char* text : {"0", "-1", "fast", "nan", "inf", "1e9", "", "100001", "0.001"}) {
    CHECK_THAT(refused({"record", "5", std::string("--rate=") + text}), Catch::Matchers::Contains("--rate"));
  }
  CHECK_THAT(refused({"record", "5", "-d", "0"}), Catch::Matchers::Contains("--duration"));
}

TEST_CASE("the format follows the file's ending, and the file the format") {
  const auto record = [](Words words) {
    words.insert(words.begin(), {"record", "5"});
    return options_of<RecordOptions>(words);
  };
  CHECK(record({}).output == "flamegraph.svg");
  CHECK(record({}).format == Format::kFlamegraph);
  CHECK(record({"-o", "x.folded"}).format == Format::kFolded);
  CHECK(record({"-o", "x.txt"}).format == Format::kFolded);
  CHECK(record({"-o", "x.speedscope.json"}).format == Format::kSpeedscope);
  CHECK(record({"-o", "x.svg", "--format", "folded"}).format == Format::kFolded);
  CHECK(record({"-o", "-"}).format == Format::kFlamegraph);
  CHECK(record({"--format", "speedscope"}).output == "profile.speedscope.json");
  CHECK(refused({"record", "5", "--format", "pie"}) == "--format 'pie': one of flamegraph, folded, speedscope");
  CHECK(refused({"record", "5", "--mode", "dreams"}) == "--mode 'dreams': one of wall, cpu, gil");
  CHECK(refused({"record", "5", "-o", "-", "--json"}) == "--json and --output - both want standard output");
}

TEST_CASE("a command to record stands behind two dashes with all its own options") {
  CHECK(options_of<RecordOptions>({"record", "-r", "10", "--", "python3", "-p", "--", "x"}).command ==
        Words{"python3", "-p", "--", "x"});
  CHECK(refused({"record", "--"}) == "no command stands behind --");
  CHECK(refused({"record", "5", "--", "x"}) == "either a PID or a command behind --, not both");
  CHECK(refused({"dump", "5", "--", "x"}) == "only snag record takes a command behind --");
}

TEST_CASE("unknown commands and options are refused, abbreviations too") {
  CHECK(refused({}) == "a command is needed");
  CHECK(refused({"tasks", "5"}) == "no command 'tasks'");
  CHECK(refused({"stalls", "5", "--frobnicate"}) == "unrecognised option '--frobnicate'");
  CHECK(refused({"stalls", "5", "--thresh", "5ms"}) == "unrecognised option '--thresh'");
  CHECK(refused({"ps", "5"}) == "snag ps lists all processes and takes no PID");
}

TEST_CASE("wrong usage ends with status 2, a sentence and the way to help, before anything else happens") {
  const auto ran = snag::test::run_snag_alone({"stalls", "0"});
  CHECK(ran.status == ExitStatus::kUsage);
  CHECK(ran.out.empty());
  CHECK(ran.error ==
        "snag: PID 0 is not a process: process numbers begin at 1\n      snag stalls --help tells its options\n");
}

TEST_CASE("help and version go to standard output with status 0") {
  CHECK(snag::test::run_snag_alone({"--version"}).out == "snag 0.1.0\n");
  for (const char* command : {"stalls", "dump", "record", "ps", "doctor"}) {
    const auto ran = snag::test::run_snag_alone({command, "--help"});
    CHECK(ran.status == ExitStatus::kDone);
    CHECK_THAT(ran.out, Catch::Matchers::Contains(std::string("Usage: snag ") + command));
    CHECK_THAT(snag::test::run_snag_alone({"--help"}).out, Catch::Matchers::Contains(command));
  }
}
