#include "readers/python/layouts/layout_members.h"

#include <string>
#include <type_traits>

namespace snag::python {
namespace {

// Hands out the values in the order of the lists, each as what the member's type says of it.
class ValueCursor {
 public:
  explicit ValueCursor(const LayoutValues& values) : values_(values) {}

  template <class T>
  T next() {
    const std::optional<std::uint32_t> value = values_[at_++];
    if constexpr (std::is_same_v<T, MaybeOffset>) {
      return value ? MaybeOffset(*value) : MaybeOffset(kAbsent);
    } else {
      return T(value.value_or(0));  // layout_of has refused the absent ones before
    }
  }

 private:
  const LayoutValues& values_;
  std::size_t at_ = 0;
};

}  // namespace

Result<Layout> layout_of(Version version, bool free_threaded, const LayoutValues& values) {
  std::string missing;
  for (std::size_t at = 0; at < kMemberCount; ++at) {
    const LayoutMember& member = kLayoutMembers[at];
    if (values[at] || member.kind == MemberKind::kMaybeOffset) continue;
    missing += (missing.empty() ? "" : ", ") + std::string(member.group) + "." + std::string(member.name);
  }
  if (!missing.empty()) {
    return fail(Error{.kind = ErrorKind::kInconsistent, .what = "layout", .detail = "missing: " + missing});
  }
  ValueCursor cursor(values);
  // Initialisers in braces are evaluated in their order ([dcl.init.list]).
#define SNAG_MEMBER(type, member) .member = cursor.next<type>(),
#define SNAG_GROUP(LIST, Struct, group) .group = {LIST(SNAG_MEMBER)},
  return Layout{.version = version, .free_threaded = free_threaded, SNAG_LAYOUT_GROUPS(SNAG_GROUP)};
#undef SNAG_GROUP
#undef SNAG_MEMBER
}

std::vector<LayoutDifference> differences(const Layout& left, const Layout& right) {
  const LayoutValues left_values = values_of(left);
  const LayoutValues right_values = values_of(right);
  std::vector<LayoutDifference> found;
  for (std::size_t at = 0; at < kMemberCount; ++at) {
    if (left_values[at] == right_values[at]) continue;
    found.push_back({.member = kLayoutMembers[at], .left = left_values[at], .right = right_values[at]});
  }
  return found;
}

std::string describe(const LayoutDifference& difference) {
  const auto told = [](const std::optional<std::uint32_t>& value) {
    return value ? std::to_string(*value) : std::string("absent");
  };
  return std::string(difference.member.group) + "." + std::string(difference.member.name) + ": " +
         told(difference.left) + " -> " + told(difference.right);
}

}  // namespace snag::python
