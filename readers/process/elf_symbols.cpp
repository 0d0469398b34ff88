#include "readers/process/elf_symbols.h"

#include <algorithm>
#include <string>
#include <vector>

namespace snag {
namespace {

// Entries of PT_DYNAMIC: one for each library needed, and some thirty more.
constexpr std::size_t kMaxDynamic = 4096;
// Symbols whose hashes share a bucket: two or three; linkers make a bucket for every few symbols.
constexpr std::size_t kMaxChain = 4096;

// The header of DT_GNU_HASH; bloom filter, buckets and chains follow.
struct GnuHash {
  std::uint32_t buckets;
  std::uint32_t first_symbol;  // those before it are in no bucket
  std::uint32_t bloom_words;
  std::uint32_t bloom_shift;
};

struct Tables {
  Address hash;
  Address symbols;
  Address names;
  std::uint64_t names_size = 0;
};

template <class T>
bool read_value(const ReadLinked& read, Address from, T& into) {
  return read(from, std::as_writable_bytes(std::span(&into, 1)));
}

// glibc writes run-time addresses into the table of what it loads, musl leaves those of the file.
Address as_linked(std::uint64_t value, const ElfProgram& program, std::uint64_t bias) {
  const auto& last = program.segments.back();
  const std::uint64_t end = last.address.value + last.memory_size;
  const bool is_moved = value >= end && value >= bias && value - bias < end;
  return {is_moved ? value - bias : value};
}

std::optional<Tables> find_tables(const ReadLinked& read, const ElfProgram& program, std::uint64_t bias) {
  if (!program.dynamic) return std::nullopt;
  std::vector<Elf64_Dyn> entries(std::min<std::size_t>(program.dynamic->p_filesz / sizeof(Elf64_Dyn), kMaxDynamic));
  if (!read({program.dynamic->p_vaddr}, std::as_writable_bytes(std::span(entries)))) return std::nullopt;
  Tables tables;
  for (const Elf64_Dyn& entry : entries) {
    if (entry.d_tag == DT_NULL) break;
    if (entry.d_tag == DT_GNU_HASH) tables.hash = as_linked(entry.d_un.d_ptr, program, bias);
    if (entry.d_tag == DT_SYMTAB) tables.symbols = as_linked(entry.d_un.d_ptr, program, bias);
    if (entry.d_tag == DT_STRTAB) tables.names = as_linked(entry.d_un.d_ptr, program, bias);
    if (entry.d_tag == DT_STRSZ) tables.names_size = entry.d_un.d_val;
  }
  if (tables.hash.is_null() || tables.symbols.is_null() || tables.names.is_null()) return std::nullopt;
  return tables;
}

std::uint32_t gnu_hash(std::string_view name) {
  std::uint32_t hash = 5381;
  for (const char letter : name) hash = hash * 33 + static_cast<unsigned char>(letter);
  return hash;
}

// The symbol of this index, if it is defined and has this name.
std::optional<ElfSymbol> symbol_at(const ReadLinked& read, const Tables& tables, std::uint64_t index,
                                   std::string_view name) {
  Elf64_Sym symbol;
  if (!read_value(read, tables.symbols + index * sizeof symbol, symbol) || symbol.st_shndx == SHN_UNDEF) {
    return std::nullopt;
  }
  if (symbol.st_name >= tables.names_size || name.size() >= tables.names_size - symbol.st_name) return std::nullopt;
  std::string text(name.size() + 1, '\1');
  if (!read(tables.names + symbol.st_name, std::as_writable_bytes(std::span(text)))) return std::nullopt;
  if (text.back() != '\0' || std::string_view(text).substr(0, name.size()) != name) return std::nullopt;
  return ElfSymbol{.address = {symbol.st_value}, .size = symbol.st_size};
}

}  // namespace

std::optional<ElfSymbol> find_in_gnu_hash(const ReadLinked& read, const ElfProgram& program, std::uint64_t bias,
                                          std::string_view name) {
  const auto tables = find_tables(read, program, bias);
  GnuHash header{};
  if (!tables || !read_value(read, tables->hash, header)) return std::nullopt;
  if (header.buckets == 0 || header.bloom_words == 0) return std::nullopt;
  const std::uint32_t hash = gnu_hash(name);
  const Address bloom = tables->hash + sizeof header;
  std::uint64_t word = 0;
  constexpr std::uint32_t kBits = 64;
  if (!read_value(read, bloom + hash / kBits % header.bloom_words * sizeof word, word)) return std::nullopt;
  const std::uint32_t second = header.bloom_shift < 32 ? hash >> header.bloom_shift : 0;
  if ((word >> hash % kBits & word >> second % kBits & 1U) == 0) return std::nullopt;

  const Address buckets = bloom + std::uint64_t{header.bloom_words} * sizeof word;
  std::uint32_t index = 0;
  if (!read_value(read, buckets + hash % header.buckets * sizeof index, index)) return std::nullopt;
  if (index < header.first_symbol) return std::nullopt;
  const Address chains = buckets + std::uint64_t{header.buckets} * sizeof index;
  for (std::size_t walked = 0; walked < kMaxChain; ++walked, ++index) {
    std::uint32_t link = 0;
    if (!read_value(read, chains + std::uint64_t{index - header.first_symbol} * sizeof link, link)) break;
    // The lowest bit ends a chain; the others are the hash's.
    if ((link | 1U) == (hash | 1U)) {
      if (auto symbol = symbol_at(read, *tables, index, name)) return symbol;
    }
    if ((link & 1U) != 0) break;
  }
  return std::nullopt;
}

}  // namespace snag
