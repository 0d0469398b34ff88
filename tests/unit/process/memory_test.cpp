#include <array>
#include <cstring>
#include <numeric>
#include <vector>

#include <catch2/catch.hpp>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "readers/process/image_memory.h"
#include "readers/process/live_memory.h"
#include "readers/process/own_memory.h"
#include "tests/unit/process/child.h"

using namespace snag;
using snag::test::Child;

namespace {

constexpr std::size_t kPage = 4096;

// Two pages, of which the second is not mapped.
class PageBeforeHole {
 public:
  PageBeforeHole()
      : begin_(static_cast<std::byte*>(
            ::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    std::memset(begin_, 0x5A, kPage);
    ::munmap(begin_ + kPage, kPage);
  }
  ~PageBeforeHole() { ::munmap(begin_, kPage); }
  [[nodiscard]] Address end() const { return address_of(begin_) + kPage; }

 private:
  std::byte* begin_;
};

std::array<std::byte, 4> four_bytes() { return {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}}; }

}  // namespace

TEST_CASE("memory of another process is read as it is there") {
  static volatile std::uint64_t word = 0;
  const Child child([](const auto& ready) {
    word = 0x1122334455667788;
    ready();
    ::pause();
  });
  // By process_vm_readv, and by /proc/PID/mem as where the kernel has no such call.
  const LiveMemory memory(child.pid(), GENERATE(true, false));
  CHECK(*memory.read_value<std::uint64_t>(address_of(const_cast<std::uint64_t*>(&word)), "word") == 0x1122334455667788);
  CHECK(word == 0);
}

TEST_CASE("a read that runs into unmapped memory fails as a whole and says where and how much") {
  const PageBeforeHole page;
  std::array<std::byte, 16> into = {};
  const auto done = OwnMemory().read(page.end() - 8, into, "frame");
  REQUIRE(!done);
  CHECK(done.error().kind == ErrorKind::kUnreadable);
  CHECK(done.error().where == page.end() - 8);
  CHECK(done.error().wanted == 16);
  CHECK(std::string(done.error().what) == "frame");
}

TEST_CASE("the last mapped byte can be read") {
  const PageBeforeHole page;
  CHECK(*OwnMemory().read_value<std::uint8_t>(page.end() - 1, "byte") == 0x5A);
}

TEST_CASE("addresses outside of user space are unreadable") {
  const OwnMemory memory;
  const std::uint64_t address = GENERATE(0ULL, 8ULL, kUserSpaceEnd, kUserSpaceEnd - 4, 0xffffffffff600000ULL, ~0ULL);
  const auto value = memory.read_value<std::uint64_t>({address}, "pointer");
  REQUIRE(!value);
  CHECK(value.error().kind == ErrorKind::kUnreadable);
}

TEST_CASE("a size beyond the bound is refused before it is tried") {
  std::byte byte = {};
  // Never touched: the span only claims to be that long.
  const std::span<std::byte> huge(&byte, kMaxReadBytes + 1);
  const auto done = OwnMemory().read(address_of(&byte), huge, "chunk");
  REQUIRE(!done);
  CHECK(done.error().kind == ErrorKind::kOutOfBounds);
}

TEST_CASE("pieces are read in their order, over as many system calls as they need") {
  std::vector<std::uint32_t> values(3 * kMaxPieces + 7);
  std::iota(values.begin(), values.end(), 1U);
  std::vector<std::uint32_t> copies(values.size());
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < values.size(); ++i) {
    pieces.push_back({.from = address_of(&values[i]), .into = std::as_writable_bytes(std::span(&copies[i], 1))});
  }
  CHECK(*OwnMemory().read_many(pieces, "values") == pieces.size());
  CHECK(copies == values);
}

