#include "proto/stream/framing.h"

#include <array>
#include <sstream>
#include <string>

#include <catch2/catch.hpp>
#include <google/protobuf/util/delimited_message_util.h>
#include <snag/v1/snag.pb.h>
#include <sys/socket.h>
#include <unistd.h>

using snag::stream::kMaxMessageBytes;
using snag::stream::MessageReader;
using snag::stream::MessageWriter;
using snag::stream::Receive;
using snag::v1::ClientMessage;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

ClientMessage hello(const std::string& program) {
  ClientMessage message;
  message.mutable_hello()->set_protocol(1);
  message.mutable_hello()->set_program(program);
  return message;
}

// The oracle: protobuf's own writer of delimited messages.
std::string delimited(const ClientMessage& message) {
  std::ostringstream out;
  google::protobuf::util::SerializeDelimitedToOstream(message, &out);
  return out.str();
}

struct SocketPair {
  std::array<int, 2> ends{};
  SocketPair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0); }
  ~SocketPair() {
    for (const int end : ends) {
      if (end >= 0) ::close(end);
    }
  }
  SocketPair(const SocketPair&) = delete;
  SocketPair& operator=(const SocketPair&) = delete;
  void close_end(std::size_t index) {
    ::close(ends[index]);
    ends[index] = -1;
  }
};

std::string error_of(std::string_view bytes) {
  MessageReader reader;
  reader.feed(bytes_of(bytes));
  ClientMessage message;
  REQUIRE(reader.next(message) == MessageReader::Outcome::kError);
  return reader.error();
}

}  // namespace

TEST_CASE("the schema's example of a client's first bytes is read as a hello") {
  constexpr std::array<unsigned char, 8> kExample = {0x07, 0x0a, 0x05, 0x08, 0x01, 0x12, 0x01, 0x78};
  MessageReader reader;
  reader.feed(std::as_bytes(std::span(kExample)));
  ClientMessage message;
  REQUIRE(reader.next(message) == MessageReader::Outcome::kMessage);
  CHECK(message.hello().protocol() == 1);
  CHECK(message.hello().program() == "x");
  CHECK(reader.next(message) == MessageReader::Outcome::kNeedsMore);
  CHECK_FALSE(reader.inside_message());
}

