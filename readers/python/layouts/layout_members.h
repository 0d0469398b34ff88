#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "readers/base/result.h"
#include "readers/python/layout.h"
#include "readers/python/layouts/layout_checks.h"

namespace snag::python {

// A layout made of values, one for each of kLayoutMembers. kInconsistent, naming the members, when some are absent
// that no version may lack.
[[nodiscard]] Result<Layout> layout_of(Version version, bool free_threaded, const LayoutValues& values);

// A member on which two layouts do not agree.
struct LayoutDifference {
  LayoutMember member;
  std::optional<std::uint32_t> left;
  std::optional<std::uint32_t> right;
};
[[nodiscard]] std::vector<LayoutDifference> differences(const Layout& left, const Layout& right);
// "frame.locals: 72 -> 80", "task.name: absent -> 120".
[[nodiscard]] std::string describe(const LayoutDifference& difference);

}  // namespace snag::python
