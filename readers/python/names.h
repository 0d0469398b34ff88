#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "readers/python/bytecode/call_site.h"
#include "readers/python/bytecode/stack_depth.h"
#include "readers/python/code_cache.h"
#include "readers/python/stack.h"

namespace snag::python {

// Names of what runs, as a person would write them: the module of a function, the public name of a library's function
// ("requests.get", though it is defined in requests.api), and of the C function that a frame is in ("time.sleep"),
// which has no frame of its own.
class NameReader {
 public:
  explicit NameReader(CodeCache& codes) : codes_(&codes) {}

  // __name__ in the globals of the frame; empty where it cannot be read.
  [[nodiscard]] const std::string& module_of(const RawFrame& frame, const Function& function);

  // Module and qualified name, with the module shortened to the first package that exports the same object.
  [[nodiscard]] std::string public_name(const RawFrame& frame, const Function& function, Address interpreter);

  // What the innermost frame of a stack has called that has no Python frame of its own. nullopt: it executes Python
  // code itself, or moved on while it was looked at.
  struct BuiltinCall {
    std::string name;  // "time.sleep", "socket.recv_into", "threading.Lock.__enter__", "import json"
    // An operator, attribute or iteration: nearly every instruction is one, so that it only means something of a thread
    // that the kernel says is blocked, or that stands at it time and again.
    bool is_operation = false;
  };
  [[nodiscard]] std::optional<BuiltinCall> builtin_call(const RawFrame& frame, const Function& function);

 private:
  // What bytecode says of a function, made once.
  struct Shape {
    Instructions instructions;
    StackDepths depths;
    std::size_t value_stack_begin;  // in words from the first local
  };
  [[nodiscard]] std::optional<std::string> read_module(Address globals) const;
  [[nodiscard]] std::string qualified_name(const RawFrame& frame, const Function& function) const;
  [[nodiscard]] std::optional<std::string> class_of_self(const RawFrame& frame, const Function& function) const;
  [[nodiscard]] bool exports(Address modules, std::string_view module, std::string_view qualified,
                             const RawFrame& frame, const Function& function) const;
  [[nodiscard]] const Shape* shape_of(const Function& function);
  [[nodiscard]] std::optional<Shape> read_shape(const Function& function) const;
  [[nodiscard]] Result<std::size_t> value_stack_begin(const Function& function) const;
  // The objects in the call's slots; nullopt when the frame has moved on.
  [[nodiscard]] std::optional<std::vector<Address>> read_slots(const RawFrame& frame, const Shape& shape,
                                                               const CallSite& site) const;
  [[nodiscard]] std::optional<std::string> name_call(const Function& function, const CallSite& site,
                                                     std::span<const Address> objects) const;
  [[nodiscard]] std::optional<std::string> callable_name(Address object) const;
  [[nodiscard]] std::optional<std::string> builtin_name(Address object) const;
  [[nodiscard]] std::optional<std::string> imported_name(const Function& function, unsigned index) const;

  CodeCache* codes_;
  std::unordered_map<std::uint32_t, std::string> modules_;       // by Function::number
  std::unordered_map<std::uint32_t, std::string> public_names_;  // by Function::number
  std::unordered_map<std::uint32_t, std::optional<Shape>> shapes_;
};

}  // namespace snag::python
