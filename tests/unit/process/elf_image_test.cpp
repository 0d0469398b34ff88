#include "readers/process/elf_image.h"

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include <catch2/catch.hpp>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "readers/process/image_memory.h"
#include "readers/process/loaded_elf.h"
#include "readers/process/own_memory.h"
#include "tests/unit/process/child.h"

using namespace snag;
using snag::test::Child;
using snag::test::TemporaryDirectory;

namespace {

constexpr const char* kSmallProgram = "/bin/true";
constexpr const char* kPython = "/usr/bin/python3";

std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// What a command prints; "" when it cannot be run.
std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return text;
  char block[4096];
  for (std::size_t got = 0; (got = std::fread(block, 1, sizeof block, pipe)) != 0;) text.append(block, got);
  ::pclose(pipe);
  return text;
}

std::vector<Mapping> mappings_of(Pid pid) {
  auto mappings = read_mappings(ProcRoot(), pid);
  REQUIRE(mappings);
  return *std::move(mappings);
}

// Everything that is asked of an image, for input that must not crash us.
void ask_everything(const std::string& path) {
  const auto image = open_elf(path);
  if (!image) return;
  static_cast<void>(image->find_section(".PyRuntime"));
  static_cast<void>(image->find_section(".text"));
  static_cast<void>(image->find_dynamic_symbol("_PyRuntime"));
  static_cast<void>(image->find_dynamic_symbol("stdout"));
  static_cast<void>(image->build_id());
  for (const ElfSegment& segment : image->segments()) {
    static_cast<void>(image->read_value<std::uint64_t>(segment.address, "word"));
  }
  const std::vector<Mapping> mappings = {{.begin = {0x1000}, .end = {0x9000}, .inode = 1, .path = "/x"}};
  static_cast<void>(load_bias(image->segments(), mappings));
}

std::string mutate(std::string bytes, std::mt19937& random, std::size_t within) {
  const auto count = 1 + random() % 8;
  for (unsigned i = 0; i < count; ++i)
    bytes[random() % within] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
  return bytes;
}

}  // namespace

// Oracle: the dynamic linker, which loaded them.
TEST_CASE("the load bias of every object in this process is the dynamic linker's") {
  struct Loaded {
    std::uint64_t bias;
    std::uint64_t first_segment;
  };
  std::vector<Loaded> objects;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* into) {
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
          static_cast<std::vector<Loaded>*>(into)->push_back({info->dlpi_addr, info->dlpi_phdr[i].p_vaddr});
          break;
        }
        return 0;
      },
      &objects);
  const auto mappings = mappings_of(Pid{::getpid()});
  std::size_t checked = 0;
  for (const Loaded& object : objects) {
    const Mapping* mapping = find_mapping(mappings, {object.bias + object.first_segment});
    REQUIRE(mapping != nullptr);
    if (!mapping->is_file()) continue;  // the vdso
    INFO(mapping->path);
    const auto image = open_mapped_elf(ProcRoot(), Pid{::getpid()}, *mapping);
    REQUIRE(image);
    const auto of_file = mappings_of_file(mappings, *mapping);
    const auto bias = load_bias(image->segments(), of_file);
    REQUIRE(bias);
    CHECK(bias->value == object.bias);
    const auto loaded = find_loaded_elf(OwnMemory(), of_file);
    REQUIRE(loaded);
    CHECK(loaded->bias.value == object.bias);
    ++checked;
  }
  CHECK(checked >= 3);
}

TEST_CASE("a dynamic symbol lies where the dynamic linker finds it") {
  void* expected = ::dlsym(RTLD_DEFAULT, "_IO_2_1_stderr_");
  REQUIRE(expected != nullptr);
  const auto mappings = mappings_of(Pid{::getpid()});
  const Mapping* mapping = find_mapping(mappings, address_of(expected));
  REQUIRE(mapping != nullptr);
  const auto image = open_mapped_elf(ProcRoot(), Pid{::getpid()}, *mapping);
  REQUIRE(image);
  const auto symbol = image->find_dynamic_symbol("_IO_2_1_stderr_");
  REQUIRE(symbol);
  CHECK(*load_bias(image->segments(), mappings_of_file(mappings, *mapping)) + symbol->address.value ==
        address_of(expected));
  CHECK(symbol->size > 0);
  CHECK_FALSE(image->find_dynamic_symbol("_IO_2_1_stderr"));
  CHECK_FALSE(image->find_dynamic_symbol(""));
}

