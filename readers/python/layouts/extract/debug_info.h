#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include "readers/base/result.h"

namespace snag::python {

// The C types that one ELF file's debug information defines, asked by name. The information may be the file's own or
// lie detached below /usr/lib/debug, by build-id. A name may have many definitions, one for each compilation unit: an
// answer is given only where all of them agree.
class DebugInfo {
 public:
  // Reads the definitions of these names; others are not known afterwards. kUnsupported without debug information.
  static Result<DebugInfo> open(const std::string& path, const std::set<std::string_view>& type_names);

  // Where a member lies, in bytes. The path has dots ("ceval.gil.locked") and enters structs and unions, also nameless
  // ones, but follows no pointer. An empty path asks for the type's size. nullopt: no such type or member.
  [[nodiscard]] Result<std::optional<std::uint32_t>> locate(std::string_view type_name, std::string_view path) const;

  // Where a bit field begins, in bits from the beginning of the type that the path starts from.
  [[nodiscard]] Result<std::optional<std::uint32_t>> locate_bit(std::string_view type_name,
                                                                std::string_view path) const;

  // The value of an enumerator such as FRAME_OWNED_BY_CSTACK. nullopt: no such enumeration or enumerator.
  [[nodiscard]] Result<std::optional<std::uint32_t>> enumerator(std::string_view enumeration,
                                                                std::string_view name) const;

 private:
  struct DwflEnd {
    void operator()(Dwfl* session) const { dwfl_end(session); }
  };
  DebugInfo() = default;
  void remember_types(Dwarf* debug, const std::set<std::string_view>& type_names);

  std::unique_ptr<Dwfl, DwflEnd> session_;
  std::map<std::string, std::vector<Dwarf_Die>, std::less<>> definitions_;  // complete ones, typedefs resolved
};

}  // namespace snag::python
