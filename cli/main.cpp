#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "cli/run.h"

namespace {

// Whoever started us with a standard stream closed must not have a socket of ours take its number.
void fill_standard_streams() {
  int descriptor = 0;
  do {
    descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor >= 0) ::close(descriptor);
}

int run(std::vector<std::string> arguments) {
  fill_standard_streams();
  snag::cli::Output out(STDOUT_FILENO);
  snag::cli::Output error(STDERR_FILENO);
  snag::cli::Signals signals;
  snag::cli::Environment environment{.out = out,
                                     .error = error,
                                     .signals = signals,
                                     .connect = snag::cli::connect,
                                     .connect_privately = snag::cli::connect_privately};
  return static_cast<int>(snag::cli::run(arguments, environment));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
  } catch (const std::exception& failure) {  // std::bad_alloc; ours are caught where they arise
    std::fprintf(stderr, "snag: %s\n", failure.what());
    return static_cast<int>(snag::cli::ExitStatus::kFailed);
  }
}
