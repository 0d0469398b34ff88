#include "cli/arguments.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <sstream>
#include <string_view>

#include <boost/program_options.hpp>

#include "cli/duration.h"
#include "cli/view/printable.h"

namespace snag::cli {
namespace {

namespace po = boost::program_options;
using Parsed = std::variant<Command, Help, UsageError>;
using Values = po::variables_map;

// The ranges of snag.proto, refused here already so that the sentence can name the option.
constexpr std::chrono::milliseconds kShortestThreshold{1};
constexpr std::chrono::hours kLongestThreshold{1};
constexpr double kLowestRate = 0.01;
constexpr double kHighestRate = 100'000;

// Thrown and caught in this file alone, like Boost.Program_options' own errors.
struct Wrong {
  std::string sentence;
};

struct CommandSpec {
  std::string_view name;
  std::string_view synopsis;
  std::string_view summary;
  po::options_description (*options)();
  Command (*build)(const Values& values);
};

std::string quoted(std::string_view text) { return "'" + printable(text) + "'"; }

std::int32_t parse_pid(std::string_view text) {
  std::int32_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error == std::errc::result_out_of_range) throw Wrong{"PID " + printable(text) + " is too large for a process"};
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw Wrong{"PID " + quoted(text) + " is not a number"};
  }
  if (pid <= 0) throw Wrong{"PID " + printable(text) + " is not a process: process numbers begin at 1"};
  return pid;
}

std::vector<std::int32_t> pids_of(const Values& values) {
  std::vector<std::int32_t> pids;
  if (values.count("pid") == 0) return pids;
  for (const std::string& text : values["pid"].as<std::vector<std::string>>()) {
    const std::int32_t pid = parse_pid(text);
    if (std::find(pids.begin(), pids.end(), pid) == pids.end()) pids.push_back(pid);
  }
  return pids;
}

Selection selection_of(const Values& values) {
  Selection selection{.pids = pids_of(values), .subprocesses = values.count("subprocesses") != 0};
  if (values.count("match") != 0) selection.match = values["match"].as<std::vector<std::string>>();
  return selection;
}

Selection required_selection(const Values& values) {
  Selection selection = selection_of(values);
  if (selection.pids.empty() && selection.match.empty()) throw Wrong{"no process is named"};
  return selection;
}

std::optional<std::chrono::nanoseconds> duration_of(const Values& values, const char* option, BareNumber bare) {
  if (values.count(option) == 0) return std::nullopt;
  const auto& text = values[option].as<std::string>();
  const auto parsed = parse_duration(text, bare);
  if (const auto* wrong = std::get_if<std::string>(&parsed)) {
    throw Wrong{std::string("--") + option + " " + quoted(text) + ": " + *wrong};
  }
  return std::get<std::chrono::nanoseconds>(parsed);
}

double rate_of(const Values& values) {
  const auto& text = values["rate"].as<std::string>();
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate, std::chars_format::fixed);
  const bool is_number = error == std::errc{} && end == text.data() + text.size() && std::isfinite(rate);
  if (!is_number || rate < kLowestRate || rate > kHighestRate) {
    throw Wrong{"--rate " + quoted(text) + ": samples a second, from 0.01 to 100000"};
  }
  return rate;
}

template <class Enum>
struct Choice {
  std::string_view name;
  Enum value;
};
constexpr std::array kFormats = {Choice<Format>{"flamegraph", Format::kFlamegraph},
                                 Choice<Format>{"folded", Format::kFolded},
                                 Choice<Format>{"speedscope", Format::kSpeedscope}};
constexpr std::array kModes = {Choice<Mode>{"wall", Mode::kWall}, Choice<Mode>{"cpu", Mode::kCpu},
                               Choice<Mode>{"gil", Mode::kGil}};
constexpr std::array kConsistencies = {Choice<Consistency>{"auto", Consistency::kAuto},
                                       Choice<Consistency>{"never", Consistency::kNever},
                                       Choice<Consistency>{"always", Consistency::kAlways}};
