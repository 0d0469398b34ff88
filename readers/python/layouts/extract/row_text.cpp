#include <cinttypes>
#include <cstdio>
#include <string>

#include "readers/python/layouts/extract/extract_layout.h"
#include "readers/python/layouts/layout_checks.h"

namespace snag::python {
namespace {

std::string value_text(const LayoutMember& member, const std::optional<std::uint32_t>& value) {
  std::string number = value ? std::to_string(*value) : "kAbsent";
  switch (member.kind) {
    case MemberKind::kSize:
      return "Size(" + number + ")";
    case MemberKind::kOffset:
      return "Offset(" + number + ")";
    case MemberKind::kMaybeOffset:
      return "MaybeOffset(" + number + ")";
    case MemberKind::kBit:
      return "Bit(" + number + ")";
  }
  return number;
}

std::string hexadecimal(std::uint64_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%016" PRIX64 "ULL", number);
  return text;
}

}  // namespace

std::string row_text(const Layout& layout, std::string_view release) {
  const std::string major = std::to_string(layout.version.major);
  const std::string minor = std::to_string(layout.version.minor);
  const std::string row = "kCPython" + major + minor + (layout.free_threaded ? "t" : "");
  std::string text = "// CPython " + std::string(release) + ", x86-64, " +
                     (layout.free_threaded ? "free-threaded" : "with the GIL") +
                     ". Written by snag-layout-extract from debug information; not to be edited.\n" +
                     "constexpr Layout " + row + "{\n    .version = {.major = " + major + ", .minor = " + minor +
                     "},\n" + "    .free_threaded = " + (layout.free_threaded ? "true" : "false") + ",\n";
  const LayoutValues values = values_of(layout);
  for (std::size_t at = 0; at < kMemberCount; ++at) {
    const LayoutMember& member = kLayoutMembers[at];
    const bool opens = at == 0 || kLayoutMembers[at - 1].group != member.group;
    const bool closes = at + 1 == kMemberCount || kLayoutMembers[at + 1].group != member.group;
    if (opens) text += "    ." + std::string(member.group) + " = {\n";
    text += "        ." + std::string(member.name) + " = " + value_text(member, values[at]) + ",\n";
    if (closes) text += "    },\n";
  }
  text += "};\n";
  text += "static_assert(check_sum(" + row + ") == " + hexadecimal(check_sum(layout)) + ",\n" +
          "              \"the row is not as the extractor wrote it: run snag-layout-extract again\");\n";
  const auto holds = [&](const std::string& rule, const std::string& meaning) {
    text += "static_assert(" + rule + "(values_of(" + row + ")) == nullptr, \"" + meaning + "\");\n";
  };
  holds("first_misaligned", "a member is not aligned");
  holds("first_outside_struct", "a member lies outside its struct");
  holds("first_overlapping", "two members overlap");
  return text;
}

}  // namespace snag::python
