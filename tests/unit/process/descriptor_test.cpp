#include "readers/process/descriptor.h"

#include <cstring>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "readers/process/unique_descriptor.h"
#include "tests/unit/process/child.h"

using namespace snag;
using snag::test::TemporaryDirectory;

namespace {

Pid us() { return {::getpid()}; }

template <class Address>
std::uint16_t bind_anywhere(int socket, Address address) {
  REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  socklen_t length = sizeof address;
  REQUIRE(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  std::uint16_t port = 0;
  std::memcpy(&port, reinterpret_cast<const char*>(&address) + 2, sizeof port);  // the same place for both families
  return ntohs(port);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

sockaddr_in6 loopback6(std::uint16_t port) {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = in6addr_loopback;
  return address;
}

}  // namespace

TEST_CASE("a connected TCP socket is told by both its ends, as getsockname and getpeername do") {
  const UniqueDescriptor server(::socket(AF_INET, SOCK_STREAM, 0));
  const std::uint16_t port = bind_anywhere(server.get(), loopback(0));
  REQUIRE(::listen(server.get(), 1) == 0);
  const UniqueDescriptor client(::socket(AF_INET, SOCK_STREAM, 0));
  const std::uint16_t own_port = bind_anywhere(client.get(), loopback(0));
  auto address = loopback(port);
  REQUIRE(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);

  const auto descriptor = describe_descriptor(ProcRoot(), us(), client.get());
  REQUIRE(descriptor);
  CHECK(descriptor->kind == DescriptorKind::kSocket);
  REQUIRE(descriptor->ends);
  CHECK(descriptor->ends->protocol == SocketProtocol::kTcp);
  CHECK(descriptor->ends->local == "127.0.0.1:" + std::to_string(own_port));
  CHECK(descriptor->ends->remote == "127.0.0.1:" + std::to_string(port));
  CHECK(descriptor->ends->state == "ESTABLISHED");
  CHECK(short_text(*descriptor) == "127.0.0.1:" + std::to_string(port));

  const auto listening = describe_descriptor(ProcRoot(), us(), server.get());
  REQUIRE(listening);
  REQUIRE(listening->ends);
  CHECK(listening->ends->state == "LISTEN");
  CHECK(listening->ends->remote.empty());
}

TEST_CASE("IPv6 addresses are told in brackets") {
  const UniqueDescriptor server(::socket(AF_INET6, SOCK_DGRAM, 0));
  if (!server.is_open()) {
    WARN("skipped: no IPv6 here");
    return;
  }
  const std::uint16_t port = bind_anywhere(server.get(), loopback6(0));
  const UniqueDescriptor client(::socket(AF_INET6, SOCK_DGRAM, 0));
  auto address = loopback6(port);
  REQUIRE(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const auto descriptor = describe_descriptor(ProcRoot(), us(), client.get());
  REQUIRE(descriptor);
  REQUIRE(descriptor->ends);
  CHECK(descriptor->ends->protocol == SocketProtocol::kUdp);
  CHECK(descriptor->ends->remote == "[::1]:" + std::to_string(port));
}

TEST_CASE("an IPv4 peer of an IPv6 socket is told as IPv4") {
  const TemporaryDirectory tree;
  tree.write("5/net/tcp", "  sl  local_address ...\n");
  tree.write("5/net/tcp6",
             "  sl  local_address\n"
             "   0: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000503000A:01BB 02 00000000:00000000 "
             "00:00000000 00000000  1000        0 4711 1 0000 100\n");
  const auto ends = find_socket(ProcRoot(tree.path()), Pid{5}, 4711);
  REQUIRE(ends);
  REQUIRE(*ends);
  CHECK((*ends)->local == "127.0.0.1:8080");
  CHECK((*ends)->remote == "10.0.3.5:443");
  CHECK((*ends)->state == "SYN_SENT");
}

TEST_CASE("a Unix socket is told by its path") {
  const TemporaryDirectory tree;
  const std::string path = tree.path() + "/with space";
  const UniqueDescriptor server(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  REQUIRE(::bind(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const auto descriptor = describe_descriptor(ProcRoot(), us(), server.get());
  REQUIRE(descriptor);
  REQUIRE(descriptor->ends);
  CHECK(descriptor->ends->protocol == SocketProtocol::kUnix);
  CHECK(descriptor->ends->local == path);
  CHECK(short_text(*descriptor) == path);
}

TEST_CASE("pipes, files and anonymous inodes are told apart") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const UniqueDescriptor read_end(ends[0]);
  const UniqueDescriptor write_end(ends[1]);
  const auto pipe = describe_descriptor(ProcRoot(), us(), read_end.get());
  REQUIRE(pipe);
  struct stat status = {};
  ::fstat(read_end.get(), &status);
  CHECK(pipe->kind == DescriptorKind::kPipe);
  CHECK(pipe->inode == status.st_ino);
  CHECK(short_text(*pipe) == "pipe");

  const UniqueDescriptor epoll(::epoll_create1(0));
  const auto anonymous = describe_descriptor(ProcRoot(), us(), epoll.get());
  REQUIRE(anonymous);
  CHECK(anonymous->kind == DescriptorKind::kAnonymous);
  CHECK(short_text(*anonymous) == "eventpoll");

  const snag::test::Child child({"/bin/sleep", "1000"});
  const auto file = describe_descriptor(ProcRoot(), child.pid(), 99);
  CHECK(file.error().kind == ErrorKind::kNoSuchProcess);
}

TEST_CASE("tables that are cut short or corrupt make no socket and no crash") {
  const TemporaryDirectory tree;
  const std::string line =
      GENERATE(as<std::string>{}, "", "garbage", "0: 0100007F:1F90", "0: 1:1 2:2 01 a b c d e 4711",
               "0: 0100007F 0100007F 01 a b c d e 4711", "0: XXXXXXXX:1F90 0100007F:FFFFF FF a b c d e 4711");
  tree.write("5/net/tcp", line);
  tree.write("5/net/unix", "x: y z\n0: 1 2 3 4 5 4712\n");
  const ProcRoot root(tree.path());
  const auto ends = find_socket(root, Pid{5}, 4711);
  REQUIRE(ends);
  if (*ends) CHECK((*ends)->remote.empty());
  const auto nameless = find_socket(root, Pid{5}, 4712);
  REQUIRE(nameless);
  REQUIRE(*nameless);
  CHECK((*nameless)->local.empty());
  CHECK_FALSE(*find_socket(root, Pid{5}, 1));
  CHECK(find_socket(root, Pid{6}, 1).error().kind == ErrorKind::kNoSuchProcess);
}
