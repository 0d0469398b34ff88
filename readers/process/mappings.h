#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "readers/base/address.h"
#include "readers/base/ids.h"
#include "readers/base/result.h"
#include "readers/process/proc_root.h"

namespace snag {

// Lines of one maps file. vm.max_map_count is 65,530 by default; databases raise it to 262,144, and beyond four times
// that no lookup of ours would be of use.
inline constexpr std::size_t kMaxMappings = 1U << 20U;

// One line of /proc/PID/maps.
struct Mapping {
  Address begin;
  Address end;  // one past the last byte
  bool readable = false;
  bool writable = false;
  bool executable = false;
  bool shared = false;
  std::uint64_t file_offset = 0;  // bytes
  std::uint64_t device = 0;       // as makedev(major, minor)
  std::uint64_t inode = 0;        // 0: no file
  std::string path = {};          // unescaped, without " (deleted)"; "" anonymous; "[stack]", "[heap]", "[vdso]" …
  bool deleted = false;           // the file has no name any more; a name that really ends so cannot be told apart

  [[nodiscard]] std::uint64_t size() const { return end.value - begin.value; }
  [[nodiscard]] bool contains(Address address) const { return begin <= address && address < end; }
  [[nodiscard]] bool is_file() const { return inode != 0 && !path.empty() && path.front() == '/'; }
};

// Ascending and disjoint. The file is read in several calls while the target maps and unmaps: a line that overlaps what
// came before is dropped. Empty for a kernel thread or a zombie.
[[nodiscard]] Result<std::vector<Mapping>> read_mappings(const ProcRoot& root, Pid pid);
[[nodiscard]] Result<Mapping> parse_mapping(std::string_view line);

// The mapping that an address lies in; null when there is none. `mappings` ascend.
[[nodiscard]] const Mapping* find_mapping(std::span<const Mapping> mappings, Address address);
// All mappings of the same file (device and inode), in their order.
[[nodiscard]] std::vector<Mapping> mappings_of_file(std::span<const Mapping> mappings, const Mapping& like);

}  // namespace snag
