#include "readers/process/core_notes.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <unordered_map>

#include <limits.h>
#include <signal.h>
#include <sys/procfs.h>
#include <sys/user.h>

#include "readers/process/live_memory.h"
#include "readers/process/proc_root.h"
#include "readers/process/remote_memory.h"

namespace snag {
namespace {

constexpr const char* kWhat = "core file";
constexpr std::string_view kOwner = "CORE";
// Linux's own bound of NT_FILE: CORE_FILE_NOTE_SIZE_MAX of fs/coredump.c.
constexpr std::size_t kMaxFileNote = std::size_t{16} << 20U;
// A kernel gives a process some twenty entries.
constexpr std::size_t kMaxAuxiliary = 64;
constexpr std::string_view kDeleted = " (deleted)";
// Those that end a process with a core; signal(7). A debugger that copies a process leaves another one, or none.
constexpr std::array kCoreSignals = {SIGQUIT, SIGILL, SIGABRT, SIGFPE,  SIGSEGV,
                                     SIGBUS,  SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ};

Error wrong(ErrorKind kind, std::string detail) { return {.kind = kind, .what = kWhat, .detail = std::move(detail)}; }

// Takes one word off the front of an NT_FILE.
bool take_word(std::span<const std::byte>& rest, std::uint64_t& into) {
  if (rest.size() < sizeof into) return false;
  into = load<std::uint64_t>(rest, 0);
  rest = rest.subspan(sizeof into);
  return true;
}

// Takes one name, up to its end, off the front.
bool take_name(std::span<const std::byte>& rest, std::string& into) {
  const auto end = std::find(rest.begin(), rest.end(), std::byte{0});
  if (end == rest.end()) return false;
  const auto size = static_cast<std::size_t>(end - rest.begin());
  into.resize(size);
  std::memcpy(into.data(), rest.data(), size);
  rest = rest.subspan(size + 1);
  return true;
}

// What the name says, as read_mappings() tells it.
void name_mapping(std::string path, std::unordered_map<std::string, std::uint64_t>& numbers, Mapping& mapping) {
  mapping.inode = numbers.emplace(path, numbers.size() + 1).first->second;
  if (path.ends_with(kDeleted)) {
    mapping.deleted = true;
    path.resize(path.size() - kDeleted.size());
  }
  mapping.path = std::move(path);
}

// fs/binfmt_elf.c, fill_files_note(): count, page size; (begin, end, offset in pages) for each; then the names.
std::optional<std::vector<Mapping>> parse_files(std::span<const std::byte> note) {
  std::uint64_t count = 0;
  std::uint64_t page = 0;
  constexpr std::size_t kEntry = 3 * sizeof(std::uint64_t);
  if (!take_word(note, count) || !take_word(note, page) || count > note.size() / kEntry) return std::nullopt;
  std::vector<Mapping> mappings(count);
  for (auto& mapping : mappings) {
    std::uint64_t pages = 0;
    (void)take_word(note, mapping.begin.value);
    (void)take_word(note, mapping.end.value);
    (void)take_word(note, pages);
    // An offset that is too large for a file finds nothing there.
    mapping.file_offset = pages * page;
    mapping.readable = true;
  }
  std::unordered_map<std::string, std::uint64_t> numbers;
  for (auto& mapping : mappings) {
    std::string path;
    if (!take_name(note, path)) return std::nullopt;
    name_mapping(std::move(path), numbers, mapping);
  }
  return mappings;
}

// Ascending and disjoint: what is none in user space, or overlaps what came before, is dropped.
std::vector<Mapping> ordered(std::vector<Mapping> mappings) {
  std::sort(mappings.begin(), mappings.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  Address end;
  std::erase_if(mappings, [&](const Mapping& mapping) {
    const bool is_sound = mapping.begin >= end && mapping.begin < mapping.end && mapping.end.value <= kUserSpaceEnd &&
                          mapping.path.size() < PATH_MAX;
    if (is_sound) end = mapping.end;
    return !is_sound;
  });
  return mappings;
}

class NoteReader {
 public:
  NoteReader(const ReadAt& read, CoreNotes& into) : read_(read), into_(into) {}

  [[nodiscard]] bool take(const ElfNote& note) {
    if (note.owner != kOwner) return true;
    switch (note.type) {
      case NT_PRSTATUS:
        take_thread(note);
        break;
      case NT_PRPSINFO:
        take_process(note);
        break;
      case NT_AUXV:
        take_auxiliary(note);
        break;
      case NT_FILE:
        take_files(note);
        break;
      default:
        break;
    }
    return !error_;
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  // The contents as a struct of the kernel's; false, and an error, when they are none.
  template <class T>
  bool contents(const ElfNote& note, T& value) {
    if (note.size == sizeof(T) && read_(note.offset, std::as_writable_bytes(std::span(&value, 1)))) return true;
    error_ = wrong(ErrorKind::kInconsistent,
                   "a note of " + std::to_string(note.size) + " bytes where x86-64 has " + std::to_string(sizeof(T)));
    return false;
  }

  void take_thread(const ElfNote& note) {
    elf_prstatus status;
    if (!contents(note, status)) return;
    if (into_.threads.size() == kMaxProcEntries) {
      error_ = wrong(ErrorKind::kOutOfBounds, "more than " + std::to_string(kMaxProcEntries) + " threads");
      return;
    }
    const bool is_first = into_.threads.empty();
    const int signal = status.pr_cursig;
    if (is_first && std::count(kCoreSignals.begin(), kCoreSignals.end(), signal) != 0) into_.signal = signal;
    const auto registers = load<user_regs_struct>(std::as_bytes(std::span(&status.pr_reg, 1)), 0);
    into_.threads.push_back({.tid = {status.pr_pid}, .thread_pointer = registers.fs_base});
  }

  void take_process(const ElfNote& note) {
    elf_prpsinfo process;
    if (contents(note, process)) into_.pid = {std::max(process.pr_pid, 0)};
  }

  void take_auxiliary(const ElfNote& note) {
    std::array<Elf64_auxv_t, kMaxAuxiliary> entries;  // NOLINT(cppcoreguidelines-pro-type-member-init): read
    const std::size_t count = std::min<std::size_t>(note.size / sizeof(Elf64_auxv_t), entries.size());
    const auto there = std::span(entries).first(count);
    if (!read_(note.offset, std::as_writable_bytes(there))) return;
    for (const auto& entry : there) {
      if (entry.a_type == AT_PHDR) into_.program_headers = Address{entry.a_un.a_val};
    }
  }

  void take_files(const ElfNote& note) {
    if (note.size > kMaxFileNote) {
      error_ = wrong(ErrorKind::kOutOfBounds, "NT_FILE has " + std::to_string(note.size) + " bytes");
      return;
    }
    std::vector<std::byte> bytes(note.size);
    if (!read_(note.offset, bytes)) return;
    auto mappings = parse_files(bytes);
    if (!mappings) {
      error_ = wrong(ErrorKind::kInconsistent, "NT_FILE is shorter than its own count of mapped files");
      return;
    }
    into_.mappings = ordered(std::move(*mappings));
  }

  const ReadAt& read_;
  CoreNotes& into_;
  std::optional<Error> error_;
};

}  // namespace

Result<CoreNotes> read_core_notes(const ReadAt& read, std::span<const Elf64_Phdr> segments) {
  CoreNotes notes;
  NoteReader reader(read, notes);
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_NOTE) continue;
    const bool whole = for_each_note(read, segment, [&](const ElfNote& note) { return reader.take(note); });
    if (reader.error()) return fail(*reader.error());
    if (!whole) return fail(wrong(ErrorKind::kInconsistent, "its notes are cut off or corrupt"));
  }
  if (notes.threads.empty()) return fail(wrong(ErrorKind::kInconsistent, "it tells of no thread: no NT_PRSTATUS"));
  return notes;
}

}  // namespace snag
