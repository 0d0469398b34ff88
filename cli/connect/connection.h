#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <variant>

#include <sys/types.h>

#include "cli/connect/child.h"
#include "cli/connect/descriptor.h"

namespace snag::cli {

struct ConnectError {
  std::string sentence;
  std::string remedy;
};

// A daemon at the other end of a socket. Its end closes the socket, which ends a private daemon; that one is waited
// for.
class Connection {
 public:
  // `daemon`: the private daemon that holds the other end.
  explicit Connection(Descriptor socket, Child daemon = {});
  Connection(Connection&&) = default;
  Connection& operator=(Connection&&) = delete;
  ~Connection();

  [[nodiscard]] int socket() const { return socket_.get(); }
  [[nodiscard]] std::optional<pid_t> private_daemon() const;
  // Call it when the other end has gone: "snagd (pid 77) was killed by signal 9 (Killed)".
  [[nodiscard]] std::string describe_loss();

 private:
  Descriptor socket_;
  Child daemon_;
};

using ConnectResult = std::variant<Connection, ConnectError>;

[[nodiscard]] ConnectResult connect_to_socket(const std::string& path);
// `snagd --private --socket-fd N` with one end of a socket pair as N, in a process group of its own, so that the
// terminal's Ctrl-C does not reach it; it ends when the socket does.
[[nodiscard]] ConnectResult start_private_daemon(const std::filesystem::path& program);
// Beside our own executable, then in ../libexec/snag, then along $PATH.
[[nodiscard]] std::optional<std::filesystem::path> find_daemon();

// A private daemon, whatever the environment says.
[[nodiscard]] ConnectResult connect_privately();

// The socket named on the command line, else in $SNAG_SOCKET, else a private daemon.
[[nodiscard]] ConnectResult connect(const std::optional<std::string>& socket);

}  // namespace snag::cli
