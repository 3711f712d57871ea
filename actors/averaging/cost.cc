#include "actors/averaging/cost.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/require.h"

namespace actors {
namespace {

constexpr double kAdamVariancePerParameter = 0.45;

std::uint64_t FdaInterval(const SyncPolicyOptions& options, std::uint64_t parameters,
                          double learning_rate, std::uint64_t steps) {
  const double growth =
      kAdamVariancePerParameter * static_cast<double>(parameters) * learning_rate * learning_rate;
  // The estimate must pass theta, hence the step more; no growth, no synchronization before the
  // end.
  const double interval = std::floor(options.theta / growth) + 1;
  std::uint64_t bounded = steps;
  if (interval < static_cast<double>(steps)) bounded = static_cast<std::uint64_t>(interval);
  if (options.max_interval != 0) bounded = std::min(bounded, options.max_interval);
  return std::max<std::uint64_t>(bounded, 1);
}

std::uint64_t PredictedInterval(const SyncPolicyOptions& options, std::uint64_t parameters,
                                double learning_rate, std::uint64_t steps) {
  switch (options.strategy) {
    case Strategy::kFda: return FdaInterval(options, parameters, learning_rate, steps);
    case Strategy::kSynchronous: return 1;
    case Strategy::kLocal: return options.tau;
  }
  REQUIRE(false);
}

}  // namespace

RunCounts CountsOf(std::uint64_t members, std::uint64_t steps, std::uint64_t synchronizations) {
  return {.member_synchronizations = members * synchronizations,
          .member_steps = members * steps,
          .initial_members = members};
}

std::uint64_t PolicyStateBytes(const SyncPolicyOptions& options) {
  return options.strategy == Strategy::kFda ? StateBytes(options.estimator) : 0;
}

std::uint64_t PaperBytes(const SyncPolicyOptions& options, std::uint64_t parameters,
                         const RunCounts& counts) {
  const std::uint64_t model_bytes = sizeof(float) * parameters;
  const std::uint64_t initial =
      options.strategy == Strategy::kSynchronous ? 0 : counts.initial_members;
  return 2 * model_bytes * (counts.member_synchronizations + initial) +
         PolicyStateBytes(options) * counts.member_steps;
}

std::uint64_t RingLowerBound(std::uint64_t members, std::uint64_t floats) {
  REQUIRE(members >= 1);
  return 2 * (members - 1) * sizeof(float) * floats;
}

PredictedBytes PredictBytes(const SyncPolicyOptions& options, std::uint64_t floats,
                            std::uint64_t members, std::uint64_t steps,
                            std::uint64_t synchronizations) {
  PredictedBytes bytes = {.ring = synchronizations * RingLowerBound(members, floats),
                          .state = PolicyStateBytes(options) * members * steps};
  bytes.total = bytes.ring + bytes.state;
  return bytes;
}

std::uint64_t PredictSynchronizations(const SyncPolicyOptions& options, std::uint64_t parameters,
                                      double learning_rate, std::uint64_t steps) {
  const std::uint64_t interval = PredictedInterval(options, parameters, learning_rate, steps);
  REQUIRE(interval >= 1);
  return (steps + interval - 1) / interval;
}

}  // namespace actors
