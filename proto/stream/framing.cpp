#include "proto/stream/framing.h"

#include <array>
#include <cerrno>
#include <utility>

#include <google/protobuf/message_lite.h>
#include <sys/socket.h>

namespace snag::stream {
namespace {

// 4 MiB needs 23 bits, so four bytes of seven; a fifth means a length that is refused anyway, and ten is what a varint
// can have at all.
constexpr std::size_t kMaxVarintBytes = 10;
// The front of a buffer is given back once it is this long: seldom enough that moving the rest costs nothing per
// message.
constexpr std::size_t kCompactBytes = std::size_t{64} * 1024;

void drop_front(std::vector<std::byte>& buffer, std::size_t& done) {
  if (done == buffer.size()) {
    buffer.clear();
  } else if (done >= kCompactBytes && done >= buffer.size() / 2) {
    buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(done));
  } else {
    return;
  }
  done = 0;
}

std::size_t write_varint(std::uint64_t value, std::span<std::byte, kMaxVarintBytes> out) {
  std::size_t count = 0;
  while (value >= 0x80U) {
    out[count++] = static_cast<std::byte>((value & 0x7FU) | 0x80U);
    value >>= 7U;
  }
  out[count++] = static_cast<std::byte>(value);
  return count;
}

}  // namespace

void MessageReader::feed(std::span<const std::byte> bytes) {
  if (!error_.empty()) return;
  drop_front(buffer_, read_);
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

std::optional<MessageReader::Prefix> MessageReader::read_prefix() {
  Prefix prefix;
  for (std::size_t i = 0; i < kMaxVarintBytes; ++i) {
    if (read_ + i == buffer_.size()) return Prefix{};
    const auto byte = std::to_integer<std::uint64_t>(buffer_[read_ + i]);
    if (i == kMaxVarintBytes - 1 && byte > 1) return std::nullopt;  // more than 64 bits
    prefix.message_bytes |= (byte & 0x7FU) << (7U * i);
    if ((byte & 0x80U) == 0) {
      prefix.prefix_bytes = i + 1;
      return prefix;
    }
  }
  return std::nullopt;
}

MessageReader::Outcome MessageReader::fail(std::string sentence) {
  error_ = std::move(sentence);
  buffer_ = {};
  read_ = 0;
  return Outcome::kError;
}

MessageReader::Outcome MessageReader::next(google::protobuf::MessageLite& message) {
  if (!error_.empty()) return Outcome::kError;
  const std::optional<Prefix> prefix = read_prefix();
  if (!prefix) return fail("the bytes received are no message: the length in front is not a varint");
  if (prefix->prefix_bytes == 0) return Outcome::kNeedsMore;
  if (prefix->message_bytes > kMaxMessageBytes) {
    return fail("a message of " + std::to_string(prefix->message_bytes) + " bytes is announced, the protocol allows " +
                std::to_string(kMaxMessageBytes));
  }
  const auto length = static_cast<std::size_t>(prefix->message_bytes);
  if (buffer_.size() - read_ - prefix->prefix_bytes < length) return Outcome::kNeedsMore;
  const std::byte* start = buffer_.data() + read_ + prefix->prefix_bytes;
  if (!message.ParseFromArray(start, static_cast<int>(length))) {
    return fail("the bytes received are no message: " + std::to_string(length) + " bytes do not parse as " +
                message.GetTypeName());
  }
  read_ += prefix->prefix_bytes + length;
  return Outcome::kMessage;
}

MessageWriter::Append MessageWriter::append(const google::protobuf::MessageLite& message, std::size_t limit_bytes) {
  const std::size_t length = message.ByteSizeLong();
  if (length > kMaxMessageBytes) return Append::kTooLong;
  std::array<std::byte, kMaxVarintBytes> prefix{};
  const std::size_t prefix_bytes = write_varint(length, prefix);
  if (pending_bytes() + prefix_bytes + length > limit_bytes) return Append::kFull;
  drop_front(buffer_, sent_);
  const std::size_t start = buffer_.size();
  buffer_.insert(buffer_.end(), prefix.begin(), prefix.begin() + static_cast<std::ptrdiff_t>(prefix_bytes));
  buffer_.resize(start + prefix_bytes + length);
  message.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(buffer_.data() + start + prefix_bytes));
  return Append::kAppended;
}

MessageWriter::Flush MessageWriter::flush(int socket) {
  while (sent_ < buffer_.size()) {
    const ssize_t count = ::send(socket, buffer_.data() + sent_, buffer_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return Flush::kWouldBlock;
      return Flush::kPeerGone;
    }
    sent_ += static_cast<std::size_t>(count);
  }
  drop_front(buffer_, sent_);
  return Flush::kSent;
}

Receive receive(int socket, MessageReader& reader) {
  std::array<std::byte, kReceiveBytes> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by recv
  for (;;) {
    const ssize_t count = ::recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count > 0) {
      reader.feed(std::span(bytes).first(static_cast<std::size_t>(count)));
      return Receive::kBytes;
    }
    if (count == 0) return Receive::kPeerGone;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? Receive::kWouldBlock : Receive::kPeerGone;
  }
}

}  // namespace snag::stream