constexpr std::array kDefaultOutputs = {Choice<Format>{"flamegraph.svg", Format::kFlamegraph},
                                        Choice<Format>{"profile.folded", Format::kFolded},
                                        Choice<Format>{"profile.speedscope.json", Format::kSpeedscope}};
// By the end of the output's name. ".json" alone is what speedscope's own examples are called.
constexpr std::array kEndings = {Choice<Format>{".svg", Format::kFlamegraph},
                                 Choice<Format>{".folded", Format::kFolded}, Choice<Format>{".txt", Format::kFolded},
                                 Choice<Format>{".json", Format::kSpeedscope}};

template <class Choices>
auto choice_of(const Values& values, const char* option, const Choices& choices) {
  const auto& text = values[option].as<std::string>();
  std::string names;
  for (const auto& choice : choices) {
    if (choice.name == text) return choice.value;
    names += (names.empty() ? "" : ", ") + std::string(choice.name);
  }
  throw Wrong{std::string("--") + option + " " + quoted(text) + ": one of " + names};
}

void choose_output(const Values& values, RecordOptions& options) {
  if (values.count("output") != 0) options.output = values["output"].as<std::string>();
  if (values.count("output") != 0 && options.output.empty()) throw Wrong{"--output '': a file is needed"};
  if (values.count("format") != 0) {
    options.format = choice_of(values, "format", kFormats);
  } else {
    for (const auto& ending : kEndings) {
      if (options.output.ends_with(ending.name)) options.format = ending.value;
    }
  }
  for (const auto& output : kDefaultOutputs) {
    if (options.output.empty() && output.value == options.format) options.output = output.name;
  }
}

void add_common(po::options_description& options) {
  options.add_options()                                                        //
      ("json", "one JSON object a line on standard output, and nothing else")  //
      ("socket", po::value<std::string>()->value_name("PATH"),
       "of a snagd that runs; else $SNAG_SOCKET; else a private one is started")  //
      ("help,h", "this text");
}

void add_pids(po::options_description& options) {
  options.add_options()("pid,p", po::value<std::vector<std::string>>()->composing()->value_name("PID"),
                        "the process; also without -p");
}

void add_selection(po::options_description& options) {
  add_pids(options);
  options.add_options()  //
      ("match", po::value<std::vector<std::string>>()->composing()->value_name("PATTERN"),
       "also each Python process whose command line or name matches this regular expression now")  //
      ("subprocesses,s", "also what they start, as it comes and goes: workers, forks, spawns, exec");
}

po::options_description stalls_options() {
  po::options_description options("Options");
  add_selection(options);
  options.add_options()  //
      ("threshold,t", po::value<std::string>()->default_value("100ms")->value_name("TIME"),
       "the shortest stall to report, 1ms to 1h")                                                       //
      ("duration,d", po::value<std::string>()->value_name("TIME"), "end after this time: 30, 30s, 5m")  //
      ("ongoing", "report a stall also when it crosses the threshold");
  add_common(options);
  return options;
}

Command build_stalls(const Values& values) {
  StallsOptions options{.processes = required_selection(values),
                        .threshold = *duration_of(values, "threshold", BareNumber::kRefused),
                        .duration = duration_of(values, "duration", BareNumber::kSeconds),
                        .ongoing = values.count("ongoing") != 0};
  if (options.threshold < kShortestThreshold || options.threshold > kLongestThreshold) {
    throw Wrong{"--threshold " + quoted(values["threshold"].as<std::string>()) + ": from 1ms to 1h"};
  }
  return {.options = std::move(options)};
}

po::options_description dump_options() {
  po::options_description options("Options");
  add_selection(options);
  options.add_options()  //
      ("core", po::value<std::string>()->value_name("FILE"),
       "of the process that this core file was made of, instead of running ones")  //
      ("executable", po::value<std::string>()->value_name("EXE"),
       "where the core's executable is now; default: where it was");
  add_common(options);
  return options;
}

std::string path_of(const Values& values, const char* option) {
  if (values.count(option) == 0) return "";
  const auto& path = values[option].as<std::string>();
  if (path.empty()) throw Wrong{std::string("--") + option + " '': a file is needed"};
  return path;
}

