// A process that says it is CPython and lies. It presents a _PyRuntime of a version that it is asked for, sound at
// first; then it is told over stdin, a line each, what to make hostile:
//
//   set FIELD VALUE   a pointer, size or count of the image: VALUE is a number, or one of kValues
//   mode NAME         one of kModes: structures without end, or that change while they are read
//   restore           sound again
//
// Each line is answered by {"done": {…}} once it is so. It is never a Python, and ends with its stdin.
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "tests/made/made_image.h"

using namespace snag;

extern "C" {
// What readers look for.
__attribute__((section(".PyRuntime"), aligned(4096))) unsigned char _PyRuntime[made::Image::kRuntimeBytes] = {1};
#ifdef SNAG_HOSTILE_SAYS_VERSION
unsigned long Py_Version = 0;  // NOLINT(readability-identifier-naming): CPython's name; from 3.11 on
#endif
}

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kWord = 8;

unsigned char* bytes_at(Address address) {
  return reinterpret_cast<unsigned char*>(address.value);  // NOLINT(performance-no-int-to-ptr)
}
Address address_of(const void* place) { return {reinterpret_cast<std::uintptr_t>(place)}; }

void write(Address at, const void* value, std::size_t bytes) { std::memcpy(bytes_at(at), value, bytes); }
void write_word(Address at, std::uint64_t value) { write(at, &value, sizeof value); }

// Memory that takes none until it is written.
Address map(std::size_t bytes) {
  void* made = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (made == MAP_FAILED) std::abort();
  return address_of(made);
}

// The image's own memory ends with what is mapped.
Address map_with_guard(std::size_t bytes) {
  const Address made = map(bytes + kPage);
  ::munmap(bytes_at(made + bytes), kPage);
  return made;
}

class Hostile {
 public:
  explicit Hostile(const python::Layout& layout)
      : layout_(layout),
        image_(layout, {.runtime = address_of(_PyRuntime),
                        .rest = map_with_guard(made::Image::kRestBytes),
                        .tid = static_cast<std::int32_t>(::getpid())}) {
    restore();
  }
  Hostile(const Hostile&) = delete;
  Hostile& operator=(const Hostile&) = delete;
  ~Hostile() { stop_changing(); }

  void restore() {
    stop_changing();
    write(image_.place().runtime, image_.runtime().data(), image_.runtime().size());
    write(image_.place().rest, image_.rest().data(), image_.rest().size());
  }

  // Every field of that name.
  bool set(std::string_view name, std::string_view value) {
    bool found = false;
    for (const auto& field : image_.fields()) {
      if (field.name != name) continue;
      const auto word = value_of(value, field);
      if (!word) return false;
      write(field.at, &*word, field.width);
      found = true;
    }
    return found;
  }

  bool become(std::string_view mode) {
    for (const auto& [name, make] : kModes) {
      if (name != mode) continue;
      (this->*make)();
      return true;
    }
    return false;
  }

  void introduce() const {
    std::map<std::string, int> names;
    for (const auto& field : image_.fields()) names[field.name] = 1;
    std::string text = R"({"ready": {"pid": )" + std::to_string(::getpid()) + R"(, "fields": [)";
    const char* comma = "";
    for (const auto& [name, unused] : names) {
      text += comma + ('"' + name + '"');
      comma = ", ";
    }
    text += R"(], "modes": [)";
    comma = "";
    for (const auto& mode : kModes) {
      text += comma + ('"' + std::string(mode.name) + '"');
      comma = ", ";
    }
    std::cout << text << "]}}" << std::endl;
  }

 private:
  using Field = made::Image::Field;
  struct Mode {
    std::string_view name;
    void (Hostile::*make)();
  };
  static const std::vector<Mode> kModes;

  std::optional<std::uint64_t> value_of(std::string_view text, const Field& field) const {
    constexpr std::uint64_t kKernel = 0xFFFFFFFF81000000;
    constexpr std::uint64_t kNowhere = 0x10000;
    if (text == "itself") return field.at.value;
    if (text == "its_object") return field.at.value & ~std::uint64_t{15};
    if (text == "thread") return image_.thread().value;
    if (text == "unaligned") return image_.thread().value + 1;
    if (text == "unmapped") return kNowhere;
    if (text == "kernel") return kKernel;
    if (text == "page_end") return (image_.place().rest + image_.rest().size() - 4).value;
    std::uint64_t number = 0;
    const int base = text.starts_with("0x") ? 16 : 10;
    if (base == 16) text.remove_prefix(2);
    if (std::from_chars(text.data(), text.data() + text.size(), number, base).ec != std::errc()) return std::nullopt;
    return number;
  }

