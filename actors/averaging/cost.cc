#include "actors/averaging/cost.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "runtime/base/require.h"

namespace actors {
namespace {

constexpr double kAdamVariancePerParameter = 0.45;

// Steps at the full rate between two synchronizations, without regard to max_interval; at most
// `steps`.
std::uint64_t FullRateInterval(const SyncPolicyOptions& options, std::uint64_t parameters,
                               std::uint64_t steps) {
  switch (options.strategy) {
    case Strategy::kFda: {
      const double rate = options.schedule.learning_rate;
      const double growth =
          kAdamVariancePerParameter * static_cast<double>(parameters) * rate * rate;
      // The estimate must pass theta, hence the step more; no growth, no synchronization before the
      // end.
      const double interval = std::floor(options.theta / growth) + 1;
      return interval < static_cast<double>(steps) ? static_cast<std::uint64_t>(interval) : steps;
    }
    case Strategy::kSynchronous: return 1;
    case Strategy::kLocal:
    case Strategy::kDiloco:
    case Strategy::kClock: return std::min(options.tau, steps);
    case Strategy::kQsr:
    case Strategy::kFedAvg:
    case Strategy::kFedAvgM:
    case Strategy::kFedAdam:
    case Strategy::kFdaOpt: break;
  }
  REQUIRE(false);
}

// By the worker's half of the policy itself.
std::uint64_t CountSynchronizations(const SyncPolicyOptions& options) {
  const std::unique_ptr<WorkerPolicy> policy = *MakeWorkerPolicy(options);
  std::uint64_t synchronizations = 0;
  for (Boundary at; at.step < options.max_steps;) {
    ++at.step;
    ++at.steps_since_synchronization;
    if (policy->AtBoundary(at) != BoundaryAction::kReadyToSynchronize) continue;
    ++synchronizations;
    at.steps_since_synchronization = 0;
  }
  return synchronizations;
}

}  // namespace

RunCounts CountsOf(std::uint64_t members, std::uint64_t steps, std::uint64_t synchronizations) {
  return {.member_synchronizations = members * synchronizations,
          .member_steps = members * steps,
          .initial_members = members};
}

std::uint64_t PolicyStateBytes(const SyncPolicyOptions& options) {
  return WatchesDrifts(options.strategy) ? StateBytes(options.estimator) : 0;
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

std::optional<std::uint64_t> PredictSynchronizations(const SyncPolicyOptions& options,
                                                     std::uint64_t parameters,
                                                     std::uint64_t steps) {
  REQUIRE(steps >= 1);
  if (options.strategy == Strategy::kFdaOpt) return std::nullopt;
  if (options.strategy == Strategy::kQsr || CountsEpochs(options.strategy)) {
    if (steps > kMostStepsForetold) return std::nullopt;
    SyncPolicyOptions whole_run = options;
    whole_run.max_steps = steps;
    whole_run.evaluate_every = 0;
    return CountSynchronizations(whole_run);
  }
  const bool by_rates = options.strategy == Strategy::kFda || options.strategy == Strategy::kClock;
  const std::uint64_t cap = by_rates ? options.max_interval : 0;
  std::uint64_t interval = std::max<std::uint64_t>(FullRateInterval(options, parameters, steps), 1);
  if (by_rates && !IsFlat(options.schedule)) {
    if (steps > kMostStepsForetold) return std::nullopt;
    return CountSynchronizations({.strategy = Strategy::kClock,
                                  .max_interval = cap,
                                  .tau = interval,
                                  .schedule = options.schedule,
                                  .max_steps = steps});
  }
  if (cap != 0) interval = std::min(interval, cap);
  return (steps + interval - 1) / interval;
}

}  // namespace actors
