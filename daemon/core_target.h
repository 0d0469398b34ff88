#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/python_process.h"
#include "readers/process/core_file.h"
#include "readers/process/core_files.h"

namespace snag::daemon {

// The CPython process that a core file was made of.
class CoreTarget final : public PythonProcess {
 public:
  // `executable`: where its executable is now; empty: where the core says. kNotPython, kUnsupported, kUnreadable,
  // kInconsistent, kOutOfBounds or kNotPermitted, each with a detail for the operator.
  [[nodiscard]] static Result<std::unique_ptr<CoreTarget>> open(const std::string& file, std::string executable);

  // Numbers are those of the process's own PID namespace.
  [[nodiscard]] Result<std::vector<TargetThread>> threads() const override;
  // A core was written of threads that had been stopped for it: what they did before is not told.
  [[nodiscard]] std::optional<char> run_state(Tid) const override { return std::nullopt; }
  // Not in a core.
  [[nodiscard]] std::optional<std::string> kernel_name(Tid) const override { return std::nullopt; }
  [[nodiscard]] std::optional<asyncio::ModuleOffsets> asyncio_offsets() const override;

  // Sentences on what of the process could not be read so far, or was not checked.
  [[nodiscard]] std::vector<std::string> shortcomings() const;

 private:
  // Where its memory comes from; at an address of its own, since the memory refers to it.
  struct Source {
    CoreFile core;
    CoreFiles files;
    Source(CoreFile file, std::string executable) : core(std::move(file)), files(core, std::move(executable)) {}
  };
  CoreTarget(std::unique_ptr<Source> source, std::unique_ptr<const RemoteMemory> memory, python::Runtime runtime);

  std::unique_ptr<Source> source_;
};

}  // namespace snag::daemon
