// Real programs of each libc that this machine can link, held against what they say of their own threads.

#include "readers/process/pthreads.h"

#include <cstdio>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <sched.h>
#include <signal.h>

#include "readers/process/live_memory.h"
#include "readers/process/threads.h"

using namespace snag;

namespace {

// pthread_account, running and blocked.
class Account {
 public:
  explicit Account(const std::string& program) {
    output_ = ::popen(("echo $$; exec " + program).c_str(), "r");
    REQUIRE(output_ != nullptr);
    pid_ = Pid{std::stoi(read_line())};
    for (std::string line = read_line(); line != "ready"; line = read_line()) {
      std::size_t end = 0;
      const Address pthread{std::stoull(line, &end)};
      pthreads_.push_back(pthread);
      numbers_.push_back(Tid{std::stoi(line.substr(end))});
    }
  }
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;
  ~Account() {
    if (pid_.value > 0) ::kill(pid_.value, SIGKILL);
    if (output_ != nullptr) ::pclose(output_);
  }

  // Until the kernel has put all its threads aside.
  void await_rest() const {
    for (const Tid tid : numbers_) {
      auto files = ThreadFiles::open(ProcRoot(), pid_, tid);
      REQUIRE(files);
      while (files->system_call()->running) ::sched_yield();
    }
  }
  [[nodiscard]] Pid pid() const { return pid_; }
  [[nodiscard]] const std::vector<Address>& pthreads() const { return pthreads_; }
  [[nodiscard]] const std::vector<Tid>& numbers() const { return numbers_; }

 private:
  std::string read_line() {
    std::string line;
    for (int byte = std::fgetc(output_); byte != EOF && byte != '\n'; byte = std::fgetc(output_)) {
      line.push_back(static_cast<char>(byte));
    }
    return line;
  }

  std::FILE* output_ = nullptr;
  Pid pid_;
  std::vector<Address> pthreads_;
  std::vector<Tid> numbers_;
};

struct Program {
  const char* path;  // empty: it could not be linked here
  Libc libc;
};

std::vector<Program> programs() {
  std::vector<Program> all;
  for (const Program& one : {Program{SNAG_GLIBC_ACCOUNT, Libc::kGlibc}, Program{SNAG_MUSL_ACCOUNT, Libc::kMusl},
                             Program{SNAG_STATIC_ACCOUNT, Libc::kUnknown}}) {
    if (*one.path != '\0') {
      all.push_back(one);
    } else {
      WARN("no program of this libc: musl-gcc is missing (Debian: musl-tools)");
    }
  }
  return all;
}

// Everything that is asked for at attach.
struct Looked {
  explicit Looked(Pid pid)
      : memory(pid), mappings(*read_mappings(ProcRoot(), pid)), threads(*all_thread_numbers(ProcRoot(), pid)) {}
  LiveMemory memory;
  std::vector<Mapping> mappings;
  std::vector<ThreadNumbers> threads;
};

}  // namespace

TEST_CASE("the libc of a program is known by its file") {
  for (const auto& [path, libc] : programs()) {
    CAPTURE(path);
    const Account account(path);
    CHECK(libc_of(Looked(account.pid()).mappings) == libc);
  }
}

TEST_CASE("glibc says of each thread what the kernel calls it") {
  const Account account(SNAG_GLIBC_ACCOUNT);
  const auto numbers = glibc_thread_numbers(Looked(account.pid()).memory, account.pthreads());
  REQUIRE(numbers);
  CHECK(*numbers == account.numbers());
}

TEST_CASE("what is no struct pthread of glibc has no number, wherever it points") {
  const Account account(SNAG_GLIBC_ACCOUNT);
  const std::vector<Address> pthreads{
      {}, {0x10}, account.pthreads()[0] + 8, account.pthreads()[1], {~std::uint64_t{0}}};
  const auto numbers = glibc_thread_numbers(Looked(account.pid()).memory, pthreads);
  REQUIRE(numbers);
  CHECK(*numbers == std::vector<Tid>{{}, {}, {}, account.numbers()[1], {}});
}

TEST_CASE("the kernel tells each thread that does not run by its stack, and the main thread by its own word") {
  for (const auto& [path, libc] : programs()) {
    CAPTURE(path);
    const Account account(path);
    account.await_rest();
    const Looked looked(account.pid());
    CHECK(thread_numbers_by_stack(looked.memory, ProcRoot(), account.pid(), looked.mappings, account.pthreads(),
                                  looked.threads) == account.numbers());
  }
}

TEST_CASE("a pthread that is none of the kernel's threads gets no number") {
  for (const auto& [path, libc] : programs()) {
    CAPTURE(path);
    const Account account(path);
    account.await_rest();
    Looked looked(account.pid());
    // One thread is another's already, and one pthread lies nowhere.
    std::erase_if(looked.threads, [&](const ThreadNumbers& one) { return one.ours == account.numbers()[2]; });
    std::erase_if(looked.threads, [&](const ThreadNumbers& one) { return one.ours == account.numbers()[0]; });
    const std::vector<Address> pthreads{account.pthreads()[0], account.pthreads()[1], account.pthreads()[2], {0x10}};
    CHECK(thread_numbers_by_stack(looked.memory, ProcRoot(), account.pid(), looked.mappings, pthreads,
                                  looked.threads) == std::vector<Tid>{{}, account.numbers()[1], {}, {}});
  }
}

TEST_CASE("two pthreads on one stack are not told apart") {
  const Account account(SNAG_GLIBC_ACCOUNT);
  account.await_rest();
  const Looked looked(account.pid());
  const std::vector<Address> pthreads{account.pthreads()[1], account.pthreads()[1] - 64};
  CHECK(thread_numbers_by_stack(looked.memory, ProcRoot(), account.pid(), looked.mappings, pthreads, looked.threads) ==
        std::vector<Tid>(2));
}
