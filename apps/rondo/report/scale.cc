#include "apps/rondo/report/scale.h"

#include <absl/strings/str_format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "apps/rondo/format.h"

namespace apps::report {
namespace {

constexpr double kRoom = 0.05;  // Of the axis' length, at either end.
// Ends of axes: beyond these, differences and powers of ten leave what a double can hold.
constexpr double kGreatest = 1e150;
constexpr double kLeast = 1e-150;

// The smallest of 1, 2, 5 times a power of ten that is not below `step`.
double RoundStep(double step) {
  const double power = std::pow(10, std::floor(std::log10(step)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= step * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

std::vector<double> LinearTicks(double low, double high, int count) {
  const double step = RoundStep((high - low) / count);
  std::vector<double> ticks;
  const double slack = step * 1e-6;
  // Multiples, not sums: 0.1 ten times is not 1.
  const double first = std::ceil((low - slack) / step);
  for (double multiple = first; multiple * step <= high + slack; ++multiple) {
    // No 1e-17 where 0 is meant; no endless loop where a multiple and the next are one number.
    ticks.push_back(std::abs(multiple * step) < slack ? 0 : multiple * step);
    if (ticks.size() > 50) break;
  }
  return ticks;
}

// Powers of ten on [low, high], each times `factors`.
std::vector<double> PowerTicks(double low, double high, std::initializer_list<double> factors,
                               int every) {
  std::vector<double> ticks;
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::ceil(std::log10(high)));
  for (int exponent = first; exponent <= last; ++exponent) {
    if (exponent % every != 0) continue;
    for (const double factor : factors) {
      const double tick = factor * std::pow(10, exponent);
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push_back(tick);
    }
  }
  return ticks;
}

}  // namespace

void Range::Include(double value) {
  if (!std::isfinite(value)) return;
  low = std::min(low, value);
  high = std::max(high, value);
}

Scale Scale::Between(ScaleKind kind, double low, double high) { return Scale(kind, low, high); }

Scale Scale::Over(ScaleKind kind, const Range& values) {
  if (kind == ScaleKind::kLog) {
    double low = values.empty() ? 1 : std::clamp(values.low, kLeast, kGreatest);
    double high = values.empty() ? 10 : std::clamp(values.high, kLeast, kGreatest);
    if (high < low * 1.2) {  // One value, or all but one.
      low /= 2;
      high *= 2;
    }
    const double room = std::pow(high / low, kRoom);
    return Scale(kind, low / room, high * room);
  }
  double low = values.empty() ? 0 : std::clamp(values.low, -kGreatest, kGreatest);
  double high = values.empty() ? 1 : std::clamp(values.high, -kGreatest, kGreatest);
  if (high - low <= 1e-9 * std::max(std::abs(low), std::abs(high))) {
    const double around = low == 0 ? 1 : std::abs(low) / 2;
    low -= around;
    high += around;
  }
  const double room = (high - low) * kRoom;
  const bool begins_at_zero = low >= 0 && low < 0.35 * high;
  return Scale(kind, begins_at_zero ? 0 : low - room, high + room);
}

std::optional<double> Scale::Place(double value) const {
  if (!std::isfinite(value)) return std::nullopt;
  if (kind_ == ScaleKind::kLinear) return (value - low_) / (high_ - low_);
  if (value <= 0) return std::nullopt;
  // Differences of logarithms: a quotient may be more than a double can hold.
  return (std::log(value) - std::log(low_)) / (std::log(high_) - std::log(low_));
}

std::vector<double> Scale::Ticks(int count) const {
  if (kind_ == ScaleKind::kLinear) return LinearTicks(low_, high_, count);
  const double decades = std::log10(high_) - std::log10(low_);
  if (3 * decades > count + 2) {
    return PowerTicks(low_, high_, {1}, std::max(1, static_cast<int>(std::ceil(decades / count))));
  }
  std::vector<double> ticks = PowerTicks(low_, high_, {1, 2, 5}, 1);
  // Within a factor of three or so an axis looks the same on either scale.
  return ticks.size() >= 3 ? ticks : LinearTicks(low_, high_, count);
}

std::string FormatTick(double value) {
  if (value == 0) return "0";
  const double size = std::abs(value);
  if (size >= 1000 && size < 1e7 && std::abs(size - std::round(size)) < 1e-6 * size) {
    const auto whole = static_cast<std::uint64_t>(std::llround(size));
    return (value < 0 ? "-" : "") + FormatCount(whole);
  }
  return absl::StrFormat("%.4g", value);
}

std::string ThreeDigits(double value) {
  return std::abs(value) >= 100 ? FormatTick(std::round(value)) : absl::StrFormat("%.3g", value);
}

}  // namespace apps::report
