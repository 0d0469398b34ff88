#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "readers/python/layout.h"

// _Py_DebugOffsets as real CPythons state them.
namespace snag::made {

// The section .PyRuntime of a CPython 3.13.0 for x86-64, behind cookie, version and free_threaded, as `readelf -x`
// shows it.
inline constexpr std::array<std::uint64_t, 70> kWordsOf3130{
    283320, 608,  632,                                                           // runtime_state
    194968, 7272, 7264, 7344, 7400, 7656, 7640, 7648, 16,  7752, 0, 7768, 7760,  // interpreter_state
    304,    0,    8,    16,   72,   152,  160,  232,  32,                        // thread_state
    80,     8,    0,    56,   72,   70,                                          // interpreter_frame
    208,    112,  120,  128,  136,  68,   52,   96,   104, 200,                  // code_object
    16,     8,                                                                   // pyobject
    416,    24,   88,   168,                                                     // type_object
    32,     24,   16,                                                            // tuple_object
    40,     24,   16,                                                            // list_object
    48,     32,   40,                                                            // dict_object
    24,     16,                                                                  // float_object
    32,     16,   24,                                                            // long_object
    40,     16,   32,                                                            // bytes_object
    64,     32,   16,   40,                                                      // unicode_object
    240,    200,                                                                 // gc
};

// The same of others, with version and free_threaded.
inline constexpr std::array<std::uint64_t, 72> kWordsOf31315t{
    51187696, 1,   328384, 608, 632, 215616, 7272, 7264, 7344, 7400, 7664, 7648, 7656, 16, 7760, 0,   7784, 7776,
    312,      0,   8,      16,  72,  152,    160,  232,  32,   80,   8,    0,    56,   72, 70,   224, 128,  136,
    144,      152, 84,     68,  112, 120,    216,  32,   24,   432,  40,   104,  184,  48, 40,   32,  56,   40,
    32,       64,  48,     56,  40,  32,     48,   32,   40,   56,   32,   48,   80,   48, 32,   56,  248,  200};
inline constexpr std::array<std::uint64_t, 94> kWordsOf31410{
    51251952, 0,    316616, 784,  808, 225864, 7280, 7272, 7344, 7360, 7408, 7688, 7672, 7680, 16,  7784,
    0,        7800, 7792,   7992, 0,   832,    0,    8,    16,   72,   152,  160,  232,  32,   88,  8,
    0,        56,   80,     74,   64,  0,      216,  112,  120,  128,  136,  68,   52,   96,   104, 208,
    0,        16,   8,      416,  24,  88,     168,  40,   32,   16,   40,   24,   16,   200,  24,  40,
    32,       48,   32,     40,   24,  16,     32,   16,   24,   40,   16,   32,   64,   32,   16,  40,
    264,      192,  160,    24,   72,  67,     0,    8,    24,   304,  8076, 0,    4,    512};
inline constexpr std::array<std::uint64_t, 110> kWordsOf3152{
    51315440, 0,    346568, 912, 936, 226240, 7272, 7264, 7336, 7352, 7400, 7592, 7576, 7584, 16, 7736, 0,   7752, 7744,
    7944,     0,    888,    0,   8,   16,     72,   80,   88,   96,   176,  184,  256,  32,   36, 40,   136, 288,  0,
    88,       8,    0,      56,  80,  74,     64,   0,    216,  112,  120,  128,  136,  68,   52, 96,   104, 208,  0,
    16,       8,    424,    24,  88,  168,    32,   288,  944,  888,  40,   32,   16,   40,   24, 16,   200, 24,   40,
    32,       48,   32,     40,  24,  16,     32,   16,   24,   40,   16,   32,   64,   32,   16, 40,   56,  176,  112,
    120,      1120, 104,    160, 24,  72,     67,   0,    8,    24,   344,  8028, 0,    4,    512};

inline constexpr std::uint64_t kHexOf3130 = 0x030D00F0;
// Version and free_threaded before the words of 3.13.0, as the others have them.
inline constexpr auto kAllWordsOf3130 = [] {
  std::array<std::uint64_t, kWordsOf3130.size() + 2> words{kHexOf3130, 0};
  for (std::size_t at = 0; at < kWordsOf3130.size(); ++at) words[at + 2] = kWordsOf3130[at];
  return words;
}();

// Of a version and build; empty where none were captured, or there are none.
[[nodiscard]] inline std::span<const std::uint64_t> words_of(python::Version version, bool free_threaded) {
  if (version.major != 3) return {};
  if (version.minor == 13) return free_threaded ? std::span<const std::uint64_t>(kWordsOf31315t) : kAllWordsOf3130;
  if (version.minor == 14 && !free_threaded) return kWordsOf31410;
  if (version.minor == 15 && !free_threaded) return kWordsOf3152;
  return {};
}

}  // namespace snag::made
