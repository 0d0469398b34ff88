// Core files of the test's own making, as the kernel writes them and as nobody would.

#include "readers/process/core_file.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include <catch2/catch.hpp>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "readers/process/core_memory.h"
#include "readers/process/live_memory.h"
#include "tests/unit/process/made_core.h"

using namespace snag;
using snag::test::MadeCore;
using snag::test::TemporaryDirectory;

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr const char* kProgram = "/bin/true";

std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string page_of(char fill) { return std::string(kPage, fill); }

// Two threads, one page that is held.
MadeCore small_core() {
  MadeCore core;
  core.thread(42, 0x7000, SIGABRT).process(42).thread(43, 0x8000, SIGABRT).memory(0x10000, kPage, page_of('a'));
  return core;
}

CoreFile open_core(const TemporaryDirectory& folder, const MadeCore& made) {
  auto core = CoreFile::open(made.write(folder));
  if (!core) FAIL(describe(core.error()));
  return *std::move(core);
}

Error refusal_of(const std::string& bytes) {
  const TemporaryDirectory folder;
  folder.write("core", bytes);
  const auto core = CoreFile::open(folder.path() + "/core");
  REQUIRE(!core);
  return core.error();
}
Error refusal_of(const MadeCore& made) { return refusal_of(made.bytes()); }

// A process that mapped a program's first pages at 0x400000: the core holds the first one, `held`, and left the second
// out.
struct MappedProgram {
  TemporaryDirectory folder;
  std::string path = folder.path() + "/program";
  std::string now = contents_of(kProgram);

  [[nodiscard]] MadeCore core(std::string_view held, const std::string& name_in_core) const {
    MadeCore made;
    made.thread(42, 0x7000)
        .executable_at(0x400040)
        .files({{.begin = 0x400000, .end = 0x402000, .page = 0, .path = name_in_core}})
        .memory(0x400000, 2 * kPage, held, PF_R | PF_X);
    return made;
  }
  [[nodiscard]] MadeCore core() const { return core(std::string_view(now).substr(0, kPage), path); }
};

Result<std::uint64_t> word_at(const CoreFile& core, CoreFiles& files, std::uint64_t address) {
  return CoreMemory(core, files).read_value<std::uint64_t>({address}, "word");
}

std::uint64_t word_of(std::string_view bytes, std::size_t offset) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.substr(offset, sizeof word).data(), sizeof word);
  return word;
}

// Everything that is asked of a core, for input that must not crash us.
void ask_everything(const std::string& path) {
  auto core = CoreFile::open(path);
  if (!core) return;
  CoreFiles files(*core, "");
  const CoreMemory memory(*core, files);
  std::array<std::byte, 3 * kPage> into{};
  for (const CoreSegment& segment : core->segments()) (void)memory.read(segment.begin, into, "memory");
  for (const Mapping& mapping : core->mappings()) {
    (void)memory.read(mapping.begin, into, "memory");
    (void)files.open(mapping);
  }
  (void)core->missing_bytes();
  (void)files.refused();
}

}  // namespace

TEST_CASE("a core tells its process, its threads in their order, and the signal that ended it") {
  const TemporaryDirectory folder;
  const auto core = open_core(folder, small_core());
  CHECK(core.notes().pid == Pid{42});
  REQUIRE(core.notes().threads.size() == 2);
  CHECK(core.notes().threads[1].tid == Tid{43});
  CHECK(core.notes().threads[1].thread_pointer == 0x8000);
  CHECK(core.notes().signal == SIGABRT);
}

TEST_CASE("a debugger's copy of a running process was ended by no signal") {
  const TemporaryDirectory folder;
  MadeCore made;
  made.thread(42, 0x7000, SIGSTOP);
  CHECK_FALSE(open_core(folder, made).notes().signal);
}

