#include "readers/process/elf_image.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include "readers/process/elf_notes.h"
#include "readers/process/live_memory.h"
#include "readers/process/regular_file.h"
#include "readers/process/unique_descriptor.h"

namespace snag {
namespace {

constexpr const char* kWhat = "ELF file";
// The largest executables with debug information take some gigabytes. The bound keeps a sparse file of terabytes, with
// tables to match, from being allocated.
constexpr std::int64_t kMaxFile = std::int64_t{8} << 30U;
// Linked files have some forty sections, with -ffunction-sections in an object file thousands; from 0xff00 on ELF
// counts them in another way, which no executable needs.
constexpr std::size_t kMaxSections = 0xff00;
// .symtab of the largest C++ executables takes some 100 MiB at 24 bytes a symbol, their .strtab several times that.
constexpr std::size_t kMaxTable = std::size_t{512} << 20U;

Error elf_error(ErrorKind kind, std::string detail) {
  return {.kind = kind, .what = kWhat, .detail = std::move(detail)};
}

Error open_error(int system_error) {
  if (system_error == EINVAL) return elf_error(ErrorKind::kUnsupported, "no regular file");
  ErrorKind kind = ErrorKind::kSystem;
  if (system_error == ENOENT || system_error == ENOTDIR || system_error == ELOOP) kind = ErrorKind::kUnreadable;
  if (system_error == EACCES || system_error == EPERM) kind = ErrorKind::kNotPermitted;
  return {.kind = kind, .what = kWhat, .system_error = system_error};
}

// Before libelf sees the file: it allocates as many descriptors as the header speaks of.
Result<Elf64_Ehdr> read_header(int file) {
  Elf64_Ehdr header;
  const auto bytes = std::as_writable_bytes(std::span(&header, 1));
  if (!read_at(file, 0, bytes.first(SELFMAG)) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return fail(elf_error(ErrorKind::kUnsupported, "no ELF file"));
  }
  if (!read_at(file, 0, bytes)) return fail(elf_error(ErrorKind::kInconsistent, "shorter than an ELF header"));
  if (auto done = check_elf_header(header); !done) return fail(done);
  const bool counts_elsewhere = header.e_shnum == 0 && header.e_shoff != 0;
  if (header.e_shnum > kMaxSections || counts_elsewhere) {
    return fail(elf_error(ErrorKind::kOutOfBounds, "more sections than an executable has"));
  }
  return header;
}

// Whether a table of names has this one at `offset`. Not elf_strptr: it looks for the end of the string from the end of
// the table, which a hostile table can make long for each of millions of symbols.
bool is_name_at(const Elf_Data* names, std::uint64_t offset, std::string_view name) {
  if (names == nullptr || names->d_buf == nullptr) return false;
  if (offset >= names->d_size || name.size() >= names->d_size - offset) return false;
  const char* text = static_cast<const char*>(names->d_buf) + offset;
  return text[name.size()] == '\0' && name == std::string_view(text, name.size());
}

struct EndElf {
  void operator()(Elf* elf) const { elf_end(elf); }
};

Result<FileIdentity> check_file(int file) {
  struct stat status = {};
  if (::fstat(file, &status) != 0) return fail(open_error(errno));
  if (!S_ISREG(status.st_mode)) return fail(elf_error(ErrorKind::kUnsupported, "no regular file"));
  if (status.st_size > kMaxFile) return fail(elf_error(ErrorKind::kOutOfBounds, "larger than any executable"));
  constexpr std::int64_t kSecond = 1'000'000'000;
  return FileIdentity{.device = status.st_dev,
                      .inode = status.st_ino,
                      .size = status.st_size,
                      .modified_ns = status.st_mtim.tv_sec * kSecond + status.st_mtim.tv_nsec};
}

}  // namespace

struct ElfImage::State {
  UniqueDescriptor file;
  FileIdentity identity;
  std::unique_ptr<Elf, EndElf> elf;
  ElfProgram program;

  [[nodiscard]] bool is_within_file(std::uint64_t offset, std::uint64_t bytes) const {
    const auto size = static_cast<std::uint64_t>(identity.size);
    return offset <= size && bytes <= size - offset;
  }
  [[nodiscard]] bool read_program(const Elf64_Ehdr& header);
  [[nodiscard]] bool read(Address address, std::span<std::byte> into) const;
  // The first section for which `wanted` holds.
  template <class Predicate>
  [[nodiscard]] std::optional<std::pair<Elf_Scn*, GElf_Shdr>> find(Predicate wanted) const;
  [[nodiscard]] std::optional<ElfSymbol> find_symbol(std::uint32_t table_type, std::string_view name) const;
  // Contents of a section that lies within the file and is no larger than `limit`; null otherwise.
  [[nodiscard]] Elf_Data* contents(Elf_Scn* section, std::size_t limit) const;
};

bool ElfImage::State::read_program(const Elf64_Ehdr& header) {
  std::vector<Elf64_Phdr> headers(header.e_phnum);
  if (!read_at(file.get(), header.e_phoff, std::as_writable_bytes(std::span(headers)))) return false;
  auto parsed = parse_program_headers(headers);
  if (!parsed) return false;
  program = *std::move(parsed);
  return std::all_of(program.segments.begin(), program.segments.end(),
                     [&](const ElfSegment& segment) { return is_within_file(segment.file_offset, segment.file_size); });
}

bool ElfImage::State::read(Address address, std::span<std::byte> into) const {
  for (const ElfSegment& segment : program.segments) {
    if (address < segment.address) continue;
    const std::uint64_t offset = address.value - segment.address.value;
    if (offset > segment.file_size || into.size() > segment.file_size - offset) continue;
    if (read_at(file.get(), segment.file_offset + offset, into)) return true;
  }
  return false;
}

template <class Predicate>
std::optional<std::pair<Elf_Scn*, GElf_Shdr>> ElfImage::State::find(Predicate wanted) const {
  Elf_Scn* section = nullptr;
  for (std::size_t i = 0; i < kMaxSections; ++i) {
    section = elf_nextscn(elf.get(), section);
    if (section == nullptr) break;
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) != nullptr && wanted(header)) return std::pair(section, header);
  }
  return std::nullopt;
}

