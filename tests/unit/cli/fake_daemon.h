#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include <snag/v1/snag.pb.h>

#include "cli/exit_status.h"
#include "proto/stream/framing.h"

namespace snag::test {

// The daemon's end of a socket pair, as a test plays it. Calls wait.
class Peer {
 public:
  explicit Peer(int socket) : socket_(socket) {}
  // The client's next message; one without a kind once the client has gone.
  [[nodiscard]] v1::ClientMessage receive();
  void send(const v1::ServerMessage& message) const;
  void send_bytes(const std::string& bytes) const;
  // Hello both ways, and the client's request.
  [[nodiscard]] v1::ClientMessage greet();
  void target(int pid) const;
  void summary(const v1::SamplingSummary& summary) const;
  void done() const;
  void fail(v1::Failure::Status status, const std::string& message, const std::string& remedy = "") const;

 private:
  int socket_;
  stream::MessageReader reader_;
};

using Script = std::function<void(Peer&)>;

struct Ran {
  cli::ExitStatus status;
  std::string out;
  std::string error;
};

// Runs the whole command line in this process against a daemon that follows the script in a thread; the connection
// closes with the script's end. `out`: where standard output goes; -1: into Ran::out.
[[nodiscard]] Ran run_snag(std::vector<std::string> arguments, const Script& script, int out = -1);
// For command lines that must not get as far as a daemon.
[[nodiscard]] Ran run_snag_alone(std::vector<std::string> arguments);

// A folder of its own that goes with it.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  std::string path_;
};
[[nodiscard]] std::string read_text(const std::string& path);
void write_text(const std::string& path, const std::string& text);

}  // namespace snag::test