TEST_CASE("memory is read from the segments, also across their border, all or nothing") {
  const TemporaryDirectory folder;
  auto made = small_core();
  made.memory(0x10000 + kPage, kPage, page_of('b'), PF_R | PF_W);
  const auto core = open_core(folder, made);
  CoreFiles files(core, "");
  const CoreMemory memory(core, files);
  CHECK(*memory.read_value<std::uint64_t>({0x10000 + kPage - 4}, "word") == 0x6262626261616161);
  CHECK(memory.read_value<std::uint64_t>({0x10000 + 2 * kPage - 4}, "word").error().kind == ErrorKind::kUnreadable);
  CHECK(memory.read_value<std::uint64_t>({0xfffc}, "word").error().kind == ErrorKind::kUnreadable);
  const std::uint64_t outside = GENERATE(0ULL, kUserSpaceEnd - 4, kUserSpaceEnd, ~0ULL, ~0ULL - 7);
  CHECK(memory.read_value<std::uint64_t>({outside}, "word").error().kind == ErrorKind::kUnreadable);
}

TEST_CASE("of several pieces those before the first unreadable one are read") {
  const TemporaryDirectory folder;
  const auto core = open_core(folder, small_core());
  CoreFiles files(core, "");
  std::array<std::byte, 8> into{};
  const std::array<Piece, 3> pieces{
      {{.from = {0x10000}, .into = into}, {.from = {0x20000}, .into = into}, {.from = {0x10000}, .into = into}}};
  CHECK(*CoreMemory(core, files).read_many(pieces, "words") == 1);
}

TEST_CASE("a read beyond the bound is refused before anything is read") {
  const TemporaryDirectory folder;
  const auto core = open_core(folder, small_core());
  CoreFiles files(core, "");
  std::byte byte = {};
  // Never written to: the size is refused first.
  const auto done = CoreMemory(core, files).read({0x10000}, std::span(&byte, kMaxReadBytes + 1), "size");
  CHECK(done.error().kind == ErrorKind::kOutOfBounds);
}

TEST_CASE("what the core left out of a mapped file is read from the file") {
  const MappedProgram program;
  program.folder.write("program", program.now);
  const auto core = open_core(program.folder, program.core());
  CoreFiles files(core, "");
  CHECK(*word_at(core, files, 0x401000) == word_of(program.now, kPage));
  CHECK(*word_at(core, files, 0x400ffc) == word_of(program.now, kPage - 4));
  CHECK(files.refused().empty());
  CHECK(files.unchecked().empty());
}

// gdb leaves out the segments of what it does not write.
TEST_CASE("a mapped file without a segment is read too") {
  const MappedProgram program;
  program.folder.write("program", program.now);
  MadeCore made;
  made.thread(42, 0x7000)
      .files({{.begin = 0x400000, .end = 0x402000, .page = 0, .path = program.path}})
      .memory(0x400000, kPage, std::string_view(program.now).substr(0, kPage));
  const auto core = open_core(program.folder, made);
  CoreFiles files(core, "");
  CHECK(*word_at(core, files, 0x401000) == word_of(program.now, kPage));
}

TEST_CASE("what the process may have changed is never read from the file") {
  const MappedProgram program;
  program.folder.write("program", program.now);
  auto made = program.core();
  made.segments[0].p_flags |= PF_W;
  const auto core = open_core(program.folder, made);
  CoreFiles files(core, "");
  CHECK_THAT(word_at(core, files, 0x401000).error().detail, Catch::Contains("coredump_filter"));
}

TEST_CASE("memory that was cut off with the file's end is not read from the mapped file, and the loss is told") {
  const MappedProgram program;
  program.folder.write("program", program.now);
  auto made = program.core();
  made.segments[0].p_filesz = 2 * kPage;
  const auto core = open_core(program.folder, made);
  CoreFiles files(core, "");
  CHECK(word_at(core, files, 0x400000));
  CHECK_THAT(word_at(core, files, 0x401000).error().detail, Catch::Contains("cut off"));
  CHECK(core.missing_bytes() == kPage);
}

TEST_CASE("a mapped file that is missing is named by whatever wants it") {
  const MappedProgram program;
  const auto core = open_core(program.folder, program.core());
  CoreFiles files(core, "");
  const auto word = word_at(core, files, 0x401000);
  REQUIRE(!word);
  CHECK_THAT(word.error().detail, Catch::StartsWith(program.path + ": No such file"));
  CHECK_THAT(word.error().detail, Catch::Contains("--executable"));
  REQUIRE(files.refused().size() == 1);
}

