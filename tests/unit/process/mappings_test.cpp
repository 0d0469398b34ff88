#include "readers/process/mappings.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "readers/process/own_memory.h"
#include "tests/unit/process/child.h"

using namespace snag;
using snag::test::TemporaryDirectory;

namespace {

constexpr std::size_t kPage = 4096;

// A file of two pages, mapped; its second page has these rights.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) : path_(path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    static_cast<void>(!::ftruncate(file, 2 * kPage));
    ::fstat(file, &status_);
    at_ = ::mmap(nullptr, kPage, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, kPage);
    ::close(file);
  }
  ~MappedFile() { ::munmap(at_, kPage); }
  [[nodiscard]] Address at() const { return address_of(at_); }
  [[nodiscard]] const struct stat& status() const { return status_; }
  void remove() const { ::unlink(path_.c_str()); }

 private:
  std::string path_;
  struct stat status_ = {};
  void* at_ = nullptr;
};

std::vector<Mapping> own_mappings() {
  auto mappings = read_mappings(ProcRoot(), Pid{::getpid()});
  REQUIRE(mappings);
  return *std::move(mappings);
}

}  // namespace

TEST_CASE("a mapping's line is taken apart") {
  const auto mapping =
      parse_mapping("7f79b0bc2000-7f79b0c53000 r-xp 0001f000 fe:01 4711                       /usr/lib/x.so");
  REQUIRE(mapping);
  CHECK(mapping->begin == Address{0x7f79b0bc2000});
  CHECK(mapping->end == Address{0x7f79b0c53000});
  CHECK(mapping->readable);
  CHECK_FALSE(mapping->writable);
  CHECK(mapping->executable);
  CHECK_FALSE(mapping->shared);
  CHECK(mapping->file_offset == 0x1f000);
  CHECK(mapping->inode == 4711);
  CHECK(mapping->path == "/usr/lib/x.so");
  CHECK(mapping->is_file());
}

TEST_CASE("memory without a file has no path or one in brackets") {
  const auto anonymous = parse_mapping("1000-2000 rw-p 00000000 00:00 0 ");
  REQUIRE(anonymous);
  CHECK(anonymous->path.empty());
  CHECK_FALSE(anonymous->is_file());
  const auto stack = parse_mapping("7fff0000-7fff1000 rw-p 00000000 00:00 0                          [stack]");
  REQUIRE(stack);
  CHECK(stack->path == "[stack]");
  CHECK_FALSE(stack->is_file());
  CHECK(parse_mapping("1000-2000 rw-p 00000000 00:00 0"));
}

TEST_CASE("what is no line of maps is inconsistent") {
  const std::string line =
      GENERATE(as<std::string>{}, "", "x", "1000", "1000-", "2000-1000 r--p 0 0:0 0", "1000-2000", "1000-2000 r-",
               "1000-2000 r--p zz 0:0 0", "1000-2000 r--p 0 00 0", "11111111111111111-2 r--p 0 0:0 0",
               "1000-2000 r--p 0 0:0 -1", "1000-1000 r--p 0 0:0 0");
  CHECK(parse_mapping(line).error().kind == ErrorKind::kInconsistent);
}

TEST_CASE("a file with an odd name is mapped under that very name") {
  const TemporaryDirectory tree;
  const std::string name = GENERATE(as<std::string>{}, "plain", "two  spaces", " lead and trail ", "new\nline",
                                    "tab\ttab", "back\\slash", "r--p 0 0:0 0", "not (deleted) yet");
  const MappedFile file(tree.path() + "/" + name);
  const auto mappings = own_mappings();
  const Mapping* mapping = find_mapping(mappings, file.at());
  REQUIRE(mapping != nullptr);
  CHECK(mapping->path == tree.path() + "/" + name);
  CHECK(mapping->inode == file.status().st_ino);
  CHECK(mapping->device == file.status().st_dev);
  CHECK(mapping->file_offset == kPage);
  CHECK(mapping->executable);
  CHECK_FALSE(mapping->deleted);
}

