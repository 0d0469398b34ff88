#include "daemon/cause.h"

#include <vector>

#include <catch2/catch.hpp>
#include <sys/syscall.h>

namespace snag::daemon {
namespace {

SystemCall blocked_in(std::int64_t number) {
  SystemCall call;
  call.number = number;
  return call;
}

SystemCall on_processor() {
  SystemCall call;
  call.running = true;
  return call;
}

Descriptor of_kind(DescriptorKind kind) { return {.kind = kind, .target = {}, .inode = {}, .ends = {}}; }

ShownFrame frame(std::string file) { return {.function = "f", .file = std::move(file), .module = {}}; }

struct Row {
  const char* what;
  SystemCall call;
  std::optional<Descriptor> descriptor;
  bool gil_elsewhere;
  const char* builtin;
  std::vector<ShownFrame> called;
  Cause cause;
};

Cause cause_of(const Row& row) {
  return classify({.system_call = row.call,
                   .descriptor = row.descriptor,
                   .gil_elsewhere = row.gil_elsewhere,
                   .builtin = row.builtin,
                   .called = row.called});
}

void check(const std::vector<Row>& rows) {
  for (const auto& row : rows) {
    INFO(row.what);
    CHECK(static_cast<int>(cause_of(row)) == static_cast<int>(row.cause));
  }
}

const auto kSocket = of_kind(DescriptorKind::kSocket);
const auto kFile = of_kind(DescriptorKind::kFile);
const auto kPipe = of_kind(DescriptorKind::kPipe);
const auto kAnonymous = of_kind(DescriptorKind::kAnonymous);

TEST_CASE("a thread that sleeps is told from one that waits") {
  check({
      {"time.sleep from 3.11", blocked_in(SYS_clock_nanosleep), {}, false, "time.sleep", {}, Cause::kSleep},
      {"time.sleep to 3.10", blocked_in(SYS_select), {}, false, "time.sleep", {}, Cause::kSleep},
      {"time.sleep on its way", on_processor(), {}, false, "time.sleep", {}, Cause::kSleep},
      {"a C extension's nanosleep", blocked_in(SYS_nanosleep), {}, false, "ext.wait", {}, Cause::kSleep},
      {"select.select without a socket", blocked_in(SYS_select), {}, false, "select.select", {}, Cause::kNetwork},
      {"select of something unknown", blocked_in(SYS_select), {}, false, "ext.wait", {}, Cause::kUnknown},
  });
}

TEST_CASE("network, names and files are told by the system call and its descriptor") {
  check({
      {"recv", blocked_in(SYS_recvfrom), kSocket, false, "socket.recv", {}, Cause::kNetwork},
      {"connect", blocked_in(SYS_connect), kSocket, false, "socket.connect", {}, Cause::kNetwork},
      {"recv with a timeout", blocked_in(SYS_poll), {}, false, "socket.recv", {}, Cause::kNetwork},
      {"a TLS read", blocked_in(SYS_read), kSocket, false, "ssl.SSLSocket.read", {}, Cause::kNetwork},
      {"getaddrinfo in poll", blocked_in(SYS_poll), {}, false, "socket.getaddrinfo", {}, Cause::kDns},
      {"getaddrinfo in recvfrom", blocked_in(SYS_recvfrom), kSocket, false, "socket.getaddrinfo", {}, Cause::kDns},
      {"gethostbyname reads hosts", blocked_in(SYS_read), kFile, false, "socket.gethostbyname", {}, Cause::kDns},
      {"getaddrinfo done, the GIL is not there",
       blocked_in(SYS_futex),
       {},
       true,
       "socket.getaddrinfo",
       {},
       Cause::kGil},
      {"read of a file", blocked_in(SYS_read), kFile, false, "io.FileIO.read", {}, Cause::kFile},
      {"read of a pipe", blocked_in(SYS_read), kPipe, false, "os.read", {}, Cause::kFile},
      {"read of an eventfd", blocked_in(SYS_read), kAnonymous, false, "os.read", {}, Cause::kUnknown},
      {"read of what is not known", blocked_in(SYS_read), {}, false, "os.read", {}, Cause::kUnknown},
      {"fsync", blocked_in(SYS_fsync), kFile, false, "os.fsync", {}, Cause::kFile},
      {"open", blocked_in(SYS_openat), {}, false, "open", {}, Cause::kFile},
  });
}

TEST_CASE("waiting for a child is told by wait or by the pipe that subprocess reads") {
  const std::vector<ShownFrame> subprocess{frame("/usr/lib/python3.11/subprocess.py")};
  check({
      {"Popen.wait", blocked_in(SYS_wait4), {}, false, "os.waitpid", subprocess, Cause::kSubprocess},
      {"os.waitid", blocked_in(SYS_waitid), {}, false, "os.waitid", {}, Cause::kSubprocess},
      {"check_output", blocked_in(SYS_read), kPipe, false, "io.FileIO.read", subprocess, Cause::kSubprocess},
      {"subprocess reads a file", blocked_in(SYS_read), kFile, false, "io.FileIO.read", subprocess, Cause::kFile},
  });
}

TEST_CASE("a futex is a future, a lock or the GIL by who waits on it") {
  const std::vector<ShownFrame> future{frame("/usr/lib/python3.11/threading.py"),
                                       frame("/usr/lib/python3.11/concurrent/futures/_base.py")};
  check({
      {"a lock", blocked_in(SYS_futex), {}, false, "threading.Lock.acquire", {}, Cause::kLock},
      {"a lock while another has the GIL", blocked_in(SYS_futex), {}, true, "threading.Lock.acquire", {}, Cause::kLock},
      {"with lock:", blocked_in(SYS_futex), {}, false, "threading.Lock.__enter__", {}, Cause::kLock},
      {"a queue", blocked_in(SYS_futex), {}, false, "queue.SimpleQueue.get", {}, Cause::kLock},
      {"a future", blocked_in(SYS_futex), {}, false, "threading.Lock.acquire", future, Cause::kFuture},
      {"Python code, another has the GIL", blocked_in(SYS_futex), {}, true, "", {}, Cause::kGil},
      {"a C function, another has the GIL", blocked_in(SYS_futex), {}, true, "zlib.compress", {}, Cause::kGil},
      {"Python code, nobody has the GIL", blocked_in(SYS_futex), {}, false, "", {}, Cause::kUnknown},
  });
}

TEST_CASE("a thread that runs computes in Python or in C") {
  check({
      {"Python code", on_processor(), {}, false, "", {}, Cause::kCpuPython},
      {"a C function", on_processor(), {}, false, "hashlib.pbkdf2_hmac", {}, Cause::kCpuNative},
  });
}

TEST_CASE("importing is told whatever the import does") {
  const std::vector<ShownFrame> importing{frame("<frozen importlib._bootstrap_external>"),
                                          frame("<frozen importlib._bootstrap>")};
  check({
      {"reads the module", blocked_in(SYS_read), kFile, false, "io.FileIO.read", importing, Cause::kImport},
      {"executes it", on_processor(), {}, false, "", importing, Cause::kImport},
  });
}

TEST_CASE("logging is what blocks while it writes, not while it computes") {
  const std::vector<ShownFrame> logging{frame("/usr/lib/python3.11/logging/__init__.py")};
  check({
      {"to a file", blocked_in(SYS_write), kFile, false, "io.TextIOWrapper.flush", logging, Cause::kLogging},
      {"to a socket", blocked_in(SYS_sendto), kSocket, false, "socket.sendall", logging, Cause::kLogging},
      {"to a pipe", blocked_in(SYS_write), kPipe, false, "io.TextIOWrapper.flush", logging, Cause::kLogging},
      {"formats", on_processor(), {}, false, "", logging, Cause::kCpuPython},
      {"waits for its lock", blocked_in(SYS_futex), {}, false, "threading.RLock.acquire", logging, Cause::kLock},
  });
}

TEST_CASE("a stopped thread is stopped, whatever it was doing") {
  CHECK(classify({.stopped = true,
                  .system_call = blocked_in(SYS_recvfrom),
                  .descriptor = kSocket,
                  .builtin = "time.sleep",
                  .called = {}}) == Cause::kStopped);
}

TEST_CASE("what the kernel does not tell is not guessed") {
  CHECK(classify({.system_call = {}, .descriptor = {}, .builtin = {}, .called = {}}) == Cause::kUnknown);
  CHECK(classify({.system_call = SystemCall{}, .descriptor = {}, .builtin = {}, .called = {}}) == Cause::kUnknown);
  check({{"a call that nobody knows", blocked_in(100'000), {}, true, "", {}, Cause::kUnknown}});
}

TEST_CASE("the descriptor of a system call is its first argument, where it works on one") {
  auto call = blocked_in(SYS_recvfrom);
  call.arguments[0] = 7;
  CHECK(descriptor_of(call) == 7);
  call.number = SYS_poll;
  CHECK_FALSE(descriptor_of(call));
  call.number = 100'000;
  CHECK_FALSE(descriptor_of(call));
  CHECK_FALSE(descriptor_of(on_processor()));
}

}  // namespace
}  // namespace snag::daemon
