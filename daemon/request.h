#pragma once

#include <memory>
#include <string>

#include "daemon/connection.h"
#include "daemon/core_target.h"
#include "daemon/target.h"
#include "proto/stream/intern.h"

namespace snag::daemon {

// Who is at the other end of the socket: SO_PEERCRED.
struct Caller {
  std::uint32_t user = 0;
  // It started this daemon for itself, which can do no more than it can.
  bool is_owner = false;
  Pid process = {};  // 0: not known
};

// What a running request needs of its surroundings: the client, /proc, and who asks.
class Request {
 public:
  Request(Connection& connection, stream::Interner& interner, const ProcRoot& proc, Caller caller)
      : connection_(&connection), interner_(&interner), proc_(&proc), caller_(caller) {}

  enum class Pause { kGoOn, kStop };
  // Waits until the deadline while the client is served; kStop when the client wants no more or has gone.
  [[nodiscard]] Pause pause_until(Instant deadline);

  [[nodiscard]] const ProcRoot& proc() const { return *proc_; }
  // The connection's: what was defined for an earlier request is not defined again.
  [[nodiscard]] stream::Interner& interner() const { return *interner_; }
  [[nodiscard]] Connection& client() const { return *connection_; }
  void send(const v1::ServerMessage& message) { connection_->send(message); }

  [[nodiscard]] const Caller& caller() const { return caller_; }
  // kNotPermitted when the caller is neither root nor the owner of the process: the daemon's own rights are not his.
  [[nodiscard]] Result<std::unique_ptr<Target>> attach(Pid pid);

  // kNotPermitted when the daemon is not the caller's own: a core file names other files at its will, and what lies in
  // them is shown.
  [[nodiscard]] Result<std::unique_ptr<CoreTarget>> open_core(const v1::Core& asked) const;

  // What the client is told of a process; its loops are not among it.
  void describe(const PythonProcess& process, v1::Target& into) const;
  // The same, and who runs it.
  void describe(const Target& target, v1::Target& into) const;
  void fail_usage(std::string message);
  void warn(Pid pid, std::string message);
  void warn(const Error& error, Pid pid);
  // kNotPermitted when the caller is neither root nor the one that the process runs as.
  [[nodiscard]] Result<void> check_owner(Pid pid) const;

 private:
  Connection* connection_;
  stream::Interner* interner_;
  const ProcRoot* proc_;
  Caller caller_;
};

// "uvicorn", "gunicorn", "python" …: by the program or module that its command line names.
[[nodiscard]] std::string runner_of(const std::string& command);

}  // namespace snag::daemon
