#include "fake_daemon.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>
#include <google/protobuf/util/delimited_message_util.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/run.h"

namespace snag::test {
namespace {

// An unnamed file in memory.
struct MemoryFile {
  cli::Descriptor descriptor{::memfd_create("snag-test", MFD_CLOEXEC)};
  [[nodiscard]] std::string text() const {
    std::string text(static_cast<std::size_t>(::lseek(descriptor.get(), 0, SEEK_END)), '\0');
    REQUIRE(::pread(descriptor.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    return text;
  }
};

Ran run(std::vector<std::string> arguments, int out,
        std::function<cli::ConnectResult(const std::optional<std::string>&)> connect) {
  const MemoryFile out_file;
  const MemoryFile error_file;
  cli::Output output(out < 0 ? out_file.descriptor.get() : out);
  cli::Output error(error_file.descriptor.get());
  cli::Signals signals;
  cli::Environment environment{
      .out = output, .error = error, .signals = signals, .connect = connect, .connect_privately = [connect] {
        return connect(std::nullopt);
      }};
  const cli::ExitStatus status = cli::run(arguments, environment);
  return {.status = status, .out = out_file.text(), .error = error_file.text()};
}

}  // namespace

v1::ClientMessage Peer::receive() {
  v1::ClientMessage message;
  for (;;) {
    const auto next = reader_.next(message);
    if (next == stream::MessageReader::Outcome::kMessage) return message;
    if (next == stream::MessageReader::Outcome::kError) return {};
    pollfd entry{.fd = socket_, .events = POLLIN, .revents = 0};
    ::poll(&entry, 1, -1);
    if (stream::receive(socket_, reader_) == stream::Receive::kPeerGone) return {};
  }
}

void Peer::send_bytes(const std::string& bytes) const {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count < 0) return;
    sent += static_cast<std::size_t>(count);
  }
}

void Peer::send(const v1::ServerMessage& message) const {
  std::ostringstream bytes;
  google::protobuf::util::SerializeDelimitedToOstream(message, &bytes);
  send_bytes(bytes.str());
}

v1::ClientMessage Peer::greet() {
  const v1::ClientMessage hello = receive();
  if (hello.hello().protocol() != 1) return {};
  v1::ServerMessage answer;
  answer.mutable_hello()->set_protocol(1);
  answer.mutable_hello()->set_program("fake");
  send(answer);
  return receive();
}

void Peer::target(int pid) const {
  v1::ServerMessage message;
  v1::Target& target = *message.mutable_target();
  target.set_pid(pid);
  target.set_version("3.12.1");
  target.set_implementation("CPython");
  target.set_runner("uvicorn");
  v1::Loop& loop = *target.add_loops();
  loop.set_kind(v1::Loop::UVLOOP);
  loop.set_thread_name("MainThread");
  send(message);
}

void Peer::summary(const v1::SamplingSummary& summary) const {
  v1::ServerMessage message;
  *message.mutable_summary() = summary;
  send(message);
}

void Peer::done() const {
  v1::ServerMessage message;
  message.mutable_done();
  send(message);
}

void Peer::fail(v1::Failure::Status status, const std::string& sentence, const std::string& remedy) const {
  v1::ServerMessage message;
  message.mutable_failure()->set_status(status);
  message.mutable_failure()->set_message(sentence);
  message.mutable_failure()->set_remedy(remedy);
  send(message);
}

Ran run_snag(std::vector<std::string> arguments, const Script& script, int out) {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  std::thread daemon([&script, socket = ends[1]] {
    Peer peer(socket);
    script(peer);
    ::close(socket);
  });
  cli::Descriptor ours(ends[0]);
  Ran ran = run(std::move(arguments), out,
                [&ours](const std::optional<std::string>&) { return cli::Connection(std::move(ours)); });
  ours.reset();
  daemon.join();
  return ran;
}

Ran run_snag_alone(std::vector<std::string> arguments) {
  return run(std::move(arguments), -1, [](const std::optional<std::string>&) -> cli::ConnectResult {
    FAIL_CHECK("it asked for a daemon");
    return cli::ConnectError{.sentence = "no daemon", .remedy = ""};
  });
}

Folder::Folder() {
  std::string name = (std::filesystem::temp_directory_path() / "snag-test-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

Folder::~Folder() { std::filesystem::remove_all(path_); }

std::vector<std::string> Folder::names() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path_))
    names.push_back(entry.path().filename().string());
  return names;
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_text(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

}  // namespace snag::test