Elf_Data* ElfImage::State::contents(Elf_Scn* section, std::size_t limit) const {
  GElf_Shdr header;
  if (gelf_getshdr(section, &header) == nullptr || header.sh_type == SHT_NOBITS) return nullptr;
  // No linker compresses these tables, and a small file must not unfold into a large one.
  if ((header.sh_flags & SHF_COMPRESSED) != 0) return nullptr;
  if (header.sh_size > limit || !is_within_file(header.sh_offset, header.sh_size)) return nullptr;
  return elf_getdata(section, nullptr);
}

std::optional<ElfSymbol> ElfImage::State::find_symbol(std::uint32_t table_type, std::string_view name) const {
  const auto table = find([&](const GElf_Shdr& header) { return header.sh_type == table_type; });
  if (!table) return std::nullopt;
  const auto& [section, header] = *table;
  Elf_Data* symbols = contents(section, kMaxTable);
  Elf_Scn* names_section = elf_getscn(elf.get(), header.sh_link);
  if (symbols == nullptr || names_section == nullptr) return std::nullopt;
  Elf_Data* names = contents(names_section, kMaxTable);
  const std::size_t count = symbols->d_size / sizeof(Elf64_Sym);
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Sym symbol;
    if (gelf_getsym(symbols, static_cast<int>(i), &symbol) == nullptr) break;
    if (symbol.st_shndx == SHN_UNDEF || !is_name_at(names, symbol.st_name, name)) continue;
    return ElfSymbol{.address = {symbol.st_value}, .size = symbol.st_size};
  }
  return std::nullopt;
}

ElfImage::ElfImage(std::unique_ptr<State> state) : state_(std::move(state)) {}
ElfImage::ElfImage(ElfImage&&) noexcept = default;
ElfImage& ElfImage::operator=(ElfImage&&) noexcept = default;
ElfImage::~ElfImage() = default;

std::span<const ElfSegment> ElfImage::segments() const { return state_->program.segments; }
const FileIdentity& ElfImage::file() const { return state_->identity; }
int ElfImage::descriptor() const { return state_->file.get(); }

std::optional<ElfSection> ElfImage::find_section(std::string_view name) const {
  std::size_t names_index = 0;
  if (elf_getshdrstrndx(state_->elf.get(), &names_index) != 0) return std::nullopt;
  Elf_Scn* names_section = elf_getscn(state_->elf.get(), names_index);
  if (names_section == nullptr) return std::nullopt;
  const Elf_Data* names = state_->contents(names_section, kMaxTable);
  const auto found = state_->find([&](const GElf_Shdr& header) { return is_name_at(names, header.sh_name, name); });
  if (!found) return std::nullopt;
  const GElf_Shdr& header = found->second;
  return ElfSection{.address = {header.sh_addr},
                    .file_offset = header.sh_offset,
                    .size = header.sh_size,
                    .has_contents = header.sh_type != SHT_NOBITS};
}

std::optional<ElfSymbol> ElfImage::find_dynamic_symbol(std::string_view name) const {
  const auto read = [this](Address linked, std::span<std::byte> into) { return state_->read(linked, into); };
  if (auto symbol = find_in_gnu_hash(read, state_->program, 0, name)) return symbol;
  // A linker that writes no DT_GNU_HASH leaves .dynsym; a program that exports nothing may have .symtab.
  if (auto symbol = state_->find_symbol(SHT_DYNSYM, name)) return symbol;
  return state_->find_symbol(SHT_SYMTAB, name);
}

Result<void> ElfImage::read(Address address, std::span<std::byte> into, const char* what) const {
  if (state_->read(address, into)) return {};
  return fail(Error{.kind = ErrorKind::kUnreadable, .what = what, .where = address, .wanted = into.size()});
}

std::optional<std::string> ElfImage::build_id() const {
  // By segments, not sections: they are there also when the section headers were stripped.
  const auto read = [this](std::uint64_t offset, std::span<std::byte> into) {
    return read_at(descriptor(), offset, into);
  };
  return find_build_id(read, state_->program.notes);
}

Result<ElfImage> open_elf_descriptor(int descriptor) {
  auto state = std::make_unique<ElfImage::State>();
  state->file = UniqueDescriptor(descriptor);
  auto identity = check_file(descriptor);
  if (!identity) return fail(identity);
  state->identity = *identity;
  auto header = read_header(descriptor);
  if (!header) return fail(header);
  elf_version(EV_CURRENT);
  // ELF_C_READ, not ELF_C_READ_MMAP: see the class comment.
  state->elf.reset(elf_begin(descriptor, ELF_C_READ, nullptr));
  if (!state->elf || elf_kind(state->elf.get()) != ELF_K_ELF || !state->read_program(*header)) {
    return fail(elf_error(ErrorKind::kInconsistent, "truncated or corrupt"));
  }
  return ElfImage(std::move(state));
}

Result<ElfImage> open_elf(const std::filesystem::path& path) {
  UniqueDescriptor file = open_regular(path);
  if (!file.is_open()) return fail(open_error(errno));
  return open_elf_descriptor(file.release());
}

}  // namespace snag
