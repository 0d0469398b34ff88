#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

// What was typed, checked. Boost.Program_options has its only home in arguments.cpp.
namespace snag::cli {

enum class Format { kFlamegraph, kFolded, kSpeedscope };
enum class Mode { kWall, kCpu, kGil };
enum class Consistency { kAuto, kNever, kAlways };

// Which processes, in the words of snag.proto's Selection.
struct Selection {
  std::vector<std::int32_t> pids = {};
  std::vector<std::string> match = {};
  bool subprocesses = false;
  // More than one process may come of it.
  [[nodiscard]] bool may_be_several() const { return pids.size() > 1 || !match.empty() || subprocesses; }
};

struct StallsOptions {
  Selection processes = {};
  std::chrono::nanoseconds threshold{std::chrono::milliseconds(100)};
  std::optional<std::chrono::nanoseconds> duration = {};  // nothing: until interrupted or all targets have ended
  bool ongoing = false;
};
struct DumpOptions {
  Selection processes = {};     // or
  std::string core = {};        // a core file
  std::string executable = {};  // of the core's process; empty: where the core says
};
struct RecordOptions {
  Selection processes = {};               // or
  std::vector<std::string> command = {};  // what to start and record
  std::optional<std::chrono::nanoseconds> duration = {};
  double rate = 100;        // samples a second
  std::string output = {};  // "-": standard output
  Format format = Format::kFlamegraph;
  Mode mode = Mode::kWall;
  Consistency consistency = Consistency::kAuto;
  bool threads = false;  // the thread is the first frame
};
struct PsOptions {};
struct DoctorOptions {
  std::vector<std::int32_t> pids = {};  // none: the machine alone
};

struct Command {
  std::variant<StallsOptions, DumpOptions, RecordOptions, PsOptions, DoctorOptions> options;
  bool json = false;
  std::optional<std::string> socket = {};  // of a daemon that runs; nothing: $SNAG_SOCKET or a private one
};
struct Help {
  std::string text;
};
struct UsageError {
  std::string sentence;
  std::string remedy;
};

// `arguments` without the program's own name.
[[nodiscard]] std::variant<Command, Help, UsageError> parse_arguments(std::span<const std::string> arguments);

}  // namespace snag::cli