TEST_CASE("read_many stops at the first piece that is not whole") {
  const PageBeforeHole page;
  std::array<std::byte, 8> first = {};
  std::array<std::byte, 16> second = {};
  std::array<std::byte, 8> third = {};
  const std::size_t bad = GENERATE(0U, 1U, 2U, 3U);
  std::vector<Piece> pieces = {{.from = page.end() - 8, .into = first},
                               {.from = page.end() - 16, .into = second},
                               {.from = page.end() - 24, .into = third}};
  const std::array<Address, 3> unreadable = {page.end() - 4, {kUserSpaceEnd}, {0}};
  if (bad < pieces.size()) pieces[bad].from = unreadable[bad];
  CHECK(*OwnMemory().read_many(pieces, "pieces") == bad);
}

TEST_CASE("what /proc/PID/mem gives is what process_vm_readv gives") {
  const PageBeforeHole page;
  const LiveMemory memory(Pid{::getpid()}, false);
  std::array<std::byte, 8> whole = {};
  std::array<std::byte, 16> torn = {};
  const std::array<Piece, 2> pieces = {
      {{.from = page.end() - 8, .into = whole}, {.from = page.end() - 8, .into = torn}}};
  CHECK(*memory.read_many(pieces, "pieces") == 1);
  CHECK(whole.back() == std::byte{0x5A});
  const auto beyond = memory.read(page.end() - 8, torn, "frame");
  REQUIRE(!beyond);
  CHECK(beyond.error().kind == ErrorKind::kUnreadable);
  CHECK(beyond.error().where == page.end() - 8);
  CHECK(memory.read({kUserSpaceEnd}, whole, "frame").error().kind == ErrorKind::kUnreadable);
}

TEST_CASE("a hole beyond the first batch of pieces is found as well") {
  const PageBeforeHole page;
  std::vector<std::byte> into(2 * kMaxPieces);
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < into.size(); ++i) {
    pieces.push_back({.from = page.end() - 1, .into = std::span(&into[i], 1)});
  }
  pieces[kMaxPieces + 3].from = page.end();
  CHECK(*OwnMemory().read_many(pieces, "pieces") == kMaxPieces + 3);
}

TEST_CASE("no pieces and empty pieces are whole") {
  CHECK(*OwnMemory().read_many({}, "nothing") == 0);
  const Piece empty = {.from = {1}, .into = {}};
  CHECK(*OwnMemory().read_many({&empty, 1}, "nothing") == 1);
  CHECK(OwnMemory().read({1}, {}, "nothing"));
}

TEST_CASE("a process that has ended is told from memory that is not there") {
  Child child([](const auto& ready) {
    ready();
    ::pause();
  });
  const LiveMemory memory(child.pid(), GENERATE(true, false));
  const int word = 0;
  SECTION("as a zombie") { child.kill_and_leave_zombie(); }
  SECTION("reaped") { child.kill_and_reap(); }
  std::array<std::byte, 4> into = {};
  CHECK(memory.read(address_of(&word), into, "word").error().kind == ErrorKind::kNoSuchProcess);
  const Piece piece = {.from = address_of(&word), .into = into};
  CHECK(memory.read_many({&piece, 1}, "word").error().kind == ErrorKind::kNoSuchProcess);
}

TEST_CASE("a kernel that refuses is told from memory that is not there") {
  if (::geteuid() != 0) {
    WARN("skipped: needs root, to give up its rights in a child");
    return;
  }
  static int word = 0;
  const Child target([](const auto& ready) {
    ready();
    ::pause();
  });
  const bool has_call = GENERATE(true, false);
  // The reader is a child that is nobody: its exit status is the kind of the error.
  Child reader([&](const auto& ready) {
    static_cast<void>(!::setresuid(65534, 65534, 65534));
    const auto value = LiveMemory(target.pid(), has_call).read_value<int>(address_of(&word), "word");
    ready();
    ::_exit(value ? 100 : static_cast<int>(value.error().kind));
  });
  CHECK(WEXITSTATUS(reader.join()) == static_cast<int>(ErrorKind::kNotPermitted));
}

