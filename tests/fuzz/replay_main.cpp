// Runs a harness on kept inputs, as libFuzzer does with files as arguments: so that harnesses and inputs do not rot
// where there is no libFuzzer.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

bool replay(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) return false;
  std::fprintf(stderr, "%s\n", path.c_str());  // the last one named is the one that ended us
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  std::size_t replayed = 0;
  for (int i = 1; i < count; ++i) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(arguments[i], error)) {
      if (entry.is_regular_file() && !replay(entry.path())) return 1;
      ++replayed;
    }
    if (error) std::fprintf(stderr, "%s: %s\n", arguments[i], error.message().c_str());
  }
  std::printf("%zu inputs\n", replayed);
  return replayed > 0 ? 0 : 1;  // no input proves nothing
}