// Oracle: the dynamic linker, whose tables these are.
TEST_CASE("what is loaded says where a symbol lies, without its file") {
  // Of the library itself: sanitizers put functions of their own before it.
  void* libc = ::dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
  REQUIRE(libc != nullptr);
  const auto mappings = mappings_of(Pid{::getpid()});
  const Mapping* mapping = find_mapping(mappings, address_of(::dlsym(libc, "_IO_2_1_stderr_")));
  REQUIRE(mapping != nullptr);
  const auto elf = find_loaded_elf(OwnMemory(), mappings_of_file(mappings, *mapping));
  REQUIRE(elf);
  for (const char* name : {"_IO_2_1_stderr_", "environ", "pthread_create", "fopen64", "qsort", "getenv", "optarg"}) {
    INFO(name);
    const auto found = find_exported(OwnMemory(), *elf, name);
    REQUIRE(found);
    CHECK(*found == address_of(::dlsym(libc, name)));
  }
  for (const char* name : {"_IO_2_1_stderr", "_PyRuntime", "", "__cxa_throw"})
    CHECK(!find_exported(OwnMemory(), *elf, name));
  ::dlclose(libc);
}

TEST_CASE("hostile tables in memory are survived") {
  const std::string file = contents_of("/lib/x86_64-linux-gnu/libm.so.6");
  REQUIRE(!file.empty());
  constexpr std::size_t kLoaded = 0x10000;  // headers and the dynamic linker's tables
  const std::string start = file.substr(0, kLoaded);
  const std::vector<Mapping> mappings = {
      {.begin = {0x10000}, .end = {0x10000 + kLoaded}, .readable = true, .inode = 1, .path = "/x"}};
  std::mt19937 random(7);  // NOLINT(cert-msc51-cpp): the same every time
  for (int i = 0; i < 3000; ++i) {
    const std::string bytes = mutate(start, random, i % 2 == 0 ? 0x400 : kLoaded);
    ImageMemory memory;
    const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
    REQUIRE(memory.add({0x10000}, std::vector<std::byte>(data, data + bytes.size())));
    const auto elf = find_loaded_elf(memory, mappings);
    if (!elf) continue;
    static_cast<void>(find_exported(memory, *elf, "cos"));
    static_cast<void>(find_exported(memory, *elf, "_PyRuntime"));
  }
}

TEST_CASE("a symbol that the file only asks others for is not found in it") {
  // /bin/true calls libc's exit, and does not define it.
  const auto image = open_elf(kSmallProgram);
  REQUIRE(image);
  CHECK_FALSE(image->find_dynamic_symbol("exit"));
}

// A libffi trampoline maps a page of the executable again, at a lower address and executable: py-spy issue 865.
TEST_CASE("a page of the file that is mapped a second time does not move the load bias") {
  const auto mappings = mappings_of(Pid{::getpid()});
  void* inside = ::dlsym(RTLD_DEFAULT, "_IO_2_1_stderr_");
  const Mapping* mapping = find_mapping(mappings, address_of(inside));
  REQUIRE(mapping != nullptr);
  const auto image = open_mapped_elf(ProcRoot(), Pid{::getpid()}, *mapping);
  REQUIRE(image);
  auto of_file = mappings_of_file(mappings, *mapping);
  const auto expected = load_bias(image->segments(), of_file);
  REQUIRE(expected);
  Mapping again = of_file.front();
  again.executable = true;
  const std::uint64_t offset = GENERATE(0ULL, 0x1000ULL, 0x22000ULL);
  again.file_offset = offset;
  again.begin = {0x10000};
  again.end = {0x11000};
  of_file.insert(of_file.begin(), again);
  CHECK(*load_bias(image->segments(), of_file) == *expected);
}

TEST_CASE("a file that is not mapped has no load bias") {
  const auto image = open_elf(kSmallProgram);
  REQUIRE(image);
  CHECK(load_bias(image->segments(), {}).error().kind == ErrorKind::kInconsistent);
  const std::vector<Mapping> elsewhere = {{.begin = {0x1000}, .end = {0x2000}, .file_offset = 0x700000}};
  CHECK(load_bias(image->segments(), elsewhere).error().kind == ErrorKind::kInconsistent);
}

TEST_CASE("sections and the build id are those that readelf prints") {
  const std::string program = std::filesystem::exists(kPython) ? kPython : kSmallProgram;
  const std::string sections = output_of("readelf -SW " + program);
  if (sections.empty()) {
    WARN("skipped: there is no readelf");
    return;
  }
  const auto image = open_elf(program);
  REQUIRE(image);
  for (const char* name : {".PyRuntime", ".text", ".data", ".bss", ".dynsym"}) {
    INFO(name);
    const std::size_t at = sections.find(std::string(" ") + name + " ");
    const auto section = image->find_section(name);
    REQUIRE(section.has_value() == (at != std::string::npos));
    if (!section) continue;
    char type[32];
    unsigned long long address = 0;
    unsigned long long offset = 0;
    unsigned long long size = 0;
    // NOLINTNEXTLINE(cert-err34-c): readelf's own numbers
    REQUIRE(std::sscanf(sections.c_str() + at + 1 + std::strlen(name), "%31s %llx %llx %llx", type, &address, &offset,
                        &size) == 4);
    CHECK(section->address == Address{address});
    CHECK(section->file_offset == offset);
    CHECK(section->size == size);
    CHECK(section->has_contents == (std::string(type) != "NOBITS"));
  }
  const std::string notes = output_of("readelf -nW " + program);
  const auto id = image->build_id();
  REQUIRE(id);
  CHECK(notes.find("Build ID: " + *id + "\n") != std::string::npos);
}

