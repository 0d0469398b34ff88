#include "readers/base/error.h"

#include <cstdio>
#include <system_error>

namespace snag {

const char* reason(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUnreadable:
      return "unreadable";
    case ErrorKind::kInconsistent:
      return "inconsistent";
    case ErrorKind::kOutOfBounds:
      return "out of bounds";
    case ErrorKind::kNoSuchProcess:
      return "no such process";
    case ErrorKind::kNotPermitted:
      return "not permitted";
    case ErrorKind::kNotPython:
      return "not Python";
    case ErrorKind::kUnsupported:
      return "unsupported";
    case ErrorKind::kSystem:
      return "system error";
  }
  return "unknown";
}

std::string describe(const Error& error) {
  std::string text = error.what;
  if (!error.where.is_null()) {
    char address[32];
    std::snprintf(address, sizeof address, " at 0x%llx", static_cast<unsigned long long>(error.where.value));
    text += address;
  }
  text += ": ";
  if (error.wanted != 0) text += std::to_string(error.wanted) + " bytes wanted, ";
  text += error.detail.empty() ? reason(error.kind) : error.detail;
  if (error.system_error != 0) text += " (" + std::generic_category().message(error.system_error) + ")";
  return text;
}

std::string describe(const Error& error, Pid pid) {
  return "pid " + std::to_string(pid.value) + ": " + describe(error);
}

}  // namespace snag
