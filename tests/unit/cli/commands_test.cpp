#include <array>
#include <string>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "cli/connect/descriptor.h"
#include "fake_daemon.h"

using namespace snag;
using Catch::Matchers::Contains;
using cli::ExitStatus;
using test::Peer;
using test::run_snag;

namespace {

v1::ServerMessage stall_message() {
  v1::ServerMessage message;
  v1::Stall& stall = *message.mutable_stall();
  stall.set_id("1");
  stall.set_pid(4242);
  stall.mutable_start()->set_seconds(1'700'000'000);
  stall.mutable_start()->set_nanos(118'000'000);
  stall.mutable_duration()->set_seconds(2);
  stall.mutable_duration()->set_nanos(310'000'000);
  stall.mutable_task()->set_name("Task-7");
  stall.mutable_task()->set_coroutine("serve");
  stall.mutable_culprit()->set_function("report");
  stall.mutable_culprit()->set_file("app/views.py");
  stall.mutable_culprit()->set_line(41);
  stall.set_blocking_call("requests.get");
  stall.set_cause(v1::NETWORK);
  v1::CauseShare& share = *stall.add_cause_shares();
  share.set_cause(v1::NETWORK);
  share.set_share(0.98);
  stall.mutable_evidence()->set_sentence("in recvfrom on 10.0.3.5:443");
  stall.mutable_impact()->set_ready_callbacks(37);
  stall.mutable_impact()->set_overdue_timers(1);
  stall.mutable_impact()->mutable_latest()->set_seconds(2);
  stall.mutable_remedy()->set_summary("await httpx.AsyncClient.get");
  stall.set_lost_samples(2);
  return message;
}

v1::SamplingSummary some_summary() {
  v1::SamplingSummary summary;
  summary.set_whole(1234);
  summary.set_partial(5);
  summary.set_lost(3);
  (*summary.mutable_lost_by_reason())["unreadable"] = 3;
  summary.mutable_duration()->set_seconds(30);
  return summary;
}

void serve_one_stall(Peer& peer) {
  (void)peer.greet();
  peer.target(4242);
  peer.send(stall_message());
  peer.summary(some_summary());
  peer.done();
}

}  // namespace

TEST_CASE("stalls asks for what was typed and tells each stall in words") {
  v1::WatchStalls asked;
  const auto ran = run_snag({"stalls", "4242", "--threshold", "50ms", "-d", "1.5s", "--ongoing"}, [&asked](Peer& peer) {
    asked = peer.greet().watch_stalls();
    peer.target(4242);
    peer.send(stall_message());
    peer.summary(some_summary());
    peer.done();
  });
  CHECK(ran.status == ExitStatus::kDone);
  CHECK(ran.error.empty());
  REQUIRE(asked.pids_size() == 1);
  CHECK(asked.pids(0) == 4242);
  CHECK(asked.threshold().nanos() == 50'000'000);
  CHECK(asked.duration().seconds() == 1);
  CHECK(asked.duration().nanos() == 500'000'000);
  CHECK(asked.ongoing());
  for (const char* part :
       {"pid 4242  CPython 3.12.1  uvicorn, uvloop  1 loop on MainThread     threshold 50.0 ms\n", "  2.31 s  ",
        "Task-7 (serve)  report() app/views.py:41\n",
        "blocked in requests.get → in recvfrom on 10.0.3.5:443    network 98 %\n",
        "waiting behind it: 37 callbacks, 1 timer (latest 2.00 s overdue)\n", "fix: await httpx.AsyncClient.get\n",
        "0 partial, 2 lost\n", "1 stall of 50.0 ms or more, the longest 2.31 s\n",
        "1,234 stacks whole, 5 partial, 3 lost (unreadable 3)"}) {
    CHECK_THAT(ran.out, Contains(part));
  }
  CHECK(ran.out.find('\x1b') == std::string::npos);
}

TEST_CASE("stalls --json prints objects alone, the summary last") {
  const auto ran = run_snag({"stalls", "4242", "--json"}, serve_one_stall);
  CHECK(ran.status == ExitStatus::kDone);
  const std::size_t second = ran.out.find('\n') + 1;
  CHECK_THAT(ran.out, Catch::Matchers::StartsWith("{\"stall\":{"));
  CHECK_THAT(ran.out.substr(second), Catch::Matchers::StartsWith("{\"summary\":{"));
  CHECK(ran.out.find('\n', second) == ran.out.size() - 1);
}

TEST_CASE("hostile names reach the terminal as text") {
  const auto ran = run_snag({"stalls", "4242"}, [](Peer& peer) {
    (void)peer.greet();
    v1::ServerMessage message = stall_message();
    message.mutable_stall()->mutable_culprit()->set_function("\x1b]0;owned\x07");
    message.mutable_stall()->mutable_task()->set_name("\n\x1b[2J");
    message.mutable_stall()->mutable_duration()->set_seconds(INT64_MIN);
    message.mutable_stall()->mutable_start()->set_seconds(INT64_MAX);
    message.mutable_stall()->mutable_start()->set_nanos(INT32_MIN);
    message.mutable_stall()->set_cause(static_cast<v1::Cause>(12345));
    message.mutable_stall()->mutable_cause_shares(0)->set_share(1e300);
    peer.send(message);
    peer.done();
  });
  CHECK(ran.out.find('\x1b') == std::string::npos);
  CHECK(ran.out.find('\x07') == std::string::npos);
  CHECK_THAT(ran.out, Contains("\\n\\x1b[2J") && Contains("\\x1b]0;owned\\a"));
}

TEST_CASE("each failure of the daemon has its exit status, a sentence and a remedy") {
  struct Row {
    v1::Failure::Status status;
    ExitStatus exit;
  };
  const auto row = GENERATE(Row{v1::Failure::FAILED, ExitStatus::kFailed}, Row{v1::Failure::USAGE, ExitStatus::kUsage},
                            Row{v1::Failure::NOT_PERMITTED, ExitStatus::kNotPermitted},
                            Row{v1::Failure::NO_SUCH_PROCESS, ExitStatus::kNoSuchProcess},
                            Row{v1::Failure::PROTOCOL, ExitStatus::kFailed},
                            Row{static_cast<v1::Failure::Status>(99), ExitStatus::kFailed});
  const auto ran = run_snag({"dump", "7"}, [row](Peer& peer) {
    (void)peer.greet();
    peer.fail(row.status, "pid 7: no\x1b", "sudo snag dump 7");
  });
  CHECK(ran.status == row.exit);
  CHECK(ran.out.empty());
  CHECK(ran.error == "snag: pid 7: no\\x1b\n      sudo snag dump 7\n");
}

TEST_CASE("a warning about one of several targets goes to stderr, the rest goes on") {
  const auto ran = run_snag({"stalls", "7", "4242"}, [](Peer& peer) {
    (void)peer.greet();
    v1::ServerMessage message;
    message.mutable_warning()->set_message("pid 7: not permitted");
    peer.send(message);
    peer.send(stall_message());
    peer.summary(some_summary());
    peer.done();
  });
  CHECK(ran.status == ExitStatus::kDone);
  CHECK(ran.error == "snag: pid 7: not permitted\n");
  CHECK_THAT(ran.out, Contains("pid 4242  Task-7"));
}

TEST_CASE("a daemon that goes away is an error, and what it sent before is shown") {
  const auto ran = run_snag({"stalls", "4242"}, [](Peer& peer) {
    (void)peer.greet();
    peer.target(4242);
    peer.send(stall_message());
  });
  CHECK(ran.status == ExitStatus::kFailed);
  CHECK(ran.error == "snag: the daemon closed the connection\n");
  CHECK_THAT(ran.out, Contains("report()") && Contains("1 stall so far; the daemon sent no summary\n"));
}

TEST_CASE("a daemon that sends nonsense is left with a sentence") {
  const auto after_hello = [](const std::string& bytes) {
    return run_snag({"stalls", "4242"}, [bytes](Peer& peer) {
      (void)peer.greet();
      peer.send_bytes(bytes);
      (void)peer.receive();
    });
  };
  const auto garbage = after_hello(std::string(20, '\xff'));
  CHECK(garbage.status == ExitStatus::kFailed);
  CHECK_THAT(garbage.error, Contains("the daemon sent nonsense"));
  CHECK_THAT(after_hello("\x81\x80\x80\x02").error, Contains("4194305 bytes"));
}

TEST_CASE("a daemon that speaks another protocol, or without a hello, is told so") {
  const auto other = run_snag({"ps"}, [](Peer& peer) {
    (void)peer.receive();
    v1::ServerMessage hello;
    hello.mutable_hello()->set_protocol(2);
    hello.mutable_hello()->set_program("snagd 9");
    peer.send(hello);
    (void)peer.receive();
  });
  CHECK(other.status == ExitStatus::kFailed);
  CHECK(other.error == "snag: the daemon (snagd 9) speaks protocol 2, snag 0.1.0 speaks 1\n");
  const auto none = run_snag({"ps"}, [](Peer& peer) {
    (void)peer.receive();
    peer.done();
    (void)peer.receive();
  });
  CHECK(none.status == ExitStatus::kFailed);
}

TEST_CASE("an interrupt stops the daemon, and what it still sends is shown") {
  const int signal = GENERATE(SIGINT, SIGTERM);
  bool stopped = false;
  const auto ran = run_snag({"stalls", "4242"}, [signal, &stopped](Peer& peer) {
    (void)peer.greet();
    peer.target(4242);
    ::kill(::getpid(), signal);
    stopped = peer.receive().has_stop();
    peer.send(stall_message());
    peer.summary(some_summary());
    peer.done();
  });
  CHECK(stopped);
  CHECK(ran.status == ExitStatus::kInterrupted);
  CHECK_THAT(ran.out, Contains("report()") && Contains("1,234 stacks whole"));
  CHECK(ran.error.empty());
}

TEST_CASE("an interrupt before the daemon has answered ends the command") {
  const auto ran = run_snag({"stalls", "4242"}, [](Peer& peer) {
    (void)peer.receive();
    ::kill(::getpid(), SIGINT);
    (void)peer.receive();
  });
  CHECK(ran.status == ExitStatus::kInterrupted);
}

TEST_CASE("standard output on a full disk is an error with a sentence") {
  const cli::Descriptor full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  for (const char* command : {"stalls", "dump"}) {
    const auto ran = run_snag({command, "4242"}, serve_one_stall, full.get());
    CHECK(ran.status == ExitStatus::kFailed);
    CHECK(ran.error == "snag: writing to standard output: No space left on device\n");
  }
}

TEST_CASE("whoever read the output and has gone ends the command quietly, without another stall") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const cli::Descriptor writing(ends[1]);
  const auto ran = run_snag(
      {"stalls", "4242"},
      [reading = ends[0]](Peer& peer) {
        (void)peer.greet();
        ::close(reading);
        (void)peer.receive();  // the client's end is what this waits for
      },
      writing.get());
  CHECK(ran.status == ExitStatus::kDone);
  CHECK(ran.error.empty());
}