TEST_CASE("initial contents are read from the file at the address as linked") {
  const auto image = open_elf(kPython);
  if (!image) {
    WARN("skipped: there is no /usr/bin/python3");
    return;
  }
  const auto symbol = image->find_dynamic_symbol("Py_Version");
  if (!symbol) {
    WARN("skipped: this Python has no Py_Version of its own (older than 3.11, or in a library)");
    return;
  }
  const std::string printed = output_of(std::string(kPython) + " -c 'import sys; print(sys.hexversion)'");
  CHECK(image->read_value<std::uint32_t>(symbol->address, "Py_Version").value() == std::stoul(printed));
  const auto bss = image->find_section(".bss");
  REQUIRE(bss);
  CHECK(image->read_value<std::uint64_t>(bss->address + 4096, "bss").error().kind == ErrorKind::kUnreadable);
  CHECK(image->read_value<std::uint64_t>({1}, "nothing").error().kind == ErrorKind::kUnreadable);
}

TEST_CASE("what is no x86-64 executable is unsupported, and what is no file unreadable") {
  const TemporaryDirectory tree;
  const std::string path = tree.path() + "/file";
  std::string program = contents_of(kSmallProgram);
  const auto kind_of = [&](const std::string& bytes) {
    tree.write("file", bytes);
    return open_elf(path).error().kind;
  };
  CHECK(kind_of("#!/bin/sh\n" + std::string(200, ' ')) == ErrorKind::kUnsupported);
  CHECK(kind_of("") == ErrorKind::kUnsupported);
  CHECK(kind_of(program.substr(0, 63)) == ErrorKind::kInconsistent);
  CHECK(kind_of(program.substr(0, program.size() / 4)) == ErrorKind::kInconsistent);
  std::string other = program;
  other[EI_CLASS] = ELFCLASS32;
  CHECK(kind_of(other) == ErrorKind::kUnsupported);
  other = program;
  other[offsetof(Elf64_Ehdr, e_machine)] = static_cast<char>(EM_AARCH64);
  CHECK(kind_of(other) == ErrorKind::kUnsupported);
  other = program;
  other[offsetof(Elf64_Ehdr, e_type)] = ET_REL;
  CHECK(kind_of(other) == ErrorKind::kUnsupported);
  CHECK(open_elf(tree.path() + "/none").error().kind == ErrorKind::kUnreadable);
  CHECK(open_elf(tree.path()).error().kind == ErrorKind::kUnsupported);
}

TEST_CASE("a pipe in a library's place is refused and not waited for") {
  const TemporaryDirectory tree;
  const std::string path = tree.path() + "/pipe";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK(open_elf(path).error().kind == ErrorKind::kUnsupported);
}

TEST_CASE("a sparse file of terabytes is refused before anything is allocated for it") {
  const TemporaryDirectory tree;
  const std::string path = tree.path() + "/sparse";
  std::filesystem::copy_file(kSmallProgram, path);
  if (::truncate(path.c_str(), off_t{1} << 40) != 0) {
    WARN("skipped: the file system has no files of that size");
    return;
  }
  CHECK(open_elf(path).error().kind == ErrorKind::kOutOfBounds);
}

TEST_CASE("more sections or segments than an executable has are refused") {
  const TemporaryDirectory tree;
  std::string program = contents_of(kSmallProgram);
  const std::size_t field = GENERATE(offsetof(Elf64_Ehdr, e_shnum), offsetof(Elf64_Ehdr, e_phnum));
  const std::string count =
      field == offsetof(Elf64_Ehdr, e_shnum) ? std::string("\0\0", 2) : std::string("\xff\xff", 2);
  program.replace(field, 2, count);
  tree.write("file", program);
  CHECK(open_elf(tree.path() + "/file").error().kind == ErrorKind::kOutOfBounds);
}

