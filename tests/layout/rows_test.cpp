// Holds the committed rows against what interpreters say of themselves: their debug information, read by libdw, and the
// _Py_DebugOffsets in their ELF files.

#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <set>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <gelf.h>
#include <unistd.h>

#include "readers/python/debug_offsets.h"
#include "readers/python/layouts/extract/debug_info.h"
#include "readers/python/layouts/layout_members.h"
#include "tests/layout/interpreters.h"

namespace snag::python {
namespace {

void say(const Interpreter& interpreter, const std::string& test, const std::string& outcome) {
  std::cout << test << ", CPython " << interpreter.name << ": " << outcome << "\n";
}

// A machine may lack an interpreter; the closing lines then tell what the run does not prove.
void say_which_are_missing(const std::vector<Interpreter>& found, const std::string& test) {
  for (std::uint8_t minor = 7; find_layout({.major = 3, .minor = minor}) != nullptr; ++minor) {
    const bool here = std::ranges::any_of(found, [&](const auto& one) { return one.version.minor == minor; });
    if (!here) std::cout << test << ", CPython 3." << int{minor} << ": skipped: this machine has none\n";
  }
}

// Patch releases have put fields into these two, behind all that the row names: 3.13.0 and 3.13.5 differ in it.
bool is_size_of_state(const LayoutMember& member) {
  return member.name == "size" && (member.group == "runtime_state" || member.group == "interpreter_state");
}

void check_equal(const Layout& theirs, const Interpreter& interpreter, bool another_patch_release = false) {
  const Layout* row = find_layout(interpreter.version);
  REQUIRE(row != nullptr);
  for (const LayoutDifference& difference : differences(*row, theirs)) {
    if (another_patch_release && is_size_of_state(difference.member)) continue;
    FAIL_CHECK(interpreter.name << ", from the row to the interpreter: " << describe(difference));
  }
}

struct Descriptor {
  int value;
  ~Descriptor() { ::close(value); }
};
struct ElfEnd {
  void operator()(Elf* elf) const { elf_end(elf); }
};

// A section's bytes as they lie in the file; empty: no such section.
std::vector<std::byte> section_of(const std::string& path, std::string_view wanted) {
  elf_version(EV_CURRENT);
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  REQUIRE(file.value >= 0);
  const std::unique_ptr<Elf, ElfEnd> elf(elf_begin(file.value, ELF_C_READ, nullptr));
  std::size_t names = 0;
  REQUIRE(elf_getshdrstrndx(elf.get(), &names) == 0);
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf.get(), section)) != nullptr;) {
    GElf_Shdr header;
    REQUIRE(gelf_getshdr(section, &header) != nullptr);
    const char* name = elf_strptr(elf.get(), names, header.sh_name);
    if (name == nullptr || name != wanted) continue;
    const Elf_Data* data = elf_rawdata(section, nullptr);
    REQUIRE(data != nullptr);
    const auto* begin = static_cast<const std::byte*>(data->d_buf);
    return {begin, begin + data->d_size};
  }
  return {};
}

TEST_CASE("the rows equal the debug information of every interpreter here") {
  const auto interpreters = find_interpreters();
  for (const Interpreter& interpreter : interpreters) {
    const auto theirs = extract_layout(interpreter.version, interpreter.files);
    if (!theirs && theirs.error().kind == ErrorKind::kUnsupported) {
      say(interpreter, "layout against DWARF", "skipped: " + theirs.error().detail);
      continue;
    }
    INFO(interpreter.name << ": " << (theirs ? "" : describe(theirs.error())));
    REQUIRE(theirs.has_value());
    check_equal(*theirs, interpreter);
    say(interpreter, "layout against DWARF", "run: " + std::to_string(kMemberCount) + " members");
  }
  say_which_are_missing(interpreters, "layout against DWARF");
}

