#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "readers/python/bytecode/line_table.h"
#include "readers/python/objects.h"
#include "readers/python/runtime.h"
#include "readers/python/stack.h"

namespace snag::python {

// Bounds on one code object. CPython's own compiler produces some 100 KiB for the largest generated functions.
inline constexpr std::size_t kMaxLineTableBytes = 1U << 20U;
inline constexpr std::size_t kMaxInstructionBytes = 16U << 20U;

// Names and tables of all functions of one cache; the functions beyond are kOutOfBounds. A large service has some
// 10,000 functions of 400 bytes each.
inline constexpr std::size_t kMaxCacheBytes = 16U << 20U;

// What a code object says of its function. Immutable; lives as long as the cache.
struct Function {
  std::uint32_t number = 0;  // 0, 1, 2 … in the order of discovery: an index for tables beside the cache
  Address code;
  std::string name;  // co_qualname from 3.11 on, else co_name
  std::string file;  // co_filename
  std::int32_t first_line = 0;
  std::vector<std::byte> line_table;
  bool is_generator = false;  // a generator, coroutine or asynchronous generator: its frame outlives a call
  std::int64_t instruction_bytes = 0;
  // Byte offset of the first instruction at which CPython itself shows a frame of it (_PyFrame_IsIncomplete); before,
  // cells are made and a generator or coroutine object takes the frame over. 0 before 3.11.
  std::int64_t first_traceable = 0;
};

// Functions by the address of their code object. Python frees code objects and allocates others at the same address: an
// entry is only good for a frame whose CodeIdentity, copied together with the frame, is the entry's own.
class CodeCache {
 public:
  CodeCache(const RemoteMemory& memory, const Runtime& runtime);

  // Never null. kInconsistent when the code object has changed since the frame was copied.
  [[nodiscard]] Result<const Function*> function(const RawFrame& frame);
  // The function of a code object that no frame was copied from: of a suspended coroutine.
  [[nodiscard]] Result<const Function*> function_of(Address code);
  // What is known of one instruction of a function.
  struct Place {
    std::optional<std::int32_t> line;  // absent: it belongs to no line. CPython: PyCode_Addr2Line
    // It leaves the frame, which calls nobody any more (only told to 3.10; in 3.11 destructors may run under it).
    bool returns = false;
  };
  [[nodiscard]] Place place(const Function& function, std::int64_t instruction);

  // Where the instructions begin.
  [[nodiscard]] Result<Address> first_instruction(const Function& function) const;
  // Instructions as they lie in memory (3.11 and later: adaptive, specialised), for the analyses of bytecode/.
  [[nodiscard]] Result<std::vector<std::byte>> instructions(const Function& function) const;

  [[nodiscard]] const ObjectReader& objects() const { return objects_; }
  [[nodiscard]] const Runtime& runtime() const { return *runtime_; }

 private:
  struct Entry {
    CodeIdentity identity;
    std::unique_ptr<Function> function;
    std::optional<std::vector<LineRun>> lines;       // made when first asked for
    std::unordered_map<std::int64_t, bool> returns;  // by instruction; to 3.10
  };
  [[nodiscard]] Result<CodeIdentity> identity_of(Address code) const;
  [[nodiscard]] Result<Function> load_function(Address code) const;
  [[nodiscard]] bool returns(const Function& function, std::int64_t instruction) const;
  [[nodiscard]] Result<const Function*> look_up(Address code, const CodeIdentity& identity);

  ObjectReader objects_;
  const Runtime* runtime_;
  std::unordered_map<Address, std::uint32_t, AddressHash> by_address_;
  std::size_t held_bytes_ = 0;
  std::vector<Entry> entries_;  // by Function::number; what an address was reused for stays, tables refer to it
};

}  // namespace snag::python