TEST_CASE("recorded memory is read across adjacent segments and not beyond them") {
  ImageMemory memory;
  REQUIRE(memory.add({0x1000}, four_bytes()));
  REQUIRE(memory.add({0x1004}, four_bytes()));
  CHECK(*memory.read_value<std::uint32_t>({0x1002}, "across") == 0x02010403);
  CHECK(!memory.read_value<std::uint32_t>({0x1005}, "beyond"));
  CHECK(!memory.read_value<std::uint32_t>({0xffe}, "before"));
}

TEST_CASE("recorded segments neither overlap nor leave user space") {
  ImageMemory memory;
  REQUIRE(memory.add({0x1000}, four_bytes()));
  CHECK_FALSE(memory.add({0x1003}, four_bytes()));
  CHECK_FALSE(memory.add({0xfff}, four_bytes()));
  CHECK_FALSE(memory.add({kUserSpaceEnd - 2}, four_bytes()));
  CHECK(memory.add({kUserSpaceEnd - 4}, four_bytes()));
}

TEST_CASE("a hole makes recorded bytes unreadable") {
  ImageMemory memory;
  memory.add({0x1000}, std::vector<std::byte>(64));
  memory.unmap({0x1010}, 4);
  CHECK(memory.read_value<std::uint64_t>({0x1008}, "before"));
  CHECK(!memory.faults_not_hit().empty());
  CHECK(memory.read_value<std::uint64_t>({0x100d}, "into").error().kind == ErrorKind::kUnreadable);
  CHECK(memory.read_value<std::uint64_t>({0x1014}, "after"));
  CHECK(memory.faults_not_hit().empty());
}

TEST_CASE("the read of a given number fails as listed, and a fault that was never met is reported") {
  ImageMemory memory;
  memory.add_value({0x1000}, std::uint64_t{7});
  memory.fail_read(2, {.kind = ErrorKind::kNoSuchProcess, .what = "gone"});
  memory.fail_read(9, {.kind = ErrorKind::kNotPermitted, .what = "refused"});
  CHECK(memory.read_value<std::uint64_t>({0x1000}, "first"));
  CHECK(memory.read_value<std::uint64_t>({0x1000}, "second").error().kind == ErrorKind::kNoSuchProcess);
  CHECK(memory.read_value<std::uint64_t>({0x1000}, "third"));
  CHECK(memory.faults_not_hit() == std::vector<std::string>{"failure of read 9"});
  CHECK(memory.reads() == 3);
}

TEST_CASE("contents can change between two pieces of one read") {
  ImageMemory memory;
  memory.add_value({0x1000}, std::uint32_t{1});
  memory.before_read(2, [](ImageMemory& target) { target.change_value({0x1000}, std::uint32_t{2}); });
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  const std::array<Piece, 2> pieces = {Piece{.from = {0x1000}, .into = std::as_writable_bytes(std::span(&first, 1))},
                                       Piece{.from = {0x1000}, .into = std::as_writable_bytes(std::span(&second, 1))}};
  CHECK(*memory.read_many(pieces, "pair") == 2);
  CHECK(first == 1);
  CHECK(second == 2);
  CHECK(memory.faults_not_hit().empty());
}

TEST_CASE("an unreadable piece ends read_many, any other fault fails it") {
  ImageMemory memory;
  memory.add_value({0x1000}, std::uint64_t{1});
  std::array<std::byte, 8> into = {};
  const std::vector<Piece> pieces(3, Piece{.from = {0x1000}, .into = into});
  memory.fail_read(2, {.kind = ErrorKind::kUnreadable, .what = "unmapped"});
  CHECK(*memory.read_many(pieces, "pieces") == 1);
  memory.fail_read(5, {.kind = ErrorKind::kNoSuchProcess, .what = "gone"});
  CHECK(memory.read_many(pieces, "pieces").error().kind == ErrorKind::kNoSuchProcess);
  CHECK(memory.faults_not_hit().empty());
}
