#include <string>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_daemon.h"

using namespace snag;
using Catch::Matchers::Contains;
using cli::ExitStatus;
using test::Folder;
using test::Peer;
using test::run_snag;

namespace {

// main (a.py:1) calls work (a.py:2): stack 2 is both, stack 1 is main alone.
v1::ServerMessage definitions() {
  v1::ServerMessage message;
  v1::Definitions& all = *message.mutable_definitions();
  std::uint32_t id = 0;
  for (const char* text : {"a.py", "main", "work", "MainThread"}) {
    v1::StringDefinition& string = *all.add_strings();
    string.set_id(++id);
    string.set_value(text);
  }
  for (std::uint32_t frame = 1; frame <= 2; ++frame) {
    v1::FrameDefinition& definition = *all.add_frames();
    definition.set_id(frame);
    definition.set_function(frame + 1);
    definition.set_file(1);
    definition.set_line(static_cast<int>(frame));
    definition.set_kind(v1::Frame::PYTHON);
    v1::StackDefinition& stack = *all.add_stacks();
    stack.set_id(frame);
    stack.set_caller(frame - 1);
    stack.set_frame(frame);
  }
  v1::ThreadDefinition& thread = *all.add_threads();
  thread.set_id(1);
  thread.set_pid(4242);
  thread.set_tid(4242);
  thread.set_name(4);
  return message;
}

v1::ServerMessage samples(std::initializer_list<std::uint32_t> stacks) {
  v1::ServerMessage message;
  for (const std::uint32_t stack : stacks) {
    message.mutable_samples()->add_thread(1);
    message.mutable_samples()->add_stack(stack);
    message.mutable_samples()->add_time_delta_ns(10'000'000);
  }
  return message;
}

void begin(Peer& peer) {
  (void)peer.greet();
  peer.target(4242);
  peer.send(definitions());
  peer.send(samples({1, 2, 2, 2}));
}

void end(Peer& peer) {
  v1::SamplingSummary summary;
  summary.set_requested_rate(100);
  summary.set_achieved_rate(100);
  summary.set_whole(4);
  peer.summary(summary);
  peer.done();
}

const std::string kFolded = "main (a.py:1) 1\nmain (a.py:1);work (a.py:2) 3\n";

}  // namespace

TEST_CASE("record asks for what was typed, writes the file and says so") {
  const Folder folder;
  v1::Record asked;
  const auto ran = run_snag({"record", "4242", "-d", "30", "-r", "250", "--mode", "gil", "--consistency", "never", "-o",
                             folder.path("x.folded"), "--json"},
                            [&asked](Peer& peer) {
                              asked = peer.greet().record();
                              peer.target(4242);
                              peer.send(definitions());
                              peer.send(samples({1, 2, 2, 2}));
                              end(peer);
                            });
  CHECK(ran.status == ExitStatus::kDone);
  CHECK(asked.pids_size() == 1);
  CHECK(asked.rate() == 250);
  CHECK(asked.duration().seconds() == 30);
  CHECK(asked.mode() == v1::Record::GIL);
  CHECK(asked.consistency() == v1::NEVER);
  CHECK(test::read_text(folder.path("x.folded")) == kFolded);
  CHECK_THAT(ran.out, Catch::Matchers::StartsWith("{\"summary\":{\"requestedRate\":100,"));
  CHECK_THAT(ran.error, Contains("recording pid 4242 (CPython 3.12.1) for 30.0 s\n") &&
                            Contains("wrote " + folder.path("x.folded") + ": ") && Contains("4 stacks whole"));
}

TEST_CASE("record writes what was gathered when it is interrupted") {
  const Folder folder;
  const auto ran = run_snag({"record", "4242", "-o", folder.path("x.folded")}, [](Peer& peer) {
    begin(peer);
    ::kill(::getpid(), SIGINT);
    if (!peer.receive().has_stop()) return;
    end(peer);
  });
  CHECK(ran.status == ExitStatus::kInterrupted);
  CHECK(test::read_text(folder.path("x.folded")) == kFolded);
}

TEST_CASE("record writes what was gathered when the daemon dies, and says that it did") {
  const Folder folder;
  const auto ran = run_snag({"record", "4242", "-o", folder.path("x.svg")}, begin);
  CHECK(ran.status == ExitStatus::kFailed);
  CHECK_THAT(ran.error, Contains("snag: the daemon closed the connection\n"));
  CHECK_THAT(test::read_text(folder.path("x.svg")),
             Contains("the daemon closed the connection") && Contains("work (a.py:2)") && Contains("4 whole"));
}

TEST_CASE("record leaves a file alone when nothing was recorded") {
  const Folder folder;
  test::write_text(folder.path("x.svg"), "old");
  const auto ran = run_snag({"record", "7", "-o", folder.path("x.svg")}, [](Peer& peer) {
    (void)peer.greet();
    peer.fail(v1::Failure::NO_SUCH_PROCESS, "pid 7: no such process");
  });
  CHECK(ran.status == ExitStatus::kNoSuchProcess);
  CHECK(ran.error == "snag: pid 7: no such process\n");
  CHECK(test::read_text(folder.path("x.svg")) == "old");
  CHECK(folder.names().size() == 1);
}

TEST_CASE("record refuses a file that cannot be written before it asks for a daemon") {
  const Folder folder;
  const auto ran = test::run_snag_alone({"record", "4242", "-o", folder.path("nowhere/x.svg")});
  CHECK(ran.status == ExitStatus::kFailed);
  CHECK_THAT(ran.error, Contains("writing " + folder.path("nowhere/x.svg") + ": No such file or directory\n"));
}

