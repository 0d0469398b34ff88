#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "readers/process/remote_memory.h"
#include "readers/python/layout.h"

namespace snag::python {

// Names and paths longer than this are cut: PATH_MAX, the longest name that means anything to a reader.
inline constexpr std::size_t kMaxStringBytes = 4096;
// More entries than this in one dict are not looked through; sys.modules of the largest services has some thousands.
inline constexpr std::size_t kMaxDictEntries = 1U << 17U;
// Items of one tuple: names of a code object's variables, bases of a type.
inline constexpr std::size_t kMaxTupleItems = 1U << 14U;
// Digits (of 30 bits) of an int that is read: ids, counts and numbers of tasks are below 2^60.
inline constexpr std::size_t kMaxLongDigits = 2;

// Reads CPython's built-in objects from a target. Everything is bounded and typed by the layout; what does not look
// like the object that was asked for is kInconsistent. Object layouts: Include/cpython/{unicodeobject,longintrepr}.h,
// Objects/dict-common.h.
class ObjectReader {
 public:
  ObjectReader(const RemoteMemory& memory, const Layout& layout) : memory_(&memory), layout_(&layout) {}

  [[nodiscard]] Result<Address> type_of(Address object) const;
  // tp_name of a type: "int", "_asyncio.Task", "socket".
  [[nodiscard]] Result<std::string> type_name(Address type) const;
  [[nodiscard]] Result<std::string> type_name_of(Address object) const;
  // A str as UTF-8; lone surrogates become U+FFFD.
  [[nodiscard]] Result<std::string> string(Address unicode) const;
  [[nodiscard]] Result<std::int64_t> integer(Address object) const;
  // How much of an int of one digit there is: another object may follow, or the end of what is mapped.
  [[nodiscard]] std::size_t small_integer_bytes() const;
  // The same from a copy of that: for ints of at most one digit of 30 bits, as counts
  // are.
  [[nodiscard]] std::optional<std::int64_t> small_integer(std::span<const std::byte> copy) const;
  [[nodiscard]] Result<double> real(Address object) const;
  [[nodiscard]] Result<std::vector<Address>> tuple(Address object) const;
  // The content of a bytes object of at most `limit` bytes.
  [[nodiscard]] Result<std::vector<std::byte>> bytes(Address object, std::size_t limit) const;
  // A NUL-terminated string of C, at most 255 bytes of it; any bytes.
  [[nodiscard]] Result<std::string> c_string(Address text) const;

  struct DictEntry {
    Address key;
    Address value;
  };
  // Not for dicts that share their keys (instances' __dict__): kUnsupported.
  [[nodiscard]] Result<std::vector<DictEntry>> dict(Address object) const;
  // The value for a key that is a str; nullopt when there is none.
  [[nodiscard]] Result<std::optional<Address>> find(Address dict, std::string_view key) const;
  // The value for a key that is this very object.
  [[nodiscard]] Result<std::optional<Address>> find_identity(Address dict, Address key) const;

  [[nodiscard]] const RemoteMemory& memory() const { return *memory_; }
  [[nodiscard]] const Layout& layout() const { return *layout_; }

 private:
  struct IntegerHead {
    std::uint64_t digits;
    bool negative;
  };
  [[nodiscard]] IntegerHead integer_head(std::span<const std::byte> copy) const;
  struct KeyTable {
    Address entries;
    std::size_t entry_count = 0;
    std::size_t entry_size = 0;  // bytes
    std::size_t key_at = 0;      // of an entry
  };
  [[nodiscard]] Result<KeyTable> key_table(Address keys) const;

  const RemoteMemory* memory_;
  const Layout* layout_;
};

}  // namespace snag::python
