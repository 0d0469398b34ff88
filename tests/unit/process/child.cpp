#include "tests/unit/process/child.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snag::test {
namespace {

// Both ends of a pipe; closed on exec, so that the end of file tells of an exec or an exit.
std::pair<int, int> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  return {ends[0], ends[1]};
}

// The bytes until the end of file or the first one.
bool await_byte(int end) {
  char byte = 0;
  return ::read(end, &byte, 1) == 1;
}

}  // namespace

Child::Child(const std::function<void(const std::function<void()>&)>& body) {
  const auto [read_end, write_end] = make_pipe();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(read_end);
    body([end = write_end] { static_cast<void>(!::write(end, "r", 1)); });
    ::_exit(0);
  }
  ::close(write_end);
  const bool ready = await_byte(read_end);
  ::close(read_end);
  if (!ready) throw std::runtime_error("the child ended before it was ready");
}

Child::Child(const std::vector<std::string>& command) {
  const auto [read_end, write_end] = make_pipe();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    ::execvp(arguments.front(), arguments.data());
    static_cast<void>(!::write(write_end, "x", 1));
    ::_exit(127);
  }
  ::close(write_end);
  const bool failed = await_byte(read_end);
  ::close(read_end);
  if (failed) throw std::runtime_error("cannot run " + command.front());
}

Child::~Child() {
  if (pid_ > 0) kill_and_reap();
}

void Child::signal(int number) const { ::kill(pid_, number); }

void Child::await_stop() const {
  int status = 0;
  ::waitpid(pid_, &status, WUNTRACED);
  if (!WIFSTOPPED(status)) throw std::runtime_error("the child did not stop");
}

void Child::kill_and_leave_zombie() {
  ::kill(pid_, SIGKILL);
  siginfo_t info = {};
  ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
}

int Child::kill_and_reap() {
  ::kill(pid_, SIGKILL);
  return join();
}

int Child::join(rusage* used) {
  int status = 0;
  ::wait4(pid_, &status, 0, used);
  pid_ = -1;
  return status;
}

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "snag-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TemporaryDirectory::write(const std::string& name, const std::string& text) const {
  const std::filesystem::path path = std::filesystem::path(path_) / name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

void TemporaryDirectory::link(const std::string& name, const std::string& target) const {
  const std::filesystem::path path = std::filesystem::path(path_) / name;
  std::filesystem::create_directories(path.parent_path());
  std::filesystem::create_symlink(target, path);
}

}  // namespace snag::test
