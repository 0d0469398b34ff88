#pragma once

#include <optional>
#include <span>

#include "readers/process/mappings.h"
#include "readers/process/remote_memory.h"
#include "readers/python/layout.h"

namespace snag::python {

// Where no exported word tells the version (before 3.11, or where nothing is exported), names do: that of the runtime's
// own file, then those of the standard library's extension modules; where nothing is named so (linked into a program,
// and no module loaded), the version and the folder of the standard library among the constants of the file, where
// those agree. The layout that is chosen by it is proved afterwards.
[[nodiscard]] std::optional<Version> version_by_names(const Mapping& file, std::span<const Mapping> mappings,
                                                      const RemoteMemory& memory);

// Whether CPython was linked into the file, exporting and naming nothing.
[[nodiscard]] bool has_cpython_constants(std::span<const Mapping> of_file, const RemoteMemory& memory);

}  // namespace snag::python