TEST_CASE("corrupt and truncated files give errors and never crash") {
  const TemporaryDirectory tree;
  const std::string path = tree.path() + "/file";
  const std::string program = contents_of(kSmallProgram);
  std::mt19937 random(20240229);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same files each time
  Elf64_Ehdr header;
  std::memcpy(&header, program.data(), sizeof header);
  for (int i = 0; i < 400; ++i) {
    // The ELF header and the program headers.
    tree.write("file", mutate(program, random, sizeof header + header.e_phnum * sizeof(Elf64_Phdr)));
    ask_everything(path);
    // The tables that dynamic symbols are found by, which linkers put first.
    tree.write("file", mutate(program, random, program.size() / 8));
    ask_everything(path);
    // The section headers, which are last.
    std::string tail = program.substr(header.e_shoff);
    tree.write("file", program.substr(0, header.e_shoff) + mutate(tail, random, tail.size()));
    ask_everything(path);
    tree.write("file", program.substr(0, random() % program.size()));
    ask_everything(path);
  }
  SUCCEED("all were asked");
}

TEST_CASE("the executable of a process is opened also when its file was deleted or replaced") {
  const TemporaryDirectory tree;
  const std::string path = tree.path() + "/sleeper";
  std::filesystem::copy_file("/bin/sleep", path);
  const auto expected = open_elf(path)->build_id();
  const Child child({path, "1000"});
  const auto before = mappings_of(child.pid());
  std::filesystem::remove(path);
  const bool replaced = GENERATE(false, true);
  if (replaced) std::filesystem::copy_file("/bin/true", path);
  const auto mappings = mappings_of(child.pid());
  const auto executable = std::find_if(mappings.begin(), mappings.end(), [&](const auto& m) { return m.path == path; });
  REQUIRE(executable != mappings.end());
  CHECK(executable->deleted);
  const auto image = open_mapped_elf(ProcRoot(), child.pid(), *executable);
  REQUIRE(image);
  CHECK(image->build_id() == expected);
  // The name in a list of mappings that is out of date leads to another file, which is not taken for it.
  const auto stale = std::find_if(before.begin(), before.end(), [&](const auto& m) { return m.path == path; });
  REQUIRE(stale != before.end());
  const auto by_stale_name = open_mapped_elf(ProcRoot(), child.pid(), *stale);
  REQUIRE(by_stale_name);
  CHECK(by_stale_name->build_id() == expected);
}

// As on an overlay or on btrfs, which show another device in maps than in stat; and as where a mount has hidden the
// file.
TEST_CASE("a file of other numbers is the mapped one only if it begins as what is loaded does") {
  const auto mappings = mappings_of(Pid{::getpid()});
  const Mapping* mapping = find_mapping(mappings, address_of(::dlsym(RTLD_DEFAULT, "_IO_2_1_stderr_")));
  REQUIRE(mapping != nullptr);
  const TemporaryDirectory tree;
  // This process with no right to map_files, in a root where the path leads to a copy.
  const std::string process = "proc/" + std::to_string(::getpid());
  tree.link(process + "/root", tree.path() + "/container");
  std::string contents = contents_of(mapping->path);
  const bool replaced = GENERATE(false, true);
  if (replaced) contents = contents_of(kSmallProgram);
  tree.write("container" + mapping->path, contents);
  tree.write(process + "/stat", "");
  const auto image = open_mapped_elf(ProcRoot(tree.path() + "/proc"), Pid{::getpid()}, *mapping);
  CHECK(image.has_value() != replaced);
  if (replaced) CHECK(image.error().detail.find("was replaced") != std::string::npos);
}

TEST_CASE("an absolute link in the target's root leads to the target's file, not to ours") {
  const TemporaryDirectory tree;
  // A /proc in which process 5 has its root in the tree, and maps a link there.
  tree.write("container/opt/real", contents_of(kSmallProgram));
  tree.link("container/opt/link", "/opt/real");
  tree.link("proc/5/root", tree.path() + "/container");
  struct stat status = {};
  REQUIRE(::stat((tree.path() + "/container/opt/real").c_str(), &status) == 0);
  const Mapping mapping = {
      .begin = {0x1000}, .end = {0x2000}, .device = status.st_dev, .inode = status.st_ino, .path = "/opt/link"};
  const auto image = open_mapped_elf(ProcRoot(tree.path() + "/proc"), Pid{5}, mapping);
  REQUIRE(image);
  CHECK(image->file().inode == status.st_ino);
}

TEST_CASE("a file that cannot be reached any more is said to be so") {
  const TemporaryDirectory tree;
  tree.write("5/stat", "");
  const Mapping mapping = {.begin = {0x1000}, .end = {0x2000}, .inode = 3, .path = "/opt/python", .deleted = true};
  const auto image = open_mapped_elf(ProcRoot(tree.path()), Pid{5}, mapping);
  REQUIRE(!image);
  CHECK(image.error().kind == ErrorKind::kUnreadable);
  CHECK(image.error().detail.find("/opt/python was deleted") != std::string::npos);
  CHECK(open_mapped_elf(ProcRoot(tree.path()), Pid{6}, mapping).error().kind == ErrorKind::kNoSuchProcess);
}