TEST_CASE("dump shows each thread with what is known of it, innermost frame first") {
  const auto script = [](Peer& peer) {
    const auto request = peer.greet();
    if (request.dump().pids(0) != 4242) return;
    peer.target(4242);
    v1::ServerMessage message;
    v1::ThreadDump& thread = *message.mutable_thread();
    thread.set_pid(4242);
    thread.set_tid(4243);
    thread.set_name("MainThread");
    thread.set_state("S");
    thread.set_holds_gil(true);
    thread.mutable_loop()->set_kind(v1::Loop::ASYNCIO);
    thread.mutable_current_task()->set_name("Task-1");
    for (const char* function : {"read", "main"}) {
      v1::Frame& frame = *thread.add_stack();
      frame.set_function(function);
      frame.set_file("a.py");
      frame.set_line(3);
    }
    peer.send(message);
    peer.done();
  };
  CHECK(run_snag({"dump", "4242"}, script).out ==
        "pid 4242  CPython 3.12.1  uvicorn, uvloop  1 loop on MainThread\n"
        "\n"
        "Thread 4243 MainThread  sleeping, holds the GIL, asyncio loop, task Task-1\n"
        "    read (a.py:3)\n"
        "    main (a.py:3)\n"
        "    [only the stable part: the rest moved while it was read]\n");
  CHECK_THAT(run_snag({"dump", "4242", "--json"}, script).out,
             Catch::Matchers::StartsWith("{\"thread\":{\"pid\":4242,"));
}

