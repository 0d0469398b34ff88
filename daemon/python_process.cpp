#include "daemon/python_process.h"

#include "readers/python/thread_names.h"

namespace snag::daemon {

void PythonProcess::name(std::span<TargetThread> threads) const {
  std::vector<python::ThreadState> states;
  for (const auto& thread : threads) states.push_back(thread.state);
  auto names = python::thread_names(codes_.objects(), runtime_, states);
  for (std::size_t i = 0; i < threads.size(); ++i) {
    threads[i].name = std::move(names[i]);
    if (!threads[i].name.empty() || threads[i].tid == Tid{}) continue;
    if (auto name = kernel_name(threads[i].tid)) threads[i].name = std::move(*name);
  }
}

}  // namespace snag::daemon
