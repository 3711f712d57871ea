#include "actors/averaging/fda_opt.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/base/require.h"

namespace actors {
namespace {

constexpr double kNoTheta = std::numeric_limits<double>::infinity();

std::uint64_t LongestOf(const FdaOptOptions& options) {
  REQUIRE(options.epoch_steps >= 1 && options.max_epochs > 0);
  const double steps = std::ceil(options.max_epochs * static_cast<double>(options.epoch_steps));
  const auto longest = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(steps));
  return options.longest_interval == 0 ? longest : std::min(longest, options.longest_interval);
}

}  // namespace

FdaOptThreshold::FdaOptThreshold(const FdaOptOptions& options)
    : options_(options), longest_(LongestOf(options)) {
  rule_ = {.theta = kNoTheta, .max_interval = std::min(options.epoch_steps, longest_)};
}

void FdaOptThreshold::OnRound(std::uint64_t steps, double variance) {
  if (steps == 0 || !std::isfinite(variance)) return;
  const double epochs = static_cast<double>(steps) / static_cast<double>(options_.epoch_steps);
  const double theta = options_.max_epochs / 2 / epochs * variance;
  rule_ = {.theta = theta > 0 ? theta : kNoTheta, .max_interval = longest_};
}

}  // namespace actors
