#include "readers/python/layouts/extract/extract_layout.h"

#include <set>

#include "readers/python/layouts/extract/debug_info.h"
#include "readers/python/layouts/extract/questions.h"
#include "readers/python/layouts/layout_checks.h"
#include "readers/python/layouts/layout_members.h"

namespace snag::python {
namespace {

// What only the objects of a build without the GIL have: the thread that owns them.
constexpr std::string_view kObject = "PyObject";
constexpr std::string_view kOwningThread = "ob_tid";

Result<DebugInfo> open_for(DebugFile file, const std::string& path) {
  std::set<std::string_view> types;
  for (const Question& question : layout_questions()) {
    if (question.file != file) continue;
    for (const Alternative& alternative : question.alternatives) types.insert(alternative.type);
  }
  return DebugInfo::open(path, types);
}

Result<std::optional<std::uint32_t>> answer(const DebugInfo& info, const Question& question, MemberKind kind) {
  for (const Alternative& alternative : question.alternatives) {
    if (alternative.type.empty()) break;
    auto value = kind == MemberKind::kBit ? info.locate_bit(alternative.type, alternative.path)
                                          : info.locate(alternative.type, alternative.path);
    if (!value || *value) return value;
  }
  return std::optional<std::uint32_t>();
}

}  // namespace

Result<Layout> extract_layout(Version version, const InterpreterFiles& files) {
  const Result<DebugInfo> python = open_for(DebugFile::kPython, files.python);
  if (!python) return fail(python);
  std::optional<DebugInfo> asyncio;
  if (!files.asyncio.empty()) {
    auto opened = open_for(DebugFile::kAsyncio, files.asyncio);
    if (!opened) return fail(opened);
    asyncio = std::move(*opened);
  }
  LayoutValues values{};
  for (std::size_t at = 0; at < kMemberCount; ++at) {
    const Question& question = layout_questions()[at];
    if (question.file == DebugFile::kAsyncio && !asyncio) continue;
    const auto& info = question.file == DebugFile::kPython ? *python : *asyncio;
    const auto value = answer(info, question, kLayoutMembers[at].kind);
    if (!value) return fail(value);
    values[at] = *value;
  }
  const auto owner = python->locate(kObject, kOwningThread);
  if (!owner) return fail(owner);
  return layout_of(version, owner->has_value(), values);
}

}  // namespace snag::python
