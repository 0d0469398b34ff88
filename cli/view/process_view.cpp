#include "cli/view/process_view.h"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include <pwd.h>

#include "cli/view/printable.h"
#include "cli/view/words.h"

namespace snag::cli {
namespace {

using Row = std::array<std::string, 7>;

std::string user_name(std::int32_t user) {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  const int error = ::getpwuid_r(static_cast<uid_t>(user), &entry, buffer.data(), buffer.size(), &found);
  return error == 0 && found != nullptr ? printable(found->pw_name) : std::to_string(user);
}

Row row_of(const v1::Process& process) {
  const std::string implementation = process.implementation().empty() ? "Python" : printable(process.implementation());
  return {std::to_string(process.pid()),
          implementation + (process.version().empty() ? "" : " " + printable(process.version())),
          printable(process.runner()),
          std::string(loop_words(process.loop())),
          user_name(process.user()),
          process.attachable() ? "yes" : "no",
          printable(process.command())};
}

std::string reasons(std::span<const v1::Process> processes) {
  std::map<std::string, std::string> pids_by_reason;
  for (const v1::Process& process : processes) {
    if (process.attachable()) continue;
    std::string& pids = pids_by_reason[process.reason().empty() ? "no reason given" : printable(process.reason())];
    pids += (pids.empty() ? "" : ", ") + std::to_string(process.pid());
  }
  std::string text;
  for (const auto& [reason, pids] : pids_by_reason) {
    text.append("\nnot attachable: ").append(pids).append(": ").append(reason).append("\n");
  }
  return text;
}

}  // namespace

std::string process_table(std::span<const v1::Process> processes, const Output& output) {
  if (processes.empty()) return "no Python process found\n";
  std::vector<Row> rows = {{"PID", "PYTHON", "RUNNER", "LOOP", "USER", "ATTACH", "COMMAND"}};
  for (const v1::Process& process : processes) rows.push_back(row_of(process));
  std::array<std::size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], count_characters(row[i]));
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      line += row[i] + std::string(widths[i] - count_characters(row[i]) + 2, ' ');
    }
    line += row.back();
    // A person's terminal gets one line a process; a pipe gets all of it.
    if (output.is_terminal()) line = cut(line, output.columns());
    text += &row == &rows.front() ? styled(output, Style::kBold, line) : line;
    text += '\n';
  }
  return text + reasons(processes);
}

}  // namespace snag::cli