TEST_CASE("a mapped file that has another build id now is refused, with both ids") {
  const MappedProgram program;
  program.folder.write("program", contents_of("/bin/cat"));
  const auto core = open_core(program.folder, program.core());
  CoreFiles files(core, "");
  const auto id = open_elf(kProgram)->build_id();
  const auto id_now = open_elf("/bin/cat")->build_id();
  REQUIRE((id && id_now));
  const auto word = word_at(core, files, 0x401000);
  REQUIRE(!word);
  CHECK_THAT(word.error().detail, Catch::Contains(*id) && Catch::Contains(*id_now));
}

TEST_CASE("a mapped file without a build id is known by its first page") {
  MappedProgram program;
  // The note's owner is "GNU"; of another owner it is no build id.
  const auto at = program.now.find(std::string("GNU\0", 4));
  REQUIRE(at < kPage);
  for (std::size_t found = at; found != std::string::npos && found < kPage; found = program.now.find("GNU", found))
    program.now.replace(found, 3, "GNO");
  program.folder.write("program", program.now);
  REQUIRE_FALSE(open_elf(program.path)->build_id());
  const auto core = open_core(program.folder, program.core());
  {
    CoreFiles files(core, "");
    CHECK(word_at(core, files, 0x401000));
  }
  auto changed = program.now;
  changed[kPage - 1] = static_cast<char>(changed[kPage - 1] + 1);
  program.folder.write("program", changed);
  CoreFiles files(core, "");
  CHECK_THAT(word_at(core, files, 0x401000).error().detail, Catch::Contains("first page"));
}

TEST_CASE("where the core holds nothing of a file, it is used and said to be unchecked") {
  const MappedProgram program;
  program.folder.write("program", program.now);
  const auto core = open_core(program.folder, program.core("", program.path));
  CoreFiles files(core, "");
  CHECK(word_at(core, files, 0x401000));
  CHECK(files.unchecked() == std::vector{program.path});
}

TEST_CASE("the executable may lie elsewhere now, and is checked there") {
  const MappedProgram program;
  program.folder.write("program", program.now);
  const auto core = open_core(program.folder, program.core(std::string_view(program.now).substr(0, kPage), "/gone"));
  CoreFiles missing(core, "");
  CHECK_FALSE(word_at(core, missing, 0x401000));
  CoreFiles files(core, program.path);
  CHECK(word_at(core, files, 0x401000));
  CoreFiles wrong(core, "/bin/cat");
  CHECK_THAT(word_at(core, wrong, 0x401000).error().detail, Catch::StartsWith("/bin/cat is not the file"));
}

TEST_CASE("under a deleted file's name only the same file is taken") {
  const MappedProgram program;
  program.folder.write("program", program.now);
  const std::string name = program.path + " (deleted)";
  {
    const auto core = open_core(program.folder, program.core(std::string_view(program.now).substr(0, kPage), name));
    CoreFiles files(core, "");
    CHECK(core.mappings().front().deleted);
    CHECK(word_at(core, files, 0x401000));
  }
  const auto core = open_core(program.folder, program.core("", name));
  CoreFiles files(core, "");
  CHECK_THAT(word_at(core, files, 0x401000).error().detail, Catch::Contains("deleted"));
}

TEST_CASE("what is mapped and no ELF file, or no file, is opened for nobody") {
  const TemporaryDirectory folder;
  folder.write("notes.txt", page_of('x') + page_of('y'));
  REQUIRE(::mkfifo((folder.path() + "/pipe").c_str(), 0600) == 0);
  for (const auto& path : {folder.path() + "/notes.txt", folder.path() + "/pipe", std::string("/dev/zero"),
                           folder.path(), std::string("relative"), std::string()}) {
    INFO(path);
    MadeCore made;
    made.thread(42, 0x7000).files({{.begin = 0x400000, .end = 0x402000, .page = 0, .path = path}});
    const auto core = open_core(folder, made);
    CoreFiles files(core, "");
    CHECK_FALSE(word_at(core, files, 0x400000));
  }
}

