#include "cli/duration.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace snag::cli {
namespace {

using std::chrono::nanoseconds;

struct Unit {
  std::string_view name;
  double nanoseconds;
};
constexpr std::array kUnits = {Unit{"ns", 1},  Unit{"us", 1e3}, Unit{"µs", 1e3},   Unit{"ms", 1e6},
                               Unit{"s", 1e9}, Unit{"m", 60e9}, Unit{"min", 60e9}, Unit{"h", 3600e9}};

std::optional<double> unit_nanoseconds(std::string_view name) {
  const auto* unit = std::find_if(kUnits.begin(), kUnits.end(), [name](const Unit& row) { return row.name == name; });
  if (unit == kUnits.end()) return std::nullopt;
  return unit->nanoseconds;
}

}  // namespace

std::variant<nanoseconds, std::string> parse_duration(std::string_view text, BareNumber bare) {
  double number = 0;
  // No sign, so "-1s" is refused here; std::chars_format::fixed takes neither exponents nor hexadecimal digits.
  const bool starts_with_digit = !text.empty() && (text[0] == '.' || (text[0] >= '0' && text[0] <= '9'));
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (!text.empty() && text[0] == '-') return "a duration is above 0";
  if (!starts_with_digit || error != std::errc{} || !std::isfinite(number)) {
    return "not a duration; write it as 100ms, 2s or 1.5m";
  }
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit.empty() && bare == BareNumber::kRefused) {
    return "the unit is missing; write " + std::string(text) + "ms or " + std::string(text) + "s";
  }
  const std::optional<double> scale = unit_nanoseconds(unit.empty() ? "s" : unit);
  if (!scale) return "no unit of time at its end; write it as 100ms, 2s or 1.5m";
  const double length = number * *scale;
  if (length < 1) return "a duration is above 0";
  if (length > static_cast<double>(nanoseconds(kLongestDuration).count())) return "longer than a year";
  return nanoseconds(std::llround(length));
}

std::string format_duration(nanoseconds duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  const bool as_seconds = seconds >= 0.9995;
  const double number = as_seconds ? seconds : seconds * 1e3;
  const int decimals = number < 0.0005 ? 0 : number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.*f %s", decimals, number, as_seconds ? "s" : "ms");
  return text.data();
}

google::protobuf::Duration to_proto(nanoseconds duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(duration.count() / 1'000'000'000);
  proto.set_nanos(static_cast<std::int32_t>(duration.count() % 1'000'000'000));
  return proto;
}

nanoseconds from_proto(const google::protobuf::Duration& duration) {
  const std::int64_t longest = std::chrono::seconds(kLongestDuration).count();
  const std::int64_t seconds = std::clamp(duration.seconds(), std::int64_t{0}, longest);
  const std::int32_t nanos = std::clamp(duration.nanos(), 0, 999'999'999);
  return std::chrono::seconds(seconds) + nanoseconds(nanos);
}

}  // namespace snag::cli