TEST_CASE("messages arrive whole and in order, a byte at a time and in one piece") {
  std::string wire;
  const std::vector<std::string> programs = {"a", std::string(127, 'b'), std::string(20'000, 'c'), "", "d"};
  for (const std::string& program : programs) wire += delimited(hello(program));
  const std::size_t piece = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{1000}, std::size_t{1} << 20U);
  MessageReader reader;
  ClientMessage message;
  std::vector<std::string> got;
  for (std::size_t at = 0; at < wire.size(); at += piece) {
    reader.feed(bytes_of(std::string_view(wire).substr(at, piece)));
    while (reader.next(message) == MessageReader::Outcome::kMessage) got.push_back(message.hello().program());
  }
  CHECK(got == programs);
  CHECK(reader.error().empty());
  CHECK_FALSE(reader.inside_message());
}

TEST_CASE("a stream that ends within a message is known to have done so") {
  const std::string wire = delimited(hello("somebody"));
  MessageReader reader;
  reader.feed(bytes_of(std::string_view(wire).substr(0, wire.size() - 1)));
  ClientMessage message;
  CHECK(reader.next(message) == MessageReader::Outcome::kNeedsMore);
  CHECK(reader.inside_message());
}

TEST_CASE("a message of the greatest length is taken, one byte more is refused before its bytes come") {
  ClientMessage message = hello("");
  const std::size_t overhead =
      hello(std::string(kMaxMessageBytes - 100, 'x')).ByteSizeLong() - (kMaxMessageBytes - 100);
  message = hello(std::string(kMaxMessageBytes - overhead, 'x'));
  REQUIRE(message.ByteSizeLong() == kMaxMessageBytes);
  MessageReader reader;
  reader.feed(bytes_of(delimited(message)));
  ClientMessage got;
  REQUIRE(reader.next(got) == MessageReader::Outcome::kMessage);
  CHECK(got.hello().program().size() == kMaxMessageBytes - overhead);

  // 4194305 as a varint
  CHECK(error_of("\x81\x80\x80\x02") == "a message of 4194305 bytes is announced, the protocol allows 4194304");
}

TEST_CASE("a length that is no varint, and bytes that are no message, are errors with a sentence") {
  CHECK_THAT(error_of(std::string(11, '\xff')), Catch::Matchers::Contains("not a varint"));
  // ten bytes, but more than 64 bits
  CHECK_THAT(error_of(std::string(9, '\xff') + '\x02'), Catch::Matchers::Contains("not a varint"));
  // 2^64 - 1
  CHECK_THAT(error_of(std::string(9, '\xff') + '\x01'), Catch::Matchers::Contains("18446744073709551615 bytes"));
  // field 1, length-delimited, 100 bytes long in a message of three
  CHECK_THAT(error_of(std::string("\x03\x0a\x64\x00", 4)),
             Catch::Matchers::Contains("3 bytes do not parse as snag.v1"));
}

TEST_CASE("nothing is read after an error") {
  MessageReader reader;
  ClientMessage message;
  reader.feed(bytes_of(std::string(11, '\xff')));
  REQUIRE(reader.next(message) == MessageReader::Outcome::kError);
  reader.feed(bytes_of(delimited(hello("late"))));
  CHECK(reader.next(message) == MessageReader::Outcome::kError);
}

TEST_CASE("what the writer sends is what protobuf's own writer of delimited messages writes") {
  SocketPair sockets;
  MessageWriter writer;
  std::string expected;
  for (const char* program : {"one", "", "three"}) {
    REQUIRE(writer.append(hello(program), 1000) == MessageWriter::Append::kAppended);
    expected += delimited(hello(program));
  }
  CHECK(writer.pending_bytes() == expected.size());
  REQUIRE(writer.flush(sockets.ends[0]) == MessageWriter::Flush::kSent);
  CHECK(writer.pending_bytes() == 0);
  std::string got(1000, '\0');
  const ssize_t count = ::recv(sockets.ends[1], got.data(), got.size(), MSG_DONTWAIT);
  got.resize(static_cast<std::size_t>(count));
  CHECK(got == expected);
}

TEST_CASE("a message over the caller's limit is not appended, one longer than the protocol allows never is") {
  MessageWriter writer;
  const std::size_t length = delimited(hello("x")).size();
  CHECK(writer.append(hello("x"), length - 1) == MessageWriter::Append::kFull);
  CHECK(writer.pending_bytes() == 0);
  CHECK(writer.append(hello("x"), length) == MessageWriter::Append::kAppended);
  CHECK(writer.append(hello("x"), length) == MessageWriter::Append::kFull);
  CHECK(writer.append(hello("x"), 2 * length) == MessageWriter::Append::kAppended);
  CHECK(writer.append(hello(std::string(kMaxMessageBytes, 'x')), 10 * kMaxMessageBytes) ==
        MessageWriter::Append::kTooLong);
  CHECK(writer.pending_bytes() == 2 * length);
}

TEST_CASE("a reader that does not read makes flush answer at once, and loses nothing") {
  SocketPair sockets;
  MessageWriter writer;
  std::size_t appended = 0;
  auto flushed = MessageWriter::Flush::kSent;
  while (flushed == MessageWriter::Flush::kSent) {
    REQUIRE(writer.append(hello(std::string(5000, 'x')), kMaxMessageBytes) == MessageWriter::Append::kAppended);
    ++appended;
    flushed = writer.flush(sockets.ends[0]);
  }
  REQUIRE(flushed == MessageWriter::Flush::kWouldBlock);
  CHECK(writer.pending_bytes() > 0);

  MessageReader reader;
  ClientMessage message;
  std::size_t got = 0;
  while (got < appended) {
    REQUIRE(snag::stream::receive(sockets.ends[1], reader) == Receive::kBytes);
    while (reader.next(message) == MessageReader::Outcome::kMessage) ++got;
    REQUIRE(writer.flush(sockets.ends[0]) != MessageWriter::Flush::kPeerGone);
  }
  CHECK(got == appended);
  CHECK(snag::stream::receive(sockets.ends[1], reader) == Receive::kWouldBlock);
}

TEST_CASE("a peer that is gone is an answer, not a signal") {
  SocketPair sockets;
  MessageWriter writer;
  REQUIRE(writer.append(hello("x"), 100) == MessageWriter::Append::kAppended);
  sockets.close_end(1);
  CHECK(writer.flush(sockets.ends[0]) == MessageWriter::Flush::kPeerGone);
  MessageReader reader;
  CHECK(snag::stream::receive(sockets.ends[0], reader) == Receive::kPeerGone);
}
