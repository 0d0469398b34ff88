#include "readers/python/layouts/extract/extract_layout.h"

#include <set>

#include "readers/python/layouts/extract/debug_info.h"
#include "readers/python/layouts/extract/questions.h"
#include "readers/python/layouts/layout_members.h"

namespace snag::python {
namespace {

Result<DebugInfo> open_for(DebugFile file, const std::string& path) {
  std::set<std::string_view> types;
  for (const Question& question : layout_questions()) {
    if (question.file != file) continue;
    for (const Alternative& alternative : question.alternatives) types.insert(alternative.type);
  }
  return DebugInfo::open(path, types);
}

Result<std::optional<std::uint32_t>> answer(const DebugInfo& info, const Question& question) {
  for (const Alternative& alternative : question.alternatives) {
    if (alternative.type.empty()) break;
    auto value = info.locate(alternative.type, alternative.path);
    if (!value || *value) return value;
  }
  return std::optional<std::uint32_t>();
}

}  // namespace

Result<Layout> extract_layout(Version version, const InterpreterFiles& files) {
  const Result<DebugInfo> python = open_for(DebugFile::kPython, files.python);
  if (!python) return fail(python);
  const Result<DebugInfo> asyncio = open_for(DebugFile::kAsyncio, files.asyncio);
  if (!asyncio) return fail(asyncio);
  LayoutValues values{};
  std::size_t at = 0;
  for (const Question& question : layout_questions()) {
    const auto value = answer(question.file == DebugFile::kPython ? *python : *asyncio, question);
    if (!value) return fail(value);
    values[at++] = *value;
  }
  return layout_of(version, values);
}

}  // namespace snag::python