Command build_dump(const Values& values) {
  DumpOptions options{
      .processes = selection_of(values), .core = path_of(values, "core"), .executable = path_of(values, "executable")};
  const Selection& processes = options.processes;
  if (options.core.empty()) {
    if (!options.executable.empty()) throw Wrong{"--executable belongs to --core"};
    options.processes = required_selection(values);
  } else {
    if (!processes.pids.empty()) throw Wrong{"either a PID or --core, not both"};
    if (processes.may_be_several()) throw Wrong{"either --match and --subprocesses or --core, not both"};
    if (values.count("socket") != 0) throw Wrong{"--core is read by a snagd of its own, not by the one at --socket"};
  }
  return {.options = std::move(options)};
}

po::options_description record_options() {
  po::options_description options("Options");
  add_selection(options);
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  options.add_options()                                                                                     //
      ("duration,d", text("TIME"), "end after this time: 30, 30s, 5m; else at Ctrl-C or the target's end")  //
      ("rate,r", text("N")->default_value("100"), "samples a second")                                       //
      ("output,o", text("FILE"), "where to; - is standard output; default flamegraph.svg")                  //
      ("format,f", text("FORMAT"), "flamegraph, folded or speedscope; default: by the file's ending")       //
      ("mode", text("MODE")->default_value("wall"),
       "wall: all threads; cpu: those that run; gil: the one that holds it")  //
      ("consistency", text("POLICY")->default_value("auto"),
       "auto: stop a thread only as the last resort; never; always")  //
      ("threads", "make the thread each stack's first frame");
  add_common(options);
  return options;
}

Command build_record(const Values& values) {
  RecordOptions options{.processes = selection_of(values),
                        .duration = duration_of(values, "duration", BareNumber::kSeconds),
                        .rate = rate_of(values),
                        .mode = choice_of(values, "mode", kModes),
                        .consistency = choice_of(values, "consistency", kConsistencies),
                        .threads = values.count("threads") != 0};
  choose_output(values, options);
  if (options.output == "-" && values.count("json") != 0) {
    throw Wrong{"--json and --output - both want standard output"};
  }
  return {.options = std::move(options)};
}

po::options_description doctor_options() {
  po::options_description options("Options");
  add_pids(options);
  add_common(options);
  return options;
}

po::options_description ps_options() {
  po::options_description options("Options");
  add_common(options);
  return options;
}

Command build_ps(const Values& values) {
  if (!pids_of(values).empty()) throw Wrong{"snag ps lists all processes and takes no PID"};
  return {.options = PsOptions{}};
}

Command build_doctor(const Values& values) { return {.options = DoctorOptions{.pids = pids_of(values)}}; }

constexpr std::array kCommands = {
    CommandSpec{"stalls", "snag stalls [OPTIONS] PID...\n       snag stalls [OPTIONS] --match PATTERN [PID...]",
                "what blocks the event loops of these processes, as it happens", stalls_options, build_stalls},
    CommandSpec{"dump", "snag dump [OPTIONS] PID...\n       snag dump [OPTIONS] --core FILE",
                "every thread's stack, now", dump_options, build_dump},
    CommandSpec{"record", "snag record [OPTIONS] PID...\n       snag record [OPTIONS] -- COMMAND [ARGUMENTS]",
                "profile to a file: flame graph, folded stacks, speedscope", record_options, build_record},
    CommandSpec{"ps", "snag ps [OPTIONS]", "the Python processes here, and whether Snag can attach", ps_options,
                build_ps},
    CommandSpec{"doctor", "snag doctor [OPTIONS] [PID...]", "what is missing to attach, and the command that mends it",
                doctor_options, build_doctor},
};

std::string general_help() {
  std::string text =
      "Snag finds what an asyncio event loop is blocked on, from outside the process.\n\n"
      "Usage: snag COMMAND [OPTIONS] [PID...]\n\nCommands:\n";
  for (const CommandSpec& command : kCommands) {
    text += "  " + std::string(command.name) + std::string(9 - command.name.size(), ' ') +
            std::string(command.summary) + "\n";
  }
  return text +
         "\nsnag COMMAND --help tells a command's options; snag --version the version.\n"
         "Exit status: 0 done; 1 failed; 2 wrong usage; 3 not permitted; 4 no such process or not Python;\n"
         "130 interrupted, with what was gathered written out.\n";
}

