// Texts of /proc, in which a process has its say: names of files, of threads, its command line.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "readers/process/descriptor.h"
#include "readers/process/mappings.h"
#include "readers/process/namespaces.h"
#include "readers/process/process_list.h"
#include "readers/process/threads.h"
#include "tests/fuzz/input.h"

using namespace snag;

namespace {

constexpr Pid kPid{4242};

// A /proc of one process, whose files are all the input.
class Fixture {
 public:
  Fixture() : folder_(std::filesystem::temp_directory_path() / ("snag-fuzz-proc-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(process() / "net");
    std::filesystem::create_directories(process() / "task/4242");
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;
  ~Fixture() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  void write(std::string_view name, std::string_view text) const {
    std::ofstream(process() / name, std::ios::binary) << text;
  }
  [[nodiscard]] ProcRoot root() const { return ProcRoot(folder_); }

 private:
  [[nodiscard]] std::filesystem::path process() const { return folder_ / "4242"; }
  std::filesystem::path folder_;
};

void read_files(const Fixture& fixture, std::uint8_t choice, std::string_view text) {
  constexpr std::array<std::string_view, 9> kNames{"maps",     "status",  "cmdline",  "timens_offsets",  "net/tcp",
                                                   "net/tcp6", "net/udp", "net/unix", "task/4242/status"};
  const auto name = kNames.at(choice % kNames.size());
  fixture.write(name, text);
  const ProcRoot root = fixture.root();
  (void)read_mappings(root, kPid);
  (void)command_of(root, kPid);
  (void)monotonic_offset(root, kPid);
  (void)thread_numbers(root, kPid, Tid{kPid.value});
  constexpr std::uint64_t kInode = 4711;
  (void)find_socket(root, kPid, kInode);
  fixture.write(name, "");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Fixture fixture;
  fuzz::Input input(data, size);
  const auto choice = input.take<std::uint8_t>();
  const std::string_view text(reinterpret_cast<const char*>(input.rest().data()), input.rest().size());
  (void)parse_stat(text);
  (void)parse_mapping(text);
  (void)parse_system_call(text);
  (void)parse_schedule(text);
  (void)shown_command(text);
  constexpr std::uint8_t kAsFile = 0x80;
  if ((choice & kAsFile) != 0) read_files(fixture, choice & 0x7FU, text);
  return 0;
}