TEST_CASE("frames of the interpreter's own have the owner that its headers say") {
  const auto interpreters = find_interpreters();
  for (const Interpreter& interpreter : interpreters) {
    const auto info = DebugInfo::open(interpreter.files.python, {"_frameowner"});
    if (!info) {
      say(interpreter, "owner of shim frames", "skipped: " + info.error().detail);
      continue;
    }
    const auto owner = info->enumerator("_frameowner", "FRAME_OWNED_BY_CSTACK");
    REQUIRE(owner.has_value());
    const std::optional<std::uint8_t> ours = dialect_of(interpreter.version).first_shim_owner;
    INFO(interpreter.name);
    CHECK(ours.has_value() == owner->has_value());
    CHECK(ours.value_or(0) == owner->value_or(0));
    say(interpreter, "owner of shim frames", "run: " + (*owner ? std::to_string(**owner) : "absent"));
  }
}

TEST_CASE("the row equals the _Py_DebugOffsets in the ELF file, from 3.13 on") {
  const auto interpreters = find_interpreters();
  for (const Interpreter& interpreter : interpreters) {
    const auto bytes = section_of(interpreter.files.python, ".PyRuntime");
    const auto offsets = DebugOffsets::parse(bytes);
    if (interpreter.version.minor < 13) {
      CHECK_FALSE(offsets.has_value());  // they begin with other things
      continue;
    }
    INFO(interpreter.name << ": " << (offsets ? "" : describe(offsets.error())));
    REQUIRE(offsets.has_value());
    const auto theirs = layout_from_debug_offsets(*offsets, *find_layout(interpreter.version));
    REQUIRE(theirs.has_value());
    check_equal(*theirs, interpreter, true);
    say(interpreter, "layout against _Py_DebugOffsets", "run");
  }
}

// That the list of fields is that of CPython's struct, in its order: fields that the layout does not use, too.
TEST_CASE("each field of _Py_DebugOffsets says what the debug information says") {
  struct Field {
    std::string_view group;
    std::string_view name;
    std::string_view type;
    std::string_view path;
  };
  constexpr std::array kFields{
      Field{"runtime_state", "finalizing", "_PyRuntimeState", "_finalizing"},
      Field{"interpreter_state", "size", "PyInterpreterState", ""},
      Field{"interpreter_state", "sysdict", "PyInterpreterState", "sysdict"},
      Field{"interpreter_state", "builtins", "PyInterpreterState", "builtins"},
      Field{"interpreter_state", "gil_runtime_state", "PyInterpreterState", "_gil"},
      Field{"thread_state", "prev", "PyThreadState", "prev"},
      Field{"thread_state", "status", "PyThreadState", "_status"},
      Field{"code_object", "localspluskinds", "PyCodeObject", "co_localspluskinds"},
      Field{"pyobject", "size", "PyObject", ""},
      Field{"type_object", "tp_repr", "PyTypeObject", "tp_repr"},
      Field{"tuple_object", "size", "PyTupleObject", ""},
      Field{"list_object", "size", "PyListObject", ""},
      Field{"dict_object", "size", "PyDictObject", ""},
      Field{"float_object", "size", "PyFloatObject", ""},
      Field{"long_object", "size", "PyLongObject", ""},
      Field{"bytes_object", "size", "PyBytesObject", ""},
      Field{"unicode_object", "size", "PyUnicodeObject", ""},
      Field{"gc", "size", "_gc_runtime_state", ""},
  };
  std::set<std::string_view> types{"_Py_DebugOffsets"};
  for (const Field& field : kFields) types.insert(field.type);
  for (const Interpreter& interpreter : find_interpreters()) {
    const auto offsets = DebugOffsets::parse(section_of(interpreter.files.python, ".PyRuntime"));
    const auto info = DebugInfo::open(interpreter.files.python, types);
    if (!offsets || !info) continue;
    CHECK(*info->locate("_Py_DebugOffsets", "") == 584U);
    for (const Field& field : kFields) {
      INFO(field.group << "." << field.name);
      CHECK(offsets->find(field.group, field.name) == *info->locate(field.type, field.path));
    }
  }
}

}  // namespace
}  // namespace snag::python