TEST_CASE("dump of a core tells of no states, but in which thread the process ended") {
  const auto script = [](Peer& peer) {
    const auto request = peer.greet();
    if (request.dump().core().file() != "the core" || request.dump().core().executable() != "/old/python3") return;
    v1::ServerMessage message;
    v1::Target& target = *message.mutable_target();
    target.set_pid(42);
    target.set_version("3.12.1");
    target.set_implementation("CPython");
    target.set_layout_source("table 3.12");
    target.set_core("the core");
    peer.send(message);
    for (const int tid : {42, 43}) {
      v1::ThreadDump& thread = *message.mutable_thread();
      thread.Clear();
      thread.set_pid(42);
      thread.set_tid(tid);
      thread.set_signal(tid == 43 ? SIGSEGV : 0);
      thread.set_holds_gil(tid == 43);
      thread.set_complete(true);
      peer.send(message);
    }
    peer.done();
  };
  CHECK(run_snag({"dump", "--core", "the core", "--executable", "/old/python3"}, script).out ==
        "core the core  pid 42  CPython 3.12.1  layout from table 3.12\n"
        "\n"
        "Thread 42 main thread\n"
        "    [no Python code]\n"
        "\n"
        "Thread 43  ended by SIGSEGV, holds the GIL\n"
        "    [no Python code]\n");
}