  const Field& field(std::string_view name) const {
    for (const auto& one : image_.fields()) {
      if (one.name == name) return one;
    }
    std::fprintf(stderr, "there is no field %.*s\n", static_cast<int>(name.size()), name.data());
    std::abort();
  }
  bool has(std::string_view name) const {
    for (const auto& one : image_.fields()) {
      if (one.name == name) return true;
    }
    return false;
  }
  void point(std::string_view name, Address at) const {
    if (has(name)) write_word(field(name).at, at.value);
  }
  Address pointed(std::string_view name) const {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes_at(field(name).at), sizeof word);
    return {word};
  }
  // A copy of a struct at another place.
  static void copy(Address from, Address to, std::size_t bytes) { std::memcpy(bytes_at(to), bytes_at(from), bytes); }
  [[nodiscard]] bool on_heap() const { return !layout_.thread_state.datastack_chunk.has_value(); }
  [[nodiscard]] Address top_frame_at() const {
    return layout_.cframe.current_frame.has_value() ? field("cframe.current").at : field("thread.top_frame").at;
  }

  // ---- without end
  // ---------------------------------------------------------------------------------------------------

  // `count` thread states, each with the whole stack of the first.
  void chain_threads(std::size_t count, bool as_cycle) {
    const std::size_t spread = layout_.thread_state.size.bytes() / 16 * 16 + 1024;
    const Address begin = map(count * spread);
    for (std::size_t i = 0; i < count; ++i) {
      const Address thread = begin + i * spread;
      copy(image_.thread(), thread, spread);
      const bool last = i + 1 == count;
      write_word(thread + layout_.thread_state.next, last ? (as_cycle ? begin.value : 0) : (thread + spread).value);
    }
    point("interpreter.threads", begin);
  }
  void threads_that_are_none() { chain_threads(60'000, false); }
  void as_many_threads_as_are_believed() { chain_threads(260, false); }
  void deep_threads() {
    chain_frames(19'990, false, false);
    chain_threads(260, false);
  }
  void many_threads() { chain_threads(70'000, false); }
  void threads_in_a_cycle() { chain_threads(3, true); }

  void chain_interpreters(std::size_t count, bool as_cycle) {
    constexpr std::size_t kSpread = 8192;
    const Address begin = map(count * kSpread);
    for (std::size_t i = 0; i < count; ++i) {
      const Address interpreter = begin + i * kSpread;
      copy(image_.interpreter(), interpreter, kSpread);
      const bool last = i + 1 == count;
      write_word(interpreter + layout_.interpreter_state.next,
                 last ? (as_cycle ? begin.value : 0) : (interpreter + kSpread).value);
      write_word(interpreter + layout_.interpreter_state.threads_head, 0);
    }
    write_word(image_.interpreter() + layout_.interpreter_state.next, begin.value);
  }
  void many_interpreters() { chain_interpreters(5'000, false); }
  void interpreters_in_a_cycle() { chain_interpreters(3, true); }

  // Frames, each of a code object of its own, below the real ones.
  void chain_frames(std::size_t count, bool as_cycle, bool own_codes) {
    constexpr std::size_t kFrame = 512;
    constexpr std::size_t kCode = 1024;
    const Address frames = map(count * kFrame);
    const Address codes = map(count * kCode);
    const Address original = image_.frames().back();
    const Address code_of = image_.codes().back();
    for (std::size_t i = 0; i < count; ++i) {
      // Not in their order in memory, so that none of them is near the one before.
      const Address frame = frames + (i * 7919 % count) * kFrame;
      const Address next = frames + ((i + 1) * 7919 % count) * kFrame;
      copy(original, frame, kFrame);
      const bool last = i + 1 == count;
      write_word(frame + layout_.frame.previous, last && !as_cycle ? 0 : next.value);
      if (!own_codes) continue;
      const Address code = codes + i * kCode;
      copy(code_of, code, kCode);
      write_word(frame + layout_.frame.code, code.value);
      if (!on_heap()) write_word(frame + layout_.frame.instruction, (code + layout_.code.instructions).value);
    }
    write_word(top_frame_at(), frames.value);
  }
  void deep_frames() { chain_frames(19'999, false, false); }
  void too_many_frames() { chain_frames(200'000, false, false); }
  void frames_in_a_cycle() { chain_frames(5, true, false); }
  void deep_frames_of_many_codes() { chain_frames(19'997, false, true); }

  // A bytes object of that size, all of one byte; of several pages that are the same one.
  Address large_bytes(std::size_t size, unsigned char filled) const {
    const std::size_t head = layout_.small_objects.bytes_value.bytes();
    const Address made = map(size + head + kPage);
    std::memset(bytes_at(made), filled, size + head);
    write_word(made + layout_.object.item_count, size);
    return made;
  }
  static constexpr std::size_t kLargeTable = (4U << 20U) - 64;

  void large_line_tables() {
    const Address table = large_bytes(kLargeTable, 0xFF);  // entries of one byte, without a line
    set("code4.line_table", std::to_string(table.value));
    chain_frames(19'997, false, true);
  }
  // Each frame is at another instruction, so that each has to be looked up.
  void one_large_line_table() {
    const Address table = large_bytes(kLargeTable, on_heap() ? 0x00 : 0xFF);
    for (std::size_t i = 0; i < made::Image::kFunctions; ++i) {
      const std::string code = "code" + std::to_string(i) + ".";
      set(code + "line_table", std::to_string(table.value));
      set(code + "instruction_count", std::to_string(1U << 22U));
    }
    if (on_heap()) {
      const Address instructions = large_bytes(kLargeTable, 0);
      set("code4.instructions", std::to_string(instructions.value));
    }
    constexpr std::size_t kFrames = 19'997;
    chain_frames(kFrames, false, false);
    Address frame = pointed(layout_.cframe.current_frame.has_value() ? "cframe.current" : "thread.top_frame");
    for (std::uint32_t i = 1; i < kFrames; ++i) {
      const std::uint32_t instruction = 2'000'000 + 2 * i;
      if (on_heap()) {
        write(frame + layout_.frame.instruction, &instruction, sizeof instruction);
      } else {
        write_word(frame + layout_.frame.instruction,
                   (image_.codes().back() + layout_.code.instructions).value + instruction);
      }
      std::uint64_t next = 0;
      std::memcpy(&next, bytes_at(frame + layout_.frame.previous), sizeof next);
      frame = {next};
    }
  }
  void exception_table_without_end() {
    const Address table = large_bytes(1U << 20U, 0x40);
    for (std::size_t i = 0; i < made::Image::kFunctions; ++i) {
      set("code" + std::to_string(i) + ".exception_table", std::to_string(table.value));
    }
  }
  void garbage_bytecode() {
    const Address code = image_.codes().back();
    std::uint32_t random = 1;
    for (std::size_t i = 0; i < 64; ++i) {
      random = random * 1664525 + 1013904223;
      if (!on_heap()) bytes_at(code + layout_.code.instructions)[i] = static_cast<unsigned char>(random >> 24U);
    }
    set("code4.instruction_count", "32");
    if (!on_heap()) return;
    const Address instructions = large_bytes(1U << 20U, 0x7B);
    set("code4.instructions", std::to_string(instructions.value));
  }

  // Strings of as many code points as are read, four bytes each, all of them different in UTF-8.
  Address large_text() const {
    constexpr std::size_t kCodePoints = 4096;
    const Address made = map(kCodePoints * 4 + kPage);
    copy(pointed("code4.name"), made, 64);
    write_word(made + layout_.unicode.length, kCodePoints);
    const auto state = static_cast<std::uint16_t>((4U | 8U) << (layout_.unicode.kind.bits() % 8));
    write(made + layout_.unicode.kind.bits() / 8, &state, sizeof state);
    for (std::size_t i = 0; i < kCodePoints; ++i) {
      const std::uint32_t point = 0x1F600;
      write(made + layout_.unicode.compact_size.bytes() + i * 4, &point, sizeof point);
    }
    return made;
  }
  void large_names() {
    const std::string text = std::to_string(large_text().value);
    for (const char* name : {"code4.name", "code4.qualname", "code4.filename"}) set(name, text);
    chain_frames(19'997, false, true);
  }
  void one_large_name() {
    const std::string text = std::to_string(large_text().value);
    for (const char* name : {"code4.name", "code4.qualname", "code4.filename"}) set(name, text);
    chain_frames(19'997, false, false);
  }

  // A dict of as many entries as are looked through, whose keys are these.
  void fill_dicts(Address key) {
    constexpr std::size_t kEntries = 1U << 17U;
    const auto& at = layout_.dict_keys;
    const Address keys = map(kEntries * 24 + kPage * 300);
    copy(pointed("dict.keys"), keys, 64);
    write_word(keys + at.entry_count, kEntries);
    if (at.slot_count.has_value()) write_word(keys + *at.slot_count, 8);
    if (at.kind.has_value()) bytes_at(keys + *at.kind)[0] = 0;
    for (std::size_t i = 0; i < kEntries; ++i) {
      const Address entry = keys + at.indices.bytes() + 8 + i * 24;
      write_word(entry + kWord, key.value);
      write_word(entry + 2 * kWord, image_.task().value);
    }
    set("dict.keys", std::to_string(keys.value));
  }
  void dicts_of_unreadable_keys() { fill_dicts({0x10000}); }
  void dicts_of_keys_of_the_right_length() {
    const Address key = pointed("code0.name");
    write_word(key + layout_.unicode.length, std::string_view("asyncio.tasks").size());
    fill_dicts(key);
  }
  void dicts_for_each_of_many_codes() {
    dicts_of_unreadable_keys();
    chain_frames(19'997, false, true);
  }

  void chunks_in_a_cycle() { point("chunk.previous", pointed_chunk()); }
  Address pointed_chunk() const { return has("thread.chunk") ? pointed("thread.chunk") : Address{}; }
  // Each as large as one may be, all of them the same memory.
  void many_large_chunks() {
    if (on_heap()) return;
    constexpr std::size_t kChunk = 4U << 20U;
    constexpr std::size_t kCount = 1000;
    const Address begin = map(kChunk + kCount * 64);
    for (std::size_t i = 0; i < kCount; ++i) {
      const Address chunk = begin + i * 64;
      write_word(chunk + *layout_.stack_chunk.previous, i + 1 == kCount ? 0 : (chunk + 64).value);
      write_word(chunk + *layout_.stack_chunk.size, kChunk);
      write_word(chunk + *layout_.stack_chunk.top, (kChunk - 64) / kWord);
    }
    write_word(pointed_chunk() + *layout_.stack_chunk.previous, begin.value);
  }

  void types_in_a_cycle() {
    for (const auto& one : image_.fields()) {
      if (one.name == "type.base") write_word(one.at, (one.at - layout_.type.base.bytes()).value);
      if (one.name == "type.name") write_word(one.at, pointed("builtin.name").value);
    }
  }
  void loop_of_odd_numbers() {
    static const std::array<double, 6> kOdd{std::numeric_limits<double>::quiet_NaN(),
                                            std::numeric_limits<double>::infinity(),
                                            -std::numeric_limits<double>::infinity(),
                                            1e308,
                                            -1.0,
                                            9.1e9};
    change([this](unsigned step) {
      const double odd = kOdd.at(step % kOdd.size());
      write(field("real.value").at, &odd, sizeof odd);
      set("integer.digit", step % 2 == 0 ? "0x7FFFFFFF" : "1");
      if (has("integer.tag")) set("integer.tag", step % 3 == 0 ? "0xFFFFFFFFFFFFFFF8" : "8");
    });
  }

  // ---- changing while it is read ------------------------------------------------------------------------------------

  template <class Step>
  void change(Step step) {
    changing_ = true;
    changers_.emplace_back([this, step] {
      for (unsigned count = 0; changing_; ++count) step(count);
    });
  }
  void stop_changing() {
    changing_ = false;
    for (auto& thread : changers_) thread.join();
    changers_.clear();
  }
  // Any field, as anything, for an instant.
  void everything_flips() {
    change([this](unsigned step) {
      static constexpr std::array<std::string_view, 10> kValues{"0",
                                                                "itself",
                                                                "thread",
                                                                "unaligned",
                                                                "unmapped",
                                                                "kernel",
                                                                "page_end",
                                                                "0xFFFFFFFFFFFFFFFF",
                                                                "0x8000000000000000",
                                                                "0x7FFFFFFF"};
      thread_local std::uint32_t random = 7;
      random = random * 1664525 + 1013904223;
      const auto& fields = image_.fields();
      const auto& one = fields[(random >> 8U) % fields.size()];
      const auto value = value_of(kValues.at(step % kValues.size()), one).value_or(0);
      std::uint64_t sound = 0;
      std::memcpy(&sound, bytes_at(one.at), one.width);
      write(one.at, &value, one.width);
      std::this_thread::sleep_for(std::chrono::microseconds(random % 64));
      write(one.at, &sound, one.width);
    });
  }
  // The stack is long and short, here and there, as fast as can be.
  void stack_flips() {
    change([this](unsigned step) {
      const auto& frames = image_.frames();
      write_word(top_frame_at(), frames[frames.size() - 1 - step % 3].value);
      if (has("thread.chunk_top")) write_word(field("thread.chunk_top").at, frames[frames.size() - 1 - step % 3].value);
    });
  }
  // What the stack refers to comes and goes.
  void memory_comes_and_goes() {
    const Address page = map(16 * kPage);
    copy(image_.codes().back(), page, 1024);
    set("frame4.code", std::to_string(page.value));
    change([page](unsigned step) {
      ::munmap(bytes_at(page), 16 * kPage);
      if (::mmap(bytes_at(page), 16 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
          MAP_FAILED) {
        std::abort();
      }
      bytes_at(page)[step % kPage] = 1;
    });
  }

  const python::Layout& layout_;
  made::Image image_;
  std::atomic<bool> changing_ = false;
  std::vector<std::thread> changers_;
};

const std::vector<Hostile::Mode> Hostile::kModes{
    {"many_threads", &Hostile::many_threads},
    {"threads_that_are_none", &Hostile::threads_that_are_none},
    {"as_many_threads_as_are_believed", &Hostile::as_many_threads_as_are_believed},
    {"deep_threads", &Hostile::deep_threads},
    {"threads_in_a_cycle", &Hostile::threads_in_a_cycle},
    {"many_interpreters", &Hostile::many_interpreters},
    {"interpreters_in_a_cycle", &Hostile::interpreters_in_a_cycle},
    {"deep_frames", &Hostile::deep_frames},
    {"too_many_frames", &Hostile::too_many_frames},
    {"frames_in_a_cycle", &Hostile::frames_in_a_cycle},
    {"deep_frames_of_many_codes", &Hostile::deep_frames_of_many_codes},
    {"large_line_tables", &Hostile::large_line_tables},
    {"one_large_line_table", &Hostile::one_large_line_table},
    {"exception_table_without_end", &Hostile::exception_table_without_end},
    {"garbage_bytecode", &Hostile::garbage_bytecode},
    {"large_names", &Hostile::large_names},
    {"one_large_name", &Hostile::one_large_name},
    {"dicts_of_unreadable_keys", &Hostile::dicts_of_unreadable_keys},
    {"dicts_of_keys_of_the_right_length", &Hostile::dicts_of_keys_of_the_right_length},
    {"dicts_for_each_of_many_codes", &Hostile::dicts_for_each_of_many_codes},
    {"chunks_in_a_cycle", &Hostile::chunks_in_a_cycle},
    {"many_large_chunks", &Hostile::many_large_chunks},
    {"types_in_a_cycle", &Hostile::types_in_a_cycle},
    {"loop_of_odd_numbers", &Hostile::loop_of_odd_numbers},
    {"everything_flips", &Hostile::everything_flips},
    {"stack_flips", &Hostile::stack_flips},
    {"memory_comes_and_goes", &Hostile::memory_comes_and_goes},
};

// "3.13t"
const python::Layout* layout_named(std::string_view name) {
  unsigned minor = 0;
  if (!name.starts_with("3.")) return nullptr;
  std::from_chars(name.data() + 2, name.data() + name.size(), minor);
#ifdef SNAG_HOSTILE_SAYS_VERSION
  Py_Version = 0x030000F0UL | (std::uint64_t{minor} << 16U);
#endif
  return python::find_layout({.major = 3, .minor = static_cast<std::uint8_t>(minor)}, name.ends_with('t'));
}

bool obey(Hostile& hostile, const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  std::string first;
  std::string second;
  words >> verb >> first >> second;
  if (verb == "set") return hostile.set(first, second);
  hostile.restore();
  return verb == "restore" || (verb == "mode" && hostile.become(first));
}

}  // namespace

int main(int count, char** arguments) {
  const auto* layout = count == 2 ? layout_named(arguments[1]) : nullptr;
  if (layout == nullptr) {
    std::fprintf(stderr, "usage: %s VERSION, one that Snag has a layout of\n", arguments[0]);
    return 2;
  }
  Hostile hostile(*layout);
  hostile.introduce();
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << R"({"done": {"obeyed": )" << (obey(hostile, line) ? "true" : "false") << "}}" << std::endl;
  }
  return 0;
}
