// The daemon's side of a connection, over a real socket pair, against clients that do not behave.

#include "daemon/session.h"

#include <thread>

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <unistd.h>

namespace snag::daemon {
namespace {

std::pair<UniqueDescriptor, UniqueDescriptor> socket_pair() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  return {UniqueDescriptor(ends[0]), UniqueDescriptor(ends[1])};
}

// A client that sends whatever it likes.
class Client {
 public:
  explicit Client(UniqueDescriptor socket) : socket_(std::move(socket)) {}

  void send(const v1::ClientMessage& message) {
    stream::MessageWriter writer;
    REQUIRE(writer.append(message, stream::kMaxMessageBytes) == stream::MessageWriter::Append::kAppended);
    REQUIRE(writer.flush(socket_.get()) == stream::MessageWriter::Flush::kSent);
  }
  void send_hello(std::uint32_t protocol = 1) {
    v1::ClientMessage message;
    message.mutable_hello()->set_protocol(protocol);
    send(message);
  }
  void send_stop() {
    v1::ClientMessage message;
    message.mutable_stop();
    send(message);
  }
  void send_bytes(std::string_view bytes) {
    REQUIRE(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  void end_sending() { ::shutdown(socket_.get(), SHUT_WR); }
  void leave() { socket_ = UniqueDescriptor(); }

  // The next message; nullopt at the end of the stream.
  std::optional<v1::ServerMessage> next() {
    v1::ServerMessage message;
    while (reader_.next(message) != stream::MessageReader::Outcome::kMessage) {
      std::array<std::byte, 4096> bytes{};
      const ssize_t count = ::read(socket_.get(), bytes.data(), bytes.size());
      if (count <= 0) return std::nullopt;
      reader_.feed(std::span(bytes).first(static_cast<std::size_t>(count)));
    }
    return message;
  }
  // The connection must end with a failure of the protocol. Its sentence.
  std::string protocol_failure() {
    const auto message = next();
    REQUIRE(message);
    REQUIRE(message->has_failure());
    CHECK(message->failure().status() == v1::Failure::PROTOCOL);
    CHECK_FALSE(next());
    return message->failure().message();
  }

 private:
  UniqueDescriptor socket_;
  stream::MessageReader reader_;
};

// A session in a thread of its own, as the server runs it.
class Served {
 public:
  explicit Served(std::pair<UniqueDescriptor, UniqueDescriptor> ends = socket_pair(), bool is_owner = false)
      : client(std::move(ends.first)),
        is_owner_(is_owner),
        thread_([this, socket = ends.second.release()] { run(UniqueDescriptor(socket)); }) {}
  ~Served() {
    client.leave();
    thread_.join();
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  Client client;

 private:
  void run(UniqueDescriptor socket) const {
    Connection connection(std::move(socket));
    serve(connection, proc_, Caller{.user = ::getuid(), .is_owner = is_owner_});
  }

  bool is_owner_;
  ProcRoot proc_;
  std::thread thread_;
};

v1::ClientMessage request_for_nothing() {
  v1::ClientMessage message;
  message.mutable_dump();
  return message;
}

TEST_CASE("hello is answered by hello") {
  Served served;
  served.client.send_hello();
  const auto answer = served.client.next();
  REQUIRE(answer);
  CHECK(answer->hello().protocol() == 1);
  CHECK(answer->hello().program() == "snagd " SNAG_VERSION);
}

TEST_CASE("a request before hello ends the connection") {
  Served served;
  served.client.send(request_for_nothing());
  CHECK(served.client.protocol_failure() == "the first message must be Hello");
}

TEST_CASE("another protocol is refused by its number") {
  Served served;
  served.client.send_hello(99);
  CHECK(served.client.protocol_failure() == "protocol 99 is not spoken here, only protocol 1");
}

TEST_CASE("a second hello is no request") {
  Served served;
  served.client.send_hello();
  REQUIRE(served.client.next());
  served.client.send_hello();
  CHECK_THAT(served.client.protocol_failure(), Catch::Contains("no request"));
}

TEST_CASE("a message without content is no request") {
  Served served;
  served.client.send_hello();
  REQUIRE(served.client.next());
  served.client.send(v1::ClientMessage());
  CHECK_THAT(served.client.protocol_failure(), Catch::Contains("no request"));
}

TEST_CASE("garbage ends the connection with a sentence") {
  Served served;
  served.client.send_bytes(
      "GET / HTTP/1.1\r\nHost: snag\r\nAccept: */*\r\nUser-Agent: a browser that is lost here\r\n\r\n");
  CHECK_FALSE(served.client.protocol_failure().empty());
}

TEST_CASE("a length beyond the protocol's ends the connection before the message comes") {
  Served served;
  served.client.send_bytes("\xFF\xFF\xFF\xFF\x0F");  // 4 GiB - 1
  CHECK_FALSE(served.client.protocol_failure().empty());
}

TEST_CASE("a length that does not end is refused") {
  Served served;
  served.client.send_bytes("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF");
  CHECK_FALSE(served.client.protocol_failure().empty());
}

TEST_CASE("a client that leaves within a message ends its session") {
  Served served;
  served.client.send_hello();
  REQUIRE(served.client.next());
  served.client.send_bytes(std::string_view("\x40\x0A\x05", 3));  // 64 bytes announced, 2 sent
  served.client.end_sending();
  CHECK_FALSE(served.client.next());
}

TEST_CASE("a session ends when its client leaves without a word") {
  Served served;
  served.client.leave();
}

TEST_CASE("a request that names no process is a wrong use, and another may follow") {
  Served served;
  served.client.send_hello();
  REQUIRE(served.client.next());
  for (int i = 0; i < 2; ++i) {
    served.client.send(request_for_nothing());
    std::optional<v1::ServerMessage> message;
    do {
      message = served.client.next();
      REQUIRE(message);
    } while (!message->has_failure());
    CHECK(message->failure().status() == v1::Failure::USAGE);
  }
}

TEST_CASE("a Stop that comes after the request's end is no error") {
  Served served;
  served.client.send_hello();
  REQUIRE(served.client.next());
  served.client.send_stop();
  served.client.send(request_for_nothing());
  const auto answer = served.client.next();
  REQUIRE(answer);
  CHECK(answer->failure().status() == v1::Failure::USAGE);
}

// What a running request sees of its client.
struct Running {
  explicit Running(std::pair<UniqueDescriptor, UniqueDescriptor> ends = socket_pair())
      : client(std::move(ends.first)),
        connection(std::move(ends.second)),
        request(connection, interner, proc, Caller{}) {}

  Client client;
  Connection connection;
  stream::Interner interner;
  ProcRoot proc;
  Request request;
};

constexpr Instant kPast{};

TEST_CASE("a running request goes on at its deadline") {
  Running running;
  CHECK(running.request.pause_until(kPast) == Request::Pause::kGoOn);
}

TEST_CASE("a running request ends at Stop") {
  Running running;
  running.client.send_stop();
  CHECK(running.request.pause_until(kPast + std::chrono::hours(1'000'000)) == Request::Pause::kStop);
}

TEST_CASE("a running request ends when its client leaves") {
  Running running;
  running.client.leave();
  CHECK(running.request.pause_until(kPast + std::chrono::hours(1'000'000)) == Request::Pause::kStop);
}

TEST_CASE("a request while another runs is refused, and the running one goes on") {
  Running running;
  running.client.send(request_for_nothing());
  CHECK(running.request.pause_until(kPast + std::chrono::hours(1'000'000)) == Request::Pause::kGoOn);
  running.connection.drain(std::chrono::seconds(10));
  const auto answer = running.client.next();
  REQUIRE(answer);
  CHECK(answer->failure().status() == v1::Failure::USAGE);
  CHECK_THAT(answer->failure().message(), Catch::Contains("Stop"));
}

TEST_CASE("a client that sends requests without end loses its connection") {
  Running running;
  for (int i = 0; i < 40; ++i) running.client.send(request_for_nothing());
  int taken = 0;
  while (running.connection.wait_until(kPast) == Connection::Wake::kMessage) {
    static_cast<void>(running.connection.take());
    ++taken;
  }
  CHECK(running.connection.is_gone());
  CHECK(taken < 40);
}

v1::ServerMessage warning_of(std::size_t bytes) {
  v1::ServerMessage message;
  message.mutable_warning()->set_message(std::string(bytes, 'x'));
  return message;
}

TEST_CASE("a client that never reads is slow first, and is left before it costs much memory") {
  Running running;
  const auto message = warning_of(64 << 10U);
  std::size_t sent = 0;
  while (!running.connection.is_slow()) {
    running.connection.send(message);
    sent += message.ByteSizeLong();
    static_cast<void>(running.connection.wait_until(kPast));
    REQUIRE(sent < Connection::kHardLimitBytes);
  }
  CHECK_FALSE(running.connection.is_gone());
  while (!running.connection.is_gone()) {
    running.connection.send(message);
    sent += message.ByteSizeLong();
    REQUIRE(sent < Connection::kHardLimitBytes + (8U << 20U));  // with what the kernel keeps for the socket
  }
  CHECK(running.connection.wait_until(kPast) == Connection::Wake::kGone);
}

TEST_CASE("a slow client that reads again is slow no longer, and has lost nothing") {
  Running running;
  const auto message = warning_of(64 << 10U);
  int sent = 0;
  for (; !running.connection.is_slow(); ++sent) {
    running.connection.send(message);
    static_cast<void>(running.connection.wait_until(kPast));
  }
  std::thread reader([&] {
    for (int i = 0; i < sent; ++i) {
      if (!running.client.next()) return;
    }
    running.client.send_stop();
  });
  // Catch's assertions are for one thread at a time: the reader makes some until it is joined.
  const auto woken = running.connection.wait_until(std::nullopt);
  reader.join();
  CHECK(woken == Connection::Wake::kMessage);  // all were read
  CHECK_FALSE(running.connection.is_slow());
}

TEST_CASE("a message longer than the protocol allows is dropped, not sent") {
  Running running;
  running.connection.send(warning_of(stream::kMaxMessageBytes + 1));
  running.connection.send(warning_of(5));
  CHECK_FALSE(running.connection.is_gone());
  running.connection.drain(std::chrono::seconds(10));
  CHECK(running.client.next()->warning().message() == "xxxxx");
}

// A core names further files that are then read: by a daemon with rights of its own, whatever its clients want to see.
TEST_CASE("a core file is opened for whoever owns the daemon, and for nobody else, root neither") {
  v1::ClientMessage message;
  message.mutable_dump()->mutable_core()->set_file("/proc/self/exe");
  Served shared;
  shared.client.send_hello();
  REQUIRE(shared.client.next());
  shared.client.send(message);
  CHECK(shared.client.next()->failure().status() == v1::Failure::NOT_PERMITTED);
  Served owned(socket_pair(), true);
  owned.client.send_hello();
  REQUIRE(owned.client.next());
  owned.client.send(message);
  const auto answer = owned.client.next();
  CHECK(answer->failure().status() == v1::Failure::FAILED);
  CHECK_THAT(answer->failure().message(), Catch::StartsWith("core /proc/self/exe: ") && Catch::Contains("no core"));
  message.mutable_dump()->add_pids(1);
  owned.client.send(message);
  CHECK(owned.client.next()->failure().status() == v1::Failure::USAGE);
}

TEST_CASE("the runner of a process is told by its command line") {
  struct Row {
    const char* command;
    const char* runner;
  };
  for (const auto& [command, runner] : {
           Row{"/usr/bin/python3 /srv/venv/bin/uvicorn app:app --port 8000", "uvicorn"},
           Row{"python3 -m uvicorn app:app", "uvicorn"},
           Row{"gunicorn -k uvicorn.workers.UvicornWorker app:app", "gunicorn"},
           Row{"python3 manage.py runserver", "Django"},
           Row{"python3 -m ipykernel_launcher -f kernel.json", "Jupyter"},
           Row{"python3 worker.py", "python"},
           Row{"", "python"},
       }) {
    INFO(command);
    CHECK(runner_of(command) == runner);
  }
}

}  // namespace
}  // namespace snag::daemon
