#include "tests/fuzz/hostile_image.h"

#include <array>
#include <cstdlib>

namespace snag::fuzz {
namespace {

constexpr Address kRuntime{0x550000000000};
constexpr Address kRest{0x7f0000000000};
constexpr std::int32_t kTid = 4242;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kWord = sizeof(std::uint64_t);
// Changes of one input; more is only slower.
constexpr int kMaxChanges = 64;

struct Row {
  python::Version version;
  bool free_threaded;
};
// In an order that only grows at its end, so that kept inputs keep their meaning.
constexpr std::array kRows{Row{{3, 8}, false},  Row{{3, 11}, false}, Row{{3, 12}, false}, Row{{3, 13}, false},
                           Row{{3, 14}, false}, Row{{3, 13}, true},  Row{{3, 10}, false}, Row{{3, 15}, false},
                           Row{{3, 14}, true},  Row{{3, 9}, false},  Row{{3, 7}, false},  Row{{3, 15}, true}};

const python::Layout& layout_of(std::size_t row) {
  const auto* layout = python::find_layout(kRows.at(row).version, kRows.at(row).free_threaded);
  if (layout == nullptr) std::abort();
  return *layout;
}

const made::Image* image_of(std::size_t row) {
  static std::array<std::unique_ptr<made::Image>, kRows.size()> images;
  auto& image = images.at(row);
  constexpr made::Image::Place kPlace{.runtime = kRuntime, .rest = kRest, .tid = kTid};
  if (!image) image = std::make_unique<made::Image>(layout_of(row), kPlace);
  return image.get();
}

python::Runtime runtime_of(std::size_t row) {
  return {.address = kRuntime,
          .version = kRows.at(row).version,
          .version_text = {},
          .layout_source = {},
          .file = {},
          .layout = layout_of(row),
          .dialect = python::dialect_of(kRows.at(row).version)};
}

constexpr std::array<std::uint64_t, 24> kTelling{0,
                                                 1,
                                                 2,
                                                 3,
                                                 7,
                                                 8,
                                                 15,
                                                 0x7F,
                                                 0xFF,
                                                 0xFFF,
                                                 0x1000,
                                                 0x10000,
                                                 0x7FFFFFFF,
                                                 0x80000000,
                                                 0xFFFFFFFF,
                                                 1ULL << 32U,
                                                 1ULL << 40U,
                                                 1ULL << 47U,
                                                 (1ULL << 47U) - kPage,
                                                 0x7FFFFFFFFFFFFFFF,
                                                 1ULL << 63U,
                                                 ~0ULL,
                                                 ~0ULL - 7,
                                                 0xFFFFFFFF81000000};

std::vector<std::byte> bytes_of(std::uint64_t value, std::size_t width) {
  std::vector<std::byte> bytes(width);
  std::memcpy(bytes.data(), &value, std::min(width, sizeof value));
  return bytes;
}

}  // namespace

HostileImage::HostileImage(Input input)
    : row_(input.take<std::uint8_t>() % kRows.size()), image_(image_of(row_)), runtime_(runtime_of(row_)) {
  memory_.add(kRuntime, image_->runtime());
  memory_.add(kRest, std::span(image_->rest()).first(image_->used()));
  for (int count = 0; count < kMaxChanges && !input.empty(); ++count) {
    const auto op = input.take<std::uint8_t>();
    constexpr unsigned kKinds = 7;
    constexpr unsigned kLater = 0x80;  // the change happens before the read of this number
    const unsigned kind = (op & 0x7FU) % kKinds;
    if (kind == 0) {
      memory_.unmap(kRest + std::uint64_t{input.take<std::uint8_t>()} * kPage, kPage);
      continue;
    }
    auto change = take_change(input, kind);
    if ((op & kLater) == 0) {
      memory_.change(change.at, change.bytes);
      continue;
    }
    const std::size_t number = std::size_t{1} + input.take<std::uint16_t>();
    memory_.before_read(number,
                        [change = std::move(change)](ImageMemory& memory) { memory.change(change.at, change.bytes); });
  }
}

// Of something that is there: of a field, an object, or anywhere in the image, perhaps not aligned.
Address HostileImage::take_address(Input& input) const {
  const auto choice = input.take<std::uint16_t>();
  const auto& fields = image_->fields();
  const auto& objects = image_->objects();
  switch (choice >> 14U) {
    case 0:
      return fields[choice % fields.size()].at;
    case 1:
      return objects[(choice & 0x3FFFU) % objects.size()];
    case 2:
      return kRest + std::uint64_t{choice & 0x3FFFU} * kWord;
    default:
      return kRest + image_->used() - (choice & 0x3FFU);  // at the end of what is mapped
  }
}

HostileImage::Change HostileImage::take_change(Input& input, unsigned kind) const {
  const auto& fields = image_->fields();
  const auto& field = fields[input.take<std::uint16_t>() % fields.size()];
  switch (kind) {
    case 1:
      return {.at = field.at, .bytes = bytes_of(input.take<std::uint64_t>(), field.width)};
    case 2:
      return {.at = field.at,
              .bytes = bytes_of(kTelling.at(input.take<std::uint8_t>() % kTelling.size()), field.width)};
    case 3:
      return {.at = field.at, .bytes = bytes_of(take_address(input).value, field.width)};
    case 4:
      return {.at = field.at, .bytes = bytes_of(input.take<std::uint8_t>(), field.width)};
    case 5:
      return {.at = take_address(input), .bytes = bytes_of(input.take<std::uint64_t>(), kWord)};
    default: {
      const Address at = take_address(input);
      const auto bytes = input.take(input.take<std::uint8_t>());
      return {.at = at, .bytes = {bytes.begin(), bytes.end()}};
    }
  }
}

Instant ticking() {
  static Instant now;
  return now += std::chrono::microseconds(1);
}

}  // namespace snag::fuzz
