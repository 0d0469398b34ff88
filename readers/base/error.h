#pragma once

#include <cstddef>
#include <string>

#include "readers/base/address.h"
#include "readers/base/ids.h"

namespace snag {

// What kind of failure it was: decides the exit status, the reason under which a lost sample is counted, and whether
// trying again can help.
enum class ErrorKind {
  kUnreadable,     // the target's memory is not mapped there, or no longer
  kInconsistent,   // read, but it cannot be what it should be: torn while the target ran, corrupt, or hostile
  kOutOfBounds,    // a size, depth or count of the target exceeds the named bound
  kNoSuchProcess,  // never was, or has ended
  kNotPermitted,   // the kernel refuses
  kNotPython,      // no CPython runtime in it
  kUnsupported,    // a CPython that Snag has no proved layout for
  kSystem,         // a call of our own failed (errno in system_error)
};

// Who, what, where, how much. `what` is always a literal, so that making an error allocates nothing: samples fail often
// while the target runs.
struct Error {
  ErrorKind kind;
  const char* what;         // "PyThreadState.next", "/proc/PID/maps"
  Address where = {};       // null: no address belongs to it
  std::size_t wanted = 0;   // bytes; 0: no size belongs to it
  int system_error = 0;     // errno; 0: none
  std::string detail = {};  // what an operator needs beyond it; empty in all that happens per sample
};

// "pid 4242: PyThreadState.next at 0x7f12…: 8 bytes wanted, not mapped"
[[nodiscard]] std::string describe(const Error& error);
[[nodiscard]] std::string describe(const Error& error, Pid pid);
// "unreadable", "inconsistent" …: the key under which a lost sample is counted.
[[nodiscard]] const char* reason(ErrorKind kind);

}  // namespace snag
