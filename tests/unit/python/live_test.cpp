// Stacks of every interpreter found on this machine, frame by frame against what it says of its own frames.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <sched.h>

#include "daemon/target.h"
#include "readers/asyncio/run_once.h"
#include "readers/asyncio/tasks.h"
#include "readers/process/threads.h"
#include "readers/python/names.h"
#include "tests/unit/bytecode/oracle.h"

namespace snag::python {
namespace {

struct Told {
  std::string name;
  std::string file;
  std::int32_t line;
  friend bool operator==(const Told&, const Told&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Told& frame) {
    return out << frame.name << " (" << frame.file << ':' << frame.line << ')';
  }
};

// account.py, run by an interpreter until it blocks.
class Account {
 public:
  Account(const test::Interpreter& interpreter, const std::string& block) {
    // exec env: the shell becomes the interpreter, whose number account.py tells; its command may begin with
    // assignments.
    const std::string command = "exec env " + interpreter.command + " -u " SNAG_TEST_SOURCE_DIR "/account.py " + block;
    output_ = ::popen(command.c_str(), "r");
    REQUIRE(output_ != nullptr);
    pid_ = Pid{static_cast<std::int32_t>(read_line().values(0).number_value())};
    const auto account = read_line();
    for (const auto& value : account.values()) {
      const auto& fields = value.list_value();
      stack_.push_back({.name = fields.values(0).string_value(),
                        .file = fields.values(1).string_value(),
                        .line = static_cast<std::int32_t>(fields.values(2).number_value())});
    }
    await_block();
  }
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;
  ~Account() {
    if (pid_.value > 0) ::kill(pid_.value, SIGKILL);
    if (output_ != nullptr) ::pclose(output_);
  }

  [[nodiscard]] Pid pid() const { return pid_; }
  [[nodiscard]] const std::vector<Told>& stack() const { return stack_; }

 private:
  google::protobuf::ListValue read_line() {
    std::string line;
    for (int byte = std::fgetc(output_); byte != EOF && byte != '\n'; byte = std::fgetc(output_)) {
      line.push_back(static_cast<char>(byte));
    }
    google::protobuf::ListValue value;
    REQUIRE(google::protobuf::util::JsonStringToMessage(line, &value).ok());
    return value;
  }
  // It tells of itself just before it blocks: the kernel says when it has.
  void await_block() const {
    auto files = ThreadFiles::open(ProcRoot(), pid_, Tid{pid_.value});
    REQUIRE(files);
    while (true) {
      const auto call = files->system_call();
      REQUIRE(call);
      const auto name = call->number ? system_call_name(*call->number) : std::nullopt;
      if (name && *name != "write") return;
      ::sched_yield();
    }
  }

  std::FILE* output_ = nullptr;
  Pid pid_;
  std::vector<Told> stack_;
};

// The blocked main thread, attached to as the daemon does it.
struct Seen {
  std::unique_ptr<daemon::Target> target;
  daemon::TargetThread thread;
  RawStack stack;
};

Seen look_at(Pid pid) {
  auto target = daemon::Target::attach(ProcRoot(), pid);
  REQUIRE(target);
  const auto threads = (*target)->threads();
  REQUIRE(threads);
  REQUIRE(threads->size() == 1);
  Seen seen{.target = std::move(*target), .thread = threads->front(), .stack = {}};
  CHECK(seen.thread.tid == Tid{pid.value});
  ThreadCursor cursor(seen.thread.state.address);
  // It stands still; only we may be preempted, and then the read is refused.
  for (int attempt = 0; attempt < 100 && !seen.stack.whole; ++attempt) {
    static_cast<void>(seen.target->stacks().read(cursor, seen.stack));
  }
  REQUIRE(seen.stack.whole);
  return seen;
}

std::vector<Told> frames_of(const Seen& seen) {
  std::vector<Told> frames;
  for (const auto& raw : seen.stack.frames) {
    const auto function = seen.target->codes().function(raw);
    REQUIRE(function);
    const auto line = seen.target->codes().place(**function, raw.instruction).line;
    frames.push_back({.name = (*function)->name, .file = (*function)->file, .line = line.value_or(0)});
  }
  return frames;
}

std::string call_of(const Seen& seen) {
  NameReader names(seen.target->codes());
  const auto function = seen.target->codes().function(seen.stack.frames.front());
  REQUIRE(function);
  const auto call = names.builtin_call(seen.stack.frames.front(), **function);
  return call ? call->name : "(none)";
}

TEST_CASE("a blocked stack is the one that the interpreter tells, and the call that blocks it is named") {
  struct Row {
    const char* block;
    const char* call;
  };
  for (const auto& interpreter : test::interpreters()) {
    for (const auto& [block, call] : {Row{"sleep", "time.sleep"}, Row{"read", "os.read"},
                                      Row{"lock", "threading.Lock.acquire"}, Row{"recv", "socket.recv"}}) {
      CAPTURE(interpreter.name, block);
      const Account account(interpreter, block);
      const Seen seen = look_at(account.pid());
      CHECK(frames_of(seen) == account.stack());
      CHECK(call_of(seen) == call);
    }
  }
}

TEST_CASE("the task that blocks its loop is named, with its coroutine and where that is defined") {
  for (const auto& interpreter : test::interpreters()) {
    CAPTURE(interpreter.name);
    const Account account(interpreter, "task");
    const Seen seen = look_at(account.pid());
    CHECK(frames_of(seen) == account.stack());

    asyncio::LoopReader loops(seen.target->codes());
    const auto loop = loops.find(seen.thread.state.address, seen.thread.state.interpreter, seen.stack);
    REQUIRE(loop);
    REQUIRE(*loop);
    asyncio::TaskReader tasks(seen.target->codes(), [&] { return seen.target->asyncio_offsets(); });
    const auto task = tasks.current(seen.thread.state.address, seen.thread.state.interpreter, (*loop)->loop);
    REQUIRE(task);
    REQUIRE(*task);
    const bool tasks_have_names = seen.target->runtime().layout.task.name.has_value();  // from 3.8
    CHECK((*task)->name == (tasks_have_names ? "the worker" : ""));
    CHECK((*task)->coroutine == "worker");
    CHECK((*task)->file == SNAG_TEST_SOURCE_DIR "/account.py");
    // The frame of the coroutine lies on the stack, and begins where the task says that it is defined.
    const auto frames = frames_of(seen);
    const bool on_stack = std::any_of(frames.begin(), frames.end(), [&](const Told& frame) {
      return frame.name == "worker" && frame.line == (*task)->line + 1;
    });
    CHECK(on_stack);
  }
}

}  // namespace
}  // namespace snag::python