TEST_CASE("what is no core file is refused with what it is") {
  CHECK_THAT(refusal_of(std::string()).detail, Catch::Contains("no ELF core file"));
  CHECK_THAT(refusal_of(std::string(10000, 'x')).detail, Catch::Contains("no ELF core file"));
  CHECK_THAT(refusal_of(contents_of(kProgram)).detail, Catch::Contains("no core"));
  auto made = small_core();
  made.header.e_machine = EM_AARCH64;
  CHECK_THAT(refusal_of(made).detail, Catch::Contains("x86-64"));
  const TemporaryDirectory folder;
  CHECK(CoreFile::open(folder.path()).error().kind == ErrorKind::kUnreadable);
  CHECK(CoreFile::open(folder.path() + "/none").error().kind == ErrorKind::kUnreadable);
}

TEST_CASE("a core without threads, or with cut notes, is refused") {
  MadeCore made;
  made.memory(0x10000, kPage, page_of('a'));
  CHECK_THAT(refusal_of(made).detail, Catch::Contains("no thread"));
  const auto bytes = small_core().bytes();
  const auto headers = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
  CHECK(refusal_of(bytes.substr(0, headers + 40)).kind == ErrorKind::kInconsistent);
  CHECK(refusal_of(bytes.substr(0, headers - 1)).kind == ErrorKind::kInconsistent);
}

TEST_CASE("segments that claim the same memory, or more than there is, are refused") {
  auto made = small_core();
  made.memory(0x10800, kPage, page_of('b'));
  CHECK_THAT(refusal_of(made).detail, Catch::Contains("same memory"));
  made = small_core();
  made.segments[0].p_memsz = ~0ULL;
  CHECK(refusal_of(made).kind == ErrorKind::kInconsistent);
  made = small_core();
  made.segments[0].p_filesz = made.segments[0].p_memsz + 1;
  CHECK(refusal_of(made).kind == ErrorKind::kInconsistent);
}

TEST_CASE("memory whose contents lie beyond the file is cut off, not read") {
  const TemporaryDirectory folder;
  auto made = small_core();
  made.segments[0].p_offset = std::uint64_t{1} << 62U;
  const auto core = open_core(folder, made);
  CoreFiles files(core, "");
  CHECK_THAT(word_at(core, files, 0x10000).error().detail, Catch::Contains("cut off"));
}

TEST_CASE("counts beyond the bounds are refused before anything is allocated for them") {
  auto made = small_core();
  made.header.e_phnum = PN_XNUM;  // the count is in a section header: here in bytes of somebody else
  made.header.e_shoff = ~0ULL - 3;
  CHECK(refusal_of(made).kind == ErrorKind::kInconsistent);
  Elf64_Shdr section = {};
  section.sh_info = ~0U;
  made.contents += MadeCore::bytes_of(section);
  made.header.e_shoff = made.bytes().size() - sizeof section;
  CHECK(refusal_of(made).kind == ErrorKind::kOutOfBounds);

  made = small_core();
  made.note(NT_FILE, MadeCore::bytes_of(~0ULL) + MadeCore::bytes_of(kPage));
  CHECK(refusal_of(made).kind == ErrorKind::kInconsistent);
  made = small_core();
  made.note(NT_FILE, MadeCore::bytes_of(std::uint64_t{1} << 40U) + MadeCore::bytes_of(kPage) + page_of('\0'));
  CHECK(refusal_of(made).kind == ErrorKind::kInconsistent);
  made = small_core();
  made.note(NT_PRSTATUS, "short");
  CHECK(refusal_of(made).kind == ErrorKind::kInconsistent);
}

// A sparse core whose notes go on for 16 GiB of zeros; empty, and said so, where the file system cannot hold it.
std::string with_endless_notes(const TemporaryDirectory& folder, const MadeCore& made) {
  auto bytes = made.bytes();
  Elf64_Phdr notes;
  std::memcpy(&notes, bytes.data() + sizeof(Elf64_Ehdr), sizeof notes);
  notes.p_filesz = std::uint64_t{1} << 34U;
  std::memcpy(bytes.data() + sizeof(Elf64_Ehdr), &notes, sizeof notes);
  folder.write("core", bytes);
  const std::string path = folder.path() + "/core";
  if (::truncate(path.c_str(), off_t{1} << 35) == 0) return path;
  WARN("skipped: the file system has no files of that size");
  return "";
}

