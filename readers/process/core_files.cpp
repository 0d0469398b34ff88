#include "readers/process/core_files.h"

#include <algorithm>
#include <array>
#include <system_error>

#include "readers/process/regular_file.h"
#include "readers/process/remote_memory.h"

namespace snag {
namespace {

// What the kernel writes of an ELF file's beginning: one page.
constexpr std::size_t kFirstPage = 4096;

// The program headers of an ELF file that lie within its first page.
std::vector<Elf64_Phdr> headers_in(std::span<const std::byte> page) {
  std::vector<Elf64_Phdr> headers;
  if (page.size() < sizeof(Elf64_Ehdr)) return headers;
  const auto header = load<Elf64_Ehdr>(page, 0);
  std::uint64_t at = header.e_phoff;
  for (std::uint32_t i = 0; i < header.e_phnum; ++i, at += sizeof(Elf64_Phdr)) {
    if (at > page.size() || page.size() - at < sizeof(Elf64_Phdr)) break;
    headers.push_back(load<Elf64_Phdr>(page, at));
  }
  return headers;
}

std::string why_not_open(const Error& error, bool deleted) {
  if (deleted) return " had been deleted when the core was written";
  if (error.system_error == 0) return ": " + error.detail;
  return ": " + std::generic_category().message(error.system_error);
}

}  // namespace

CoreFiles::CoreFiles(const CoreFile& core, std::string executable) : core_(&core), executable_(std::move(executable)) {
  const auto headers = core.notes().program_headers;
  if (headers) mapped_executable_ = find_mapping(core.mappings(), *headers);
}

const std::string& CoreFiles::path_of(const Mapping& mapping) const {
  return is_executable(mapping.inode) && !executable_.empty() ? executable_ : mapping.path;
}

// The mapping of the same file's first page, if the core holds that page; null otherwise.
const Mapping* CoreFiles::held_beginning(const Mapping& mapping) const {
  const auto& all = core_->mappings();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Mapping& other) {
    return other.inode == mapping.inode && other.file_offset == 0 && !other.writable &&
           core_->find(other.begin).kind == CorePlace::Kind::kHeld;
  });
  return found == all.end() ? nullptr : &*found;
}

// In what the file is not what was mapped; nullopt: it is the same.
std::optional<std::string> CoreFiles::difference(const ElfImage& image, const Mapping& beginning) const {
  std::array<std::byte, kFirstPage> page{};
  std::array<std::byte, kFirstPage> page_now{};
  if (!core_->read_held(beginning.begin, page)) return "the core's copy of its first page is cut off";
  const auto read = [&](std::uint64_t offset, std::span<std::byte> into) {
    return offset < beginning.size() && core_->read_held(beginning.begin + offset, into);
  };
  const auto id = find_build_id(read, headers_in(page));
  const auto id_now = image.build_id();
  if (id && id_now) {
    if (*id == *id_now) return std::nullopt;
    return "its build id is " + *id_now + ", that of the process was " + *id;
  }
  if (read_at(image.descriptor(), 0, page_now) && page == page_now) return std::nullopt;
  return "its first page is another";
}

Error CoreFiles::refuse(const Mapping& mapping, const Error& why, std::string sentence) {
  if (is_executable(mapping.inode)) sentence += "; name the file that was executed with --executable";
  Error error = why;
  error.where = {};
  error.system_error = 0;
  error.detail = sentence;
  refused_.emplace(mapping.inode, std::move(sentence));
  return error;
}

Result<ElfImage> CoreFiles::open(const Mapping& mapping) {
  if (!mapping.is_file()) return fail({.kind = ErrorKind::kUnsupported, .what = "mapped file", .detail = "not a path"});
  const std::string& path = path_of(mapping);
  const bool is_stale = mapping.deleted && path == mapping.path;
  auto image = open_elf(path);
  if (!image) {
    // A file that was only read through a mapping, such as a locale's: nothing of Python can lie in it.
    if (image.error().kind == ErrorKind::kUnsupported && path == mapping.path) return image;
    return fail(refuse(mapping, image.error(), path + why_not_open(image.error(), is_stale)));
  }
  const Mapping* beginning = held_beginning(mapping);
  const Error changed = {.kind = ErrorKind::kUnreadable, .what = "mapped file"};
  if (beginning == nullptr) {
    // Under a deleted file's name lies another one, which may be the same only if it can be shown.
    if (is_stale) return fail(refuse(mapping, changed, path + " had been deleted when the core was written"));
    unchecked_.emplace(mapping.inode, path);
    return image;
  }
  if (auto other = difference(*image, *beginning)) {
    return fail(refuse(mapping, changed, path + " is not the file that the process had mapped: " + *other));
  }
  return image;
}

Result<ElfImage>& CoreFiles::opened(const Mapping& mapping) {
  const auto found = images_.find(mapping.inode);
  return found != images_.end() ? found->second : images_.emplace(mapping.inode, open(mapping)).first->second;
}

Result<void> CoreFiles::read(const Mapping& mapping, Address from, std::span<std::byte> into, const char* what) {
  const auto& image = opened(mapping);
  Error error = {.kind = ErrorKind::kUnreadable, .what = what, .where = from, .wanted = into.size()};
  if (!image) {
    error.detail = image.error().detail;
    return fail(std::move(error));
  }
  const std::uint64_t offset = mapping.file_offset + (from.value - mapping.begin.value);
  if (!read_at(image->descriptor(), offset, into)) return fail(std::move(error));
  return {};
}

std::vector<std::string> CoreFiles::refused() const {
  std::vector<std::string> sentences;
  for (const auto& [inode, sentence] : refused_) {
    sentences.insert(is_executable(inode) ? sentences.begin() : sentences.end(), sentence);
  }
  return sentences;
}

std::vector<std::string> CoreFiles::unchecked() const {
  std::vector<std::string> paths;
  for (const auto& [inode, path] : unchecked_) paths.push_back(path);
  return paths;
}

}  // namespace snag
