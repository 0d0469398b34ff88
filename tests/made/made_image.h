#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "readers/python/bytecode/opcodes.h"
#include "readers/python/layout.h"

namespace snag::made {

// A sound image of a CPython in memory, of any version that there is a layout for: a runtime, an interpreter, a thread
// whose stack is a service's (an asyncio loop that runs a task's callback that sleeps in C), its code objects, names
// and dicts. Whoever is hostile changes it: each pointer, count and size is a field that can be named.
class Image {
 public:
  // A word (or less) that a reader believes or does not.
  struct Field {
    std::string name;  // "thread.next", "frame3.code"
    Address at;
    std::size_t width;  // bytes
  };
  struct Place {
    Address runtime;  // of _PyRuntime; at least kRuntimeBytes are free there
    Address rest;     // of everything else; page-aligned, kRestBytes are free there
    std::int32_t tid = 0;
  };
  static constexpr std::size_t kRuntimeBytes = 4096;
  static constexpr std::size_t kRestBytes = std::size_t{96} << 10U;
  // Of the outermost first: the interpreter's own (where the version has it), main, run_forever, _run_once, task, leaf.
  static constexpr std::size_t kFunctions = 5;

  Image(const python::Layout& layout, Place place);

  [[nodiscard]] const std::vector<std::byte>& runtime() const { return runtime_; }
  [[nodiscard]] const std::vector<std::byte>& rest() const { return rest_; }
  // How much of rest() is used.
  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] const std::vector<Field>& fields() const { return fields_; }
  [[nodiscard]] const Place& place() const { return place_; }

  [[nodiscard]] Address interpreter() const { return interpreter_; }
  [[nodiscard]] Address thread() const { return thread_; }
  [[nodiscard]] Address loop() const { return loop_; }
  [[nodiscard]] Address task() const { return task_; }
  [[nodiscard]] const std::vector<Address>& frames() const { return frames_; }  // outermost first
  [[nodiscard]] const std::vector<Address>& codes() const { return codes_; }    // the same order
  [[nodiscard]] const std::vector<Address>& objects() const { return objects_; }

 private:
  struct CodeParts;
  using Items = std::span<const Address>;
  Address take(std::size_t bytes);
  std::span<std::byte> at(Address where, std::size_t bytes);
  void put(Address where, const void* value, std::size_t bytes);
  template <class T>
  void put(std::string_view name, Address where, T value) {
    put(where, &value, sizeof value);
    fields_.push_back({.name = std::string(name), .at = where, .width = sizeof value});
  }
  template <class T>
  void put(std::string_view name, Address base, python::MaybeOffset offset, T value) {
    if (offset.has_value()) put(name, base + *offset, value);
  }
  Address object(std::size_t bytes, Address type);
  Address text(std::string_view value);
  Address c_string(std::string_view value);
  Address bytes(std::span<const std::byte> value);
  Address tuple(Items items);
  Address integer(std::uint32_t value);
  Address real(double value);
  Address type(std::string_view name, Address base = {});
  Address dict(std::span<const std::pair<Address, Address>> entries, bool of_text);
  Address module(Address dict);
  Address builtin(std::string_view name, std::string_view module);
  Address code(const CodeParts& parts);
  void make_types();
  void make_functions();
  void make_frames();
  void make_asyncio();
  void make_states();
  void write_frame(std::size_t number, Address frame, Address previous);
  [[nodiscard]] std::vector<std::byte> leaf_code(std::int32_t& call_at) const;
  [[nodiscard]] std::vector<std::byte> loop_code(std::int32_t& body_at) const;
  [[nodiscard]] std::vector<std::byte> line_table(std::size_t instruction_bytes) const;

  const python::Layout& layout_;
  python::Dialect dialect_;
  Place place_;
  std::vector<std::byte> runtime_;
  std::vector<std::byte> rest_;
  std::size_t used_ = 64;  // no object lies at the very beginning
  std::vector<Field> fields_;
  std::vector<Address> objects_;
  std::vector<Address> codes_;
  std::vector<Address> functions_;
  std::vector<std::int32_t> instructions_;  // of each frame, bytes
  std::vector<std::int32_t> variables_;
  std::vector<Address> frames_;
  Address interpreter_, thread_, loop_, task_, end_time_, todo_, index_, sleep_, modules_, globals_, chunk_, cframe_;
  Address empty_tuple_, empty_bytes_, chunk_top_;
  struct Types {
    Address type, text, integer, real, tuple, bytes, dict, module, builtin, function, code, coroutine, task, loop;
  } types_;
};

// What a CPython of 3.13 and later says of itself, as far as the layout knows: the values of the row.
[[nodiscard]] std::vector<std::byte> debug_offsets(const python::Layout& layout);

}  // namespace snag::made