TEST_CASE("a note of gigabytes in a sparse file takes no room") {
  const TemporaryDirectory folder;
  MadeCore made;
  made.thread(42, 0x7000);
  Elf64_Nhdr head = {.n_namesz = 5, .n_descsz = 0xfffffff0, .n_type = NT_FILE};
  made.notes += MadeCore::bytes_of(head) + std::string("CORE\0\0\0\0", 8);
  const auto path = with_endless_notes(folder, made);
  if (path.empty()) return;
  CHECK(CoreFile::open(path).error().kind == ErrorKind::kOutOfBounds);
}

TEST_CASE("notes without end, all zeros, come to an end") {
  const TemporaryDirectory folder;
  MadeCore made;
  made.thread(42, 0x7000);
  const auto path = with_endless_notes(folder, made);
  if (path.empty()) return;
  CHECK(CoreFile::open(path).error().kind == ErrorKind::kInconsistent);
}

TEST_CASE("mapped files that overlap, end before they begin or lie beyond memory are dropped") {
  const TemporaryDirectory folder;
  MadeCore made;
  made.thread(42, 0x7000)
      .files({{.begin = 0x30000, .end = 0x31000, .page = 0, .path = "/b"},
              {.begin = 0x10000, .end = 0x20000, .page = 0, .path = "/a"},
              {.begin = 0x18000, .end = 0x19000, .page = 0, .path = "/overlap"},
              {.begin = 0x50000, .end = 0x40000, .page = 0, .path = "/backwards"},
              {.begin = 0x60000, .end = ~0ULL, .page = ~0ULL, .path = "/beyond"},
              {.begin = 0x70000, .end = 0x71000, .page = 0, .path = std::string(5000, '/')}});
  const auto core = open_core(folder, made);
  REQUIRE(core.mappings().size() == 2);
  CHECK(core.mappings()[0].path == "/a");
  CHECK(core.mappings()[1].path == "/b");
}

TEST_CASE("more than 65,534 segments are counted elsewhere, and all are found") {
  const TemporaryDirectory folder;
  MadeCore made;
  made.thread(42, 0x7000);
  constexpr std::uint64_t kSegments = 70'000;
  for (std::uint64_t i = 0; i < kSegments; ++i) made.memory((i + 1) * 2 * kPage, kPage, "");
  made.memory((kSegments + 1) * 2 * kPage, kPage, page_of('z'));
  Elf64_Shdr section = {};
  section.sh_info = static_cast<Elf64_Word>(made.segments.size() + 1);
  made.contents += MadeCore::bytes_of(section);
  made.header.e_phnum = PN_XNUM;
  made.header.e_shoff = made.bytes().size() - sizeof section;
  const auto core = open_core(folder, made);
  CoreFiles files(core, "");
  CHECK(*word_at(core, files, (kSegments + 1) * 2 * kPage) == 0x7a7a7a7a7a7a7a7a);
}

// Seeded, so that a failure can be repeated.
TEST_CASE("a core with bytes changed at random crashes nobody") {
  const MappedProgram program;
  program.folder.write("program", program.now);
  auto made = program.core();
  made.process(42).thread(43, 0x8000).memory(0x10000, kPage, page_of('a'));
  const std::string sound = made.bytes();
  const std::size_t tables = sound.size() - made.contents.size();
  std::mt19937 random(1);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
  for (int round = 0; round < 4000; ++round) {
    std::string bytes = sound;
    const auto count = 1 + random() % 8;
    for (unsigned i = 0; i < count; ++i) {
      const std::size_t within = random() % 4 == 0 ? bytes.size() : tables;
      bytes[random() % within] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    const std::string path = program.folder.path() + "/core";
    std::filesystem::remove(path);  // ext4 writes a file that is replaced out to the disk, and waits
    program.folder.write("core", bytes);
    ask_everything(path);
  }
  SUCCEED();
}
