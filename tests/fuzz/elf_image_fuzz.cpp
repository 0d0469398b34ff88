// An ELF file that is somebody else's: opened, searched, read, and laid over mappings that claim to be its own.
#include <array>

#include <sys/mman.h>
#include <unistd.h>

#include "readers/process/elf_image.h"
#include "tests/fuzz/input.h"

using namespace snag;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int file = ::memfd_create("elf", MFD_CLOEXEC);
  if (file < 0 || ::write(file, data, size) != static_cast<ssize_t>(size)) return 0;
  auto image = open_elf_descriptor(file);
  if (!image) return 0;
  (void)image->find_dynamic_symbol("_PyRuntime");
  (void)image->find_section(".PyRuntime");
  (void)image->build_id();
  std::vector<Mapping> mappings;
  constexpr std::uint64_t kBias = 0x555555554000;
  constexpr std::uint64_t kPage = 4096;
  for (const auto& segment : image->segments()) {
    std::array<std::byte, 64> bytes{};
    (void)image->read(segment.address, bytes, "segment");
    Mapping mapping;
    mapping.begin = {segment.address.value / kPage * kPage + kBias};
    mapping.end = mapping.begin + kPage;
    mapping.file_offset = segment.file_offset / kPage * kPage;
    mappings.push_back(mapping);
  }
  (void)load_bias(*image, mappings);
  return 0;
}