TEST_CASE("ps is a table, with why some cannot be attached below it") {
  const auto script = [](Peer& peer) {
    if (!peer.greet().has_list_processes()) return;
    v1::ServerMessage message;
    v1::Process& process = *message.mutable_process();
    process.set_pid(10);
    process.set_version("3.12.1");
    process.set_implementation("CPython");
    process.set_runner("uvicorn");
    process.set_loop(v1::Loop::UVLOOP);
    process.set_attachable(true);
    process.set_command("uvicorn app:app");
    peer.send(message);
    for (const int pid : {11, 12}) {
      process.Clear();
      process.set_pid(pid);
      process.set_reason("not permitted");
      peer.send(message);
    }
    peer.done();
  };
  const auto ran = run_snag({"ps"}, script);
  CHECK(ran.status == ExitStatus::kDone);
  CHECK_THAT(ran.out, Contains("PID  PYTHON          RUNNER   LOOP    USER  ATTACH  COMMAND\n"
                               "10   CPython 3.12.1  uvicorn  uvloop  root  yes     uvicorn app:app\n"));
  CHECK_THAT(ran.out, Contains("\nnot attachable: 11, 12: not permitted\n"));
  CHECK_THAT(run_snag({"ps", "--json"}, script).out, Contains("{\"process\":{\"pid\":12,"));
}

TEST_CASE("doctor looks at several processes, and the first that cannot be attached decides") {
  int asked = 0;
  const auto ran = run_snag({"doctor", "7", "8"}, [&asked](Peer& peer) {
    v1::ServerMessage message;
    v1::Diagnosis& diagnosis = *message.mutable_diagnosis();
    diagnosis.set_pid(peer.greet().diagnose().pid());
    diagnosis.set_attachable(diagnosis.pid() == 7);
    peer.send(message);
    peer.done();
    diagnosis.set_pid(peer.receive().diagnose().pid());
    diagnosis.set_attachable(false);
    peer.send(message);
    peer.done();
    asked = diagnosis.pid();
  });
  CHECK(asked == 8);
  CHECK(ran.status == ExitStatus::kNotPermitted);
  CHECK_THAT(ran.out, Contains("pid 7 can be attached") && Contains("pid 8 cannot be attached"));
}

TEST_CASE("doctor's status says whether the process can be attached, or what kind of thing is missing") {
  struct Row {
    std::string name;
    bool attachable;
    ExitStatus exit;
  };
  const auto row =
      GENERATE(Row{"capability", true, ExitStatus::kDone}, Row{"yama", false, ExitStatus::kNotPermitted},
               Row{"process", false, ExitStatus::kNoSuchProcess}, Row{"runtime", false, ExitStatus::kNoSuchProcess});
  const auto ran = run_snag({"doctor", "7"}, [&row](Peer& peer) {
    if (peer.greet().diagnose().pid() != 7) return;
    v1::ServerMessage message;
    v1::Diagnosis& diagnosis = *message.mutable_diagnosis();
    diagnosis.set_pid(7);
    diagnosis.set_attachable(row.attachable);
    v1::Check& check = *diagnosis.add_checks();
    check.set_name(row.name);
    check.set_outcome(row.attachable ? v1::Check::OK : v1::Check::MISSING);
    check.set_finding("as found");
    check.set_remedy(row.attachable ? "" : "mend it");
    peer.send(message);
    peer.done();
  });
  CHECK(ran.status == row.exit);
  CHECK_THAT(ran.out, Contains(row.name + "  as found\n"));
  CHECK_THAT(ran.out, Contains(row.attachable ? "pid 7 can be attached" : "→ mend it\npid 7 cannot be attached\n"));
}
