#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/shown_frame.h"
#include "readers/process/descriptor.h"
#include "readers/process/threads.h"

namespace snag::daemon {

// Why a thread does not go on; the causes of snag.v1.Cause that one look at it can tell.
enum class Cause : std::uint8_t {
  kUnknown,
  kSleep,
  kNetwork,
  kDns,
  kFile,
  kSubprocess,
  kLock,
  kFuture,
  kGil,
  kCpuPython,
  kCpuNative,
  kImport,
  kLogging,
  kStopped,
  kCpuStarved,
};
inline constexpr std::size_t kCauses = 15;

// What one look at a blocked thread showed.
struct Situation {
  bool stopped = false;                   // SIGSTOP or a debugger
  std::optional<SystemCall> system_call;  // nullopt: the kernel does not say
  std::optional<Descriptor> descriptor;   // of the file that the system call works on, where it works on one
  bool gil_elsewhere = false;             // another thread holds it
  std::string_view builtin;               // the C function that the innermost frame is in; empty: none
  std::span<const ShownFrame> called;     // the frames that the culprit called, innermost first
};

// UNKNOWN when the look does not decide: never a guess.
[[nodiscard]] Cause classify(const Situation& situation);

// The array of struct pollfd that a system call waits for; nullopt for other calls and for an empty one.
[[nodiscard]] std::optional<Address> polled_by(const SystemCall& call);

// The descriptor that a system call works on, for those that have it as first argument.
[[nodiscard]] std::optional<int> descriptor_of(const SystemCall& call);

}  // namespace snag::daemon