TEST_CASE("a file that was deleted after it was mapped is marked so") {
  const TemporaryDirectory tree;
  const MappedFile file(tree.path() + "/gone");
  file.remove();
  const auto mappings = own_mappings();
  const Mapping* mapping = find_mapping(mappings, file.at());
  REQUIRE(mapping != nullptr);
  CHECK(mapping->deleted);
  CHECK(mapping->path == tree.path() + "/gone");
}

TEST_CASE("an address between two mappings lies in none") {
  const std::vector<Mapping> mappings = {{.begin = {0x1000}, .end = {0x2000}}, {.begin = {0x3000}, .end = {0x4000}}};
  CHECK(find_mapping(mappings, {0xfff}) == nullptr);
  CHECK(find_mapping(mappings, {0x1000}) == &mappings[0]);
  CHECK(find_mapping(mappings, {0x1fff}) == &mappings[0]);
  CHECK(find_mapping(mappings, {0x2000}) == nullptr);
  CHECK(find_mapping(mappings, {0x3000}) == &mappings[1]);
  CHECK(find_mapping(mappings, {0x4000}) == nullptr);
  CHECK(find_mapping({}, {0x4000}) == nullptr);
}

TEST_CASE("thousands of mappings are read, ascending, and each address found in its own") {
  constexpr std::size_t kCount = 8000;
  // Neighbours with different rights are not merged by the kernel.
  auto* begin = static_cast<std::byte*>(
      ::mmap(nullptr, kCount * kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  REQUIRE(begin != MAP_FAILED);
  for (std::size_t i = 0; i < kCount; i += 2) ::mprotect(begin + i * kPage, kPage, PROT_NONE);
  const auto mappings = own_mappings();
  CHECK(mappings.size() >= kCount);
  for (std::size_t i = 1; i < mappings.size(); ++i) REQUIRE(mappings[i - 1].end <= mappings[i].begin);
  for (std::size_t i = 1; i + 1 < kCount; ++i) {
    const Mapping* mapping = find_mapping(mappings, address_of(begin + i * kPage + 5));
    REQUIRE(mapping != nullptr);
    REQUIRE(mapping->begin == address_of(begin + i * kPage));
    REQUIRE(mapping->readable == (i % 2 == 1));
  }
  ::munmap(begin, kCount * kPage);
}

TEST_CASE("a line that overlaps the one before is dropped") {
  const TemporaryDirectory tree;
  tree.write("5/maps", "1000-3000 r--p 0 0:0 0 \n2000-4000 r--p 0 0:0 0 \n3000-5000 r--p 0 0:0 0 \n");
  const auto mappings = read_mappings(ProcRoot(tree.path()), Pid{5});
  REQUIRE(mappings);
  REQUIRE(mappings->size() == 2);
  CHECK((*mappings)[1].begin == Address{0x3000});
}

TEST_CASE("a broken line makes the whole file inconsistent, a missing file ends the process") {
  const TemporaryDirectory tree;
  tree.write("5/maps", "1000-3000 r--p 0 0:0 0 \ngarbage\n");
  CHECK(read_mappings(ProcRoot(tree.path()), Pid{5}).error().kind == ErrorKind::kInconsistent);
  CHECK(read_mappings(ProcRoot(tree.path()), Pid{6}).error().kind == ErrorKind::kNoSuchProcess);
}

TEST_CASE("the mappings of one file are found by device and inode") {
  const std::vector<Mapping> mappings = {{.begin = {0x1000}, .end = {0x2000}, .device = 1, .inode = 5, .path = "/a"},
                                         {.begin = {0x2000}, .end = {0x3000}, .device = 1, .inode = 6, .path = "/a"},
                                         {.begin = {0x3000}, .end = {0x4000}},
                                         {.begin = {0x4000}, .end = {0x5000}, .device = 1, .inode = 5, .path = "/b"},
                                         {.begin = {0x5000}, .end = {0x6000}, .device = 2, .inode = 5, .path = "/a"}};
  const auto same = mappings_of_file(mappings, mappings[0]);
  REQUIRE(same.size() == 2);
  CHECK(same[1].begin == Address{0x4000});
  CHECK(mappings_of_file(mappings, mappings[2]).empty());
}
