#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <variant>

#include <google/protobuf/duration.pb.h>

namespace snag::cli {

// What a person types for a length of time: a decimal number and a unit out of ns, us, ms, s, m, h.
enum class BareNumber {
  kSeconds,  // no unit means seconds
  kRefused,  // no unit could mean seconds or milliseconds: ask
};
// The time, above 0 and up to kLongestDuration, or one sentence about what is wrong, without the option's name.
[[nodiscard]] std::variant<std::chrono::nanoseconds, std::string> parse_duration(std::string_view text,
                                                                                 BareNumber bare);
// A year: what is longer was a slip of the keyboard, and stays far within 64 bits of nanoseconds.
inline constexpr std::chrono::hours kLongestDuration{24 * 366};

// For people, three digits: "0.42 ms", "310 ms", "2.31 s", "12.4 s", "125 s".
[[nodiscard]] std::string format_duration(std::chrono::nanoseconds duration);

[[nodiscard]] google::protobuf::Duration to_proto(std::chrono::nanoseconds duration);
// A peer's nonsense (beyond a year, negative) becomes the nearest that is sound.
[[nodiscard]] std::chrono::nanoseconds from_proto(const google::protobuf::Duration& duration);

}  // namespace snag::cli
