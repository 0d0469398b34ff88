#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace google::protobuf {
class MessageLite;
}

// The bytes between daemon and client: messages, each preceded by its length as a protobuf varint. Neither class knows
// a socket until it is handed one, so that both are tested without any. Neither throws.
namespace snag::stream {

// The longest message of the protocol (snag.proto). A peer that announces more is wrong or hostile.
inline constexpr std::size_t kMaxMessageBytes = std::size_t{4} * 1024 * 1024;

// Bytes in, messages out.
//
//   reader.feed(bytes);
//   while (reader.next(message) == MessageReader::Outcome::kMessage) handle(message);
//
// After an error the place in the stream is lost: every further next() says the same error, and feed() does nothing.
class MessageReader {
 public:
  enum class Outcome {
    kMessage,    // `message` is the next one
    kNeedsMore,  // feed() more bytes
    kError,      // error() says why; close the connection
  };

  // Keeps a copy. What is kept stays below one message and what was fed since the last kNeedsMore.
  void feed(std::span<const std::byte> bytes);
  // `message` is cleared first and may be used again and again: protobuf then reuses its memory. Unchanged unless
  // kMessage, but for an error of parsing.
  [[nodiscard]] Outcome next(google::protobuf::MessageLite& message);

  // One sentence; empty while there is no error.
  [[nodiscard]] const std::string& error() const { return error_; }
  // True: the peer ended within a message, if it ended here.
  [[nodiscard]] bool inside_message() const { return read_ < buffer_.size(); }

 private:
  // The length in front of the next message. 0 bytes of prefix: not all of it has come.
  struct Prefix {
    std::size_t prefix_bytes = 0;
    std::uint64_t message_bytes = 0;
  };
  [[nodiscard]] std::optional<Prefix> read_prefix();
  [[nodiscard]] Outcome fail(std::string sentence);

  std::vector<std::byte> buffer_;
  std::size_t read_ = 0;  // bytes at the front of buffer_ that are done with
  std::string error_;
};

// Messages in, bytes out to a socket, as far as it takes them. Never waits.
class MessageWriter {
 public:
  enum class Append {
    kAppended,
    kFull,     // pending bytes would exceed the limit; nothing was appended
    kTooLong,  // longer than kMaxMessageBytes: no peer would accept it; nothing was appended
  };
  enum class Flush {
    kSent,        // nothing is pending
    kWouldBlock,  // wait until the socket is writable
    kPeerGone,    // closed or broken; what is pending will never be sent
  };

  // The limit is the caller's, per message: samples may be dropped long before definitions are.
  [[nodiscard]] Append append(const google::protobuf::MessageLite& message, std::size_t limit_bytes);
  // MSG_DONTWAIT | MSG_NOSIGNAL: neither blocks nor raises SIGPIPE, whatever the socket's own flags are.
  [[nodiscard]] Flush flush(int socket);

  [[nodiscard]] std::size_t pending_bytes() const { return buffer_.size() - sent_; }

 private:
  std::vector<std::byte> buffer_;
  std::size_t sent_ = 0;  // bytes at the front of buffer_ that are sent
};

// Takes what a socket has, up to kReceiveBytes, without waiting.
enum class Receive {
  kBytes,       // fed to the reader
  kWouldBlock,  // nothing there now
  kPeerGone,    // ended or broken
};
[[nodiscard]] Receive receive(int socket, MessageReader& reader);
// One receive(): small enough for the stack, large enough that a burst takes few system calls.
inline constexpr std::size_t kReceiveBytes = std::size_t{64} * 1024;

}  // namespace snag::stream