TEST_CASE("record on a full disk is an error with a sentence, also when it was interrupted") {
  const auto ran = run_snag({"record", "4242", "-o", "/dev/full"}, [](Peer& peer) {
    begin(peer);
    end(peer);
  });
  CHECK(ran.status == ExitStatus::kFailed);
  CHECK_THAT(ran.error, Contains("snag: writing /dev/full: No space left on device\n"));
}

TEST_CASE("record writes to standard output and nothing else to it") {
  const auto ran = run_snag({"record", "4242", "-o", "-", "--format", "folded"}, [](Peer& peer) {
    begin(peer);
    end(peer);
  });
  CHECK(ran.status == ExitStatus::kDone);
  CHECK(ran.out == kFolded);
}

TEST_CASE("samples that refer to nothing end the recording, what was sound is written") {
  const Folder folder;
  const auto ran = run_snag({"record", "4242", "-o", folder.path("x.folded")}, [](Peer& peer) {
    begin(peer);
    peer.send(samples({9}));
    (void)peer.receive();
  });
  CHECK(ran.status == ExitStatus::kFailed);
  CHECK_THAT(ran.error, Contains("the daemon sent nonsense: a sample of stack 9, which is not defined\n"));
  CHECK(test::read_text(folder.path("x.folded")) == kFolded);
}

TEST_CASE("a command is asked for again until it has become Python, and runs to its end") {
  const Folder folder;
  int requests = 0;
  const std::string program = "read -r line < " + folder.path("go") + "; echo done > " + folder.path("ended");
  REQUIRE(::mkfifo(folder.path("go").c_str(), 0600) == 0);
  const auto ran = run_snag({"record", "-o", folder.path("x.folded"), "--", "sh", "-c", program}, [&](Peer& peer) {
    const int pid = peer.greet().record().pids(0);
    for (; requests < 3; ++requests) {
      peer.fail(v1::Failure::NO_SUCH_PROCESS, "not Python yet");
      if (peer.receive().record().pids(0) != pid) return;
    }
    peer.target(pid);
    peer.send(definitions());
    peer.send(samples({1, 2, 2, 2}));
    end(peer);
    test::write_text(folder.path("go"), "go\n");
  });
  CHECK(requests == 3);
  CHECK(ran.status == ExitStatus::kDone);
  CHECK(test::read_text(folder.path("x.folded")) == kFolded);
  CHECK(test::read_text(folder.path("ended")) == "done\n");
}

TEST_CASE("a command that ends before it is Python, or that is none, is told so") {
  const Folder folder;
  const std::string output = folder.path("x.svg");
  const auto ended = run_snag({"record", "-o", output, "--", "sh", "-c", "exit 3"}, [](Peer& peer) {
    for (auto message = peer.greet(); message.has_record(); message = peer.receive()) {
      peer.fail(v1::Failure::NO_SUCH_PROCESS, "not Python yet");
    }
  });
  CHECK(ended.status == ExitStatus::kNoSuchProcess);
  CHECK(ended.error == "snag: sh ended with status 3 before a Python runtime was found in it\n");
  const auto none =
      run_snag({"record", "-o", output, "--", "/nonexistent/python"}, [](Peer& peer) { (void)peer.receive(); });
  CHECK(none.status == ExitStatus::kFailed);
  CHECK(none.error == "snag: starting /nonexistent/python: No such file or directory\n");
  CHECK(folder.names().empty());
}

TEST_CASE("a recording follows children, names each process, and tells which ended and how") {
  const Folder folder;
  v1::Record asked;
  const auto ran = run_snag({"record", "--match", "shop", "-s", "-o", folder.path("x.folded")}, [&asked](Peer& peer) {
    asked = peer.greet().record();
    peer.target(4242);
    v1::ServerMessage child;
    child.mutable_target()->set_pid(4243);
    child.mutable_target()->set_name("work\ner");
    child.mutable_target()->set_parent(4242);
    peer.send(child);
    child.mutable_target()->set_name("again");  // it has executed another program
    peer.send(child);
    peer.send(definitions());
    peer.send(samples({1, 2, 2, 2}));
    v1::SamplingSummary summary;
    summary.set_processes(2);
    summary.set_missed_processes(3);
    v1::ProcessEnd& normal = *summary.add_ended_processes();
    normal.set_pid(4242);
    normal.set_how("exit status 0");
    v1::ProcessEnd& killed = *summary.add_ended_processes();
    killed.set_pid(4243);
    killed.set_how("killed by signal 9");
    killed.set_abnormal(true);
    killed.mutable_after()->set_seconds(2);
    peer.summary(summary);
    peer.done();
  });
  CHECK(ran.status == ExitStatus::kDone);
  CHECK(asked.pids_size() == 0);
  REQUIRE(asked.selection().match_size() == 1);
  CHECK(asked.selection().match(0) == "shop");
  CHECK(asked.selection().subprocesses());
  CHECK_THAT(ran.error, Contains("following pid 4243 (work\\ner), child of 4242\n"));
  CHECK_THAT(ran.error,
             Contains("; 2 processes, 2 ended, pid 4243 killed by signal 9 after 2.00 s, 3 ended too soon to be "
                      "attached\n"));
  CHECK_THAT(test::read_text(folder.path("x.folded")), Catch::Matchers::StartsWith("pid "));
}
