#include "readers/process/core_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <sys/stat.h>

#include "readers/process/live_memory.h"
#include "readers/process/regular_file.h"

namespace snag {
namespace {

constexpr const char* kWhat = "core file";
// One for each mapping. vm.max_map_count is 65,530 by default; databases raise it to 262,144.
constexpr std::uint64_t kMaxSegments = std::uint64_t{1} << 19U;

Error core_error(ErrorKind kind, std::string detail) {
  return {.kind = kind, .what = kWhat, .detail = std::move(detail)};
}

Error open_error(int system_error) {
  if (system_error == EINVAL) return core_error(ErrorKind::kUnreadable, "no regular file");
  ErrorKind kind = ErrorKind::kSystem;
  if (system_error == ENOENT || system_error == ENOTDIR || system_error == ELOOP) kind = ErrorKind::kUnreadable;
  if (system_error == EACCES || system_error == EPERM) kind = ErrorKind::kNotPermitted;
  return core_error(kind, "it cannot be opened: " + std::generic_category().message(system_error));
}

Result<Elf64_Ehdr> read_header(const ReadAt& read) {
  Elf64_Ehdr header;
  const bool is_elf =
      read(0, std::as_writable_bytes(std::span(&header, 1))) && std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0;
  if (!is_elf) return fail(core_error(ErrorKind::kUnsupported, "it is no ELF core file"));
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != EM_X86_64) {
    return fail(core_error(ErrorKind::kUnsupported, "not of x86-64: Snag reads 64-bit x86 processes only"));
  }
  if (header.e_type != ET_CORE) {
    return fail(core_error(ErrorKind::kUnsupported, "it is an ELF file, but no core: an executable or a library"));
  }
  if (header.e_phentsize != sizeof(Elf64_Phdr)) {
    return fail(core_error(ErrorKind::kInconsistent, "its program headers have an unknown size"));
  }
  return header;
}

// More than 65,534 are counted in the first section header; elf(5), PN_XNUM.
Result<std::uint64_t> segment_count(const ReadAt& read, const Elf64_Ehdr& header) {
  if (header.e_phnum != PN_XNUM) return std::uint64_t{header.e_phnum};
  Elf64_Shdr section;
  if (!read(header.e_shoff, std::as_writable_bytes(std::span(&section, 1)))) {
    return fail(core_error(ErrorKind::kInconsistent, "the count of its segments lies beyond its end"));
  }
  return std::uint64_t{section.sh_info};
}

Result<std::vector<Elf64_Phdr>> read_program_headers(const ReadAt& read, std::uint64_t file_size) {
  auto header = read_header(read);
  if (!header) return fail(header);
  auto count = segment_count(read, *header);
  if (!count) return fail(count);
  if (*count > kMaxSegments) return fail(core_error(ErrorKind::kOutOfBounds, std::to_string(*count) + " segments"));
  // Before room is made for them.
  const bool fits = header->e_phoff <= file_size && *count * sizeof(Elf64_Phdr) <= file_size - header->e_phoff;
  std::vector<Elf64_Phdr> headers(fits ? *count : 0);
  if (!fits || !read(header->e_phoff, std::as_writable_bytes(std::span(headers)))) {
    return fail(core_error(ErrorKind::kInconsistent, "it ends within its program headers"));
  }
  return headers;
}

Result<std::vector<CoreSegment>> load_segments(std::span<const Elf64_Phdr> headers) {
  std::vector<CoreSegment> segments;
  for (const Elf64_Phdr& header : headers) {
    // The vsyscall page lies beyond user space, and nothing of Python in it.
    if (header.p_type != PT_LOAD || header.p_memsz == 0 || header.p_vaddr >= kUserSpaceEnd) continue;
    const bool plausible = header.p_filesz <= header.p_memsz && header.p_memsz <= kUserSpaceEnd - header.p_vaddr &&
                           header.p_offset <= UINT64_MAX - header.p_filesz;
    if (!plausible) {
      return fail({.kind = ErrorKind::kInconsistent,
                   .what = kWhat,
                   .where = {header.p_vaddr},
                   .detail = "a segment is larger than memory"});
    }
    segments.push_back({.begin = {header.p_vaddr},
                        .end = {header.p_vaddr + header.p_memsz},
                        .file_offset = header.p_offset,
                        .file_size = header.p_filesz,
                        .writable = (header.p_flags & PF_W) != 0,
                        .executable = (header.p_flags & PF_X) != 0});
  }
  std::sort(segments.begin(), segments.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  const auto overlap = std::adjacent_find(segments.begin(), segments.end(),
                                          [](const auto& a, const auto& b) { return b.begin < a.end; });
  if (overlap == segments.end()) return segments;
  return fail({.kind = ErrorKind::kInconsistent,
               .what = kWhat,
               .where = std::next(overlap)->begin,
               .detail = "two segments claim the same memory"});
}

// The segment that the address lies in, or else the first one after it.
std::span<const CoreSegment>::iterator segment_at(std::span<const CoreSegment> segments, Address address) {
  return std::upper_bound(segments.begin(), segments.end(), address,
                          [](Address wanted, const CoreSegment& segment) { return wanted < segment.end; });
}

void add_permissions(std::span<const CoreSegment> segments, std::vector<Mapping>& mappings) {
  for (Mapping& mapping : mappings) {
    const auto segment = segment_at(segments, mapping.begin);
    const bool is_there = segment != segments.end() && segment->begin <= mapping.begin;
    mapping.writable = is_there && segment->writable;
    mapping.executable = !is_there || segment->executable;
  }
}

}  // namespace

CoreFile::CoreFile(UniqueDescriptor file, std::uint64_t size, std::vector<CoreSegment> segments, CoreNotes notes)
    : file_(std::move(file)), size_(size), segments_(std::move(segments)), notes_(std::move(notes)) {}

Result<CoreFile> CoreFile::open(const std::filesystem::path& path) {
  UniqueDescriptor file = open_regular(path);
  struct stat status = {};
  if (!file.is_open() || ::fstat(file.get(), &status) != 0) return fail(open_error(errno));
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const ReadAt read = [&](std::uint64_t offset, std::span<std::byte> into) {
    return read_at(file.get(), offset, into);
  };
  auto headers = read_program_headers(read, size);
  if (!headers) return fail(headers);
  auto segments = load_segments(*headers);
  if (!segments) return fail(segments);
  auto notes = read_core_notes(read, *headers);
  if (!notes) return fail(notes);
  add_permissions(*segments, notes->mappings);
  return CoreFile(std::move(file), size, std::move(*segments), std::move(*notes));
}

CorePlace CoreFile::find(Address address) const {
  const std::span<const CoreSegment> all = segments_;
  const auto segment = segment_at(all, address);
  if (segment == all.end()) return {.kind = CorePlace::Kind::kLeftOut, .bytes = UINT64_MAX - address.value};
  if (address < segment->begin) {
    return {.kind = CorePlace::Kind::kLeftOut, .bytes = segment->begin.value - address.value};
  }
  const std::uint64_t within = address.value - segment->begin.value;
  if (within >= segment->file_size) {
    return {.kind = segment->writable ? CorePlace::Kind::kLost : CorePlace::Kind::kLeftOut,
            .bytes = segment->end.value - address.value};
  }
  const std::uint64_t offset = segment->file_offset + within;
  const std::uint64_t written = segment->file_size - within;
  if (offset >= size_) return {.kind = CorePlace::Kind::kCut, .bytes = written};
  return {.kind = CorePlace::Kind::kHeld, .bytes = std::min(written, size_ - offset), .file_offset = offset};
}

bool CoreFile::read_held(Address from, std::span<std::byte> into) const {
  while (!into.empty()) {
    const CorePlace place = find(from);
    if (place.kind != CorePlace::Kind::kHeld) return false;
    const auto piece = into.first(std::min<std::uint64_t>(into.size(), place.bytes));
    if (!read_file(place.file_offset, piece)) return false;
    into = into.subspan(piece.size());
    from = from + piece.size();
  }
  return true;
}

bool CoreFile::read_file(std::uint64_t offset, std::span<std::byte> into) const {
  return read_at(file_.get(), offset, into);
}

std::uint64_t CoreFile::missing_bytes() const {
  std::uint64_t end = 0;
  for (const CoreSegment& segment : segments_) end = std::max(end, segment.file_offset + segment.file_size);
  return end - std::min(end, size_);
}

}  // namespace snag