std::string command_help(const CommandSpec& command) {
  std::ostringstream text;
  text << "Usage: " << command.synopsis << "\n\n" << command.summary << "\n\n" << command.options();
  return text.str();
}

bool looks_negative(std::string_view argument) {
  return argument.size() > 1 && argument[0] == '-' && argument[1] >= '0' && argument[1] <= '9';
}

// Boost takes "-5" for an option wherever it stands. Whoever types it means a process, or a value of the option before
// it: then both become one word, and what is wrong with the value is said of it.
std::vector<std::string> join_negatives(std::span<const std::string> arguments) {
  std::vector<std::string> joined;
  for (const std::string& argument : arguments) {
    if (!looks_negative(argument)) {
      joined.push_back(argument);
    } else if (!joined.empty() && joined.back().starts_with("--")) {
      joined.back() += "=" + argument;
    } else if (!joined.empty() && joined.back().starts_with('-')) {
      joined.back() += argument;
    } else {
      (void)parse_pid(argument);
    }
  }
  return joined;
}

Values read_values(const CommandSpec& command, std::span<const std::string> arguments) {
  po::options_description options = command.options();
  if (command.name == "ps") add_pids(options);  // not in its help: only so that it can say why not
  po::positional_options_description positional;
  positional.add("pid", -1);
  namespace style = po::command_line_style;
  constexpr int kNoGuessing = style::unix_style & ~style::allow_guessing;
  Values values;
  po::store(po::command_line_parser(join_negatives(arguments))
                .options(options)
                .positional(positional)
                .style(kNoGuessing)
                .run(),
            values);
  po::notify(values);
  return values;
}

Parsed parse_command(const CommandSpec& command, std::span<const std::string> arguments) {
  const auto separator = std::find(arguments.begin(), arguments.end(), "--");
  const auto own = arguments.first(static_cast<std::size_t>(separator - arguments.begin()));
  const Values values = read_values(command, own);
  if (values.count("help") != 0) return Help{command_help(command)};
  Command built = command.build(values);
  built.json = values.count("json") != 0;
  if (values.count("socket") != 0) built.socket = values["socket"].as<std::string>();
  auto* record = std::get_if<RecordOptions>(&built.options);
  if (separator != arguments.end()) {
    if (record == nullptr) throw Wrong{"only snag record takes a command behind --"};
    record->command.assign(separator + 1, arguments.end());
    if (record->command.empty()) throw Wrong{"no command stands behind --"};
    const auto& processes = record->processes;
    if (!processes.pids.empty()) throw Wrong{"either a PID or a command behind --, not both"};
    if (!processes.match.empty()) throw Wrong{"either --match or a command behind --, not both"};
  } else if (record != nullptr && record->processes.pids.empty() && record->processes.match.empty()) {
    throw Wrong{"no process is named, and no command behind --"};
  }
  return built;
}

}  // namespace

Parsed parse_arguments(std::span<const std::string> arguments) {
  if (arguments.empty()) return UsageError{"a command is needed", "snag --help tells them"};
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h" || name == "help") return Help{general_help()};
  if (name == "--version" || name == "-V") return Help{std::string("snag ") + SNAG_VERSION + "\n"};
  const auto* command =
      std::find_if(kCommands.begin(), kCommands.end(), [&name](const CommandSpec& spec) { return spec.name == name; });
  if (command == kCommands.end()) return UsageError{"no command " + quoted(name), "snag --help tells them"};
  const std::string remedy = "snag " + name + " --help tells its options";
  try {
    return parse_command(*command, arguments.subspan(1));
  } catch (const Wrong& wrong) {
    return UsageError{wrong.sentence, remedy};
  } catch (const po::error& wrong) {
    return UsageError{printable(wrong.what()), remedy};
  }
}

}  // namespace snag::cli
