#include "readers/process/mappings.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <sys/sysmacros.h>

namespace snag {
namespace {

constexpr const char* kWhat = "/proc/PID/maps";
constexpr std::string_view kDeleted = " (deleted)";

// Takes one number and the character after it off the front; '\0' stands for the end of the line.
template <class Number>
bool take(std::string_view& rest, int base, char end, Number& into) {
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), into, base);
  if (parsed.ec != std::errc()) return false;
  rest.remove_prefix(static_cast<std::size_t>(parsed.ptr - rest.data()));
  if (rest.empty()) return end == '\0' || end == ' ';
  if (rest.front() != end) return false;
  rest.remove_prefix(1);
  return true;
}

// The kernel writes a newline of a name as \012 and leaves all other bytes, also backslashes: seq_file_path(m, file,
// "\n") in fs/proc/task_mmu.c. A name with a literal "\012" is thus ambiguous, and is taken for the newline.
std::string unescape(std::string_view path) {
  constexpr std::string_view kNewline = "\\012";
  std::string plain;
  plain.reserve(path.size());
  for (std::size_t at = path.find(kNewline); at != std::string_view::npos; at = path.find(kNewline)) {
    plain.append(path.substr(0, at)).push_back('\n');
    path.remove_prefix(at + kNewline.size());
  }
  return plain.append(path);
}

bool take_permissions(std::string_view& rest, Mapping& mapping) {
  if (rest.size() < 5 || rest[4] != ' ') return false;
  mapping.readable = rest[0] == 'r';
  mapping.writable = rest[1] == 'w';
  mapping.executable = rest[2] == 'x';
  mapping.shared = rest[3] == 's';
  rest.remove_prefix(5);
  return true;
}

}  // namespace

Result<Mapping> parse_mapping(std::string_view line) {
  Mapping mapping;
  unsigned major_number = 0;
  unsigned minor_number = 0;
  std::string_view rest = line;
  const bool whole = take(rest, 16, '-', mapping.begin.value) && take(rest, 16, ' ', mapping.end.value) &&
                     take_permissions(rest, mapping) && take(rest, 16, ' ', mapping.file_offset) &&
                     take(rest, 16, ':', major_number) && take(rest, 16, ' ', minor_number) &&
                     take(rest, 10, ' ', mapping.inode);
  if (!whole || mapping.begin >= mapping.end) return fail(Error{.kind = ErrorKind::kInconsistent, .what = kWhat});
  mapping.device = makedev(major_number, minor_number);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  if (mapping.inode != 0 && rest.ends_with(kDeleted)) {
    mapping.deleted = true;
    rest.remove_suffix(kDeleted.size());
  }
  mapping.path = unescape(rest);
  return mapping;
}

Result<std::vector<Mapping>> read_mappings(const ProcRoot& root, Pid pid) {
  std::vector<Mapping> mappings;
  std::optional<Error> wrong;
  auto done = for_each_proc_line(root.of(pid, "maps"), kMaxLargeProcFile, kWhat, [&](std::string_view line) {
    auto mapping = parse_mapping(line);
    if (!mapping) wrong = mapping.error();
    if (mappings.size() == kMaxMappings) wrong = Error{.kind = ErrorKind::kOutOfBounds, .what = kWhat};
    if (wrong) return false;
    if (mappings.empty() || mappings.back().end <= mapping->begin) mappings.push_back(*std::move(mapping));
    return true;
  });
  if (!done) return fail(done);
  if (wrong) return fail(*std::move(wrong));
  return mappings;
}

const Mapping* find_mapping(std::span<const Mapping> mappings, Address address) {
  const auto after = std::upper_bound(mappings.begin(), mappings.end(), address,
                                      [](Address wanted, const Mapping& mapping) { return wanted < mapping.begin; });
  if (after == mappings.begin()) return nullptr;
  const Mapping& candidate = *std::prev(after);
  return candidate.contains(address) ? &candidate : nullptr;
}

std::vector<Mapping> mappings_of_file(std::span<const Mapping> mappings, const Mapping& like) {
  std::vector<Mapping> same;
  std::copy_if(mappings.begin(), mappings.end(), std::back_inserter(same), [&](const Mapping& mapping) {
    return mapping.inode == like.inode && mapping.device == like.device && mapping.inode != 0;
  });
  return same;
}

}  // namespace snag
