#include "actors/averaging/sync_policy.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

Verdict Continue(double estimate, std::string reason) {
  return {.decision = SyncDecision::kContinue,
          .variance_estimate = estimate,
          .reason = std::move(reason)};
}

Verdict Synchronize(double estimate, std::string reason) {
  return {.decision = SyncDecision::kSynchronize,
          .variance_estimate = estimate,
          .reason = std::move(reason)};
}

// Why a synchronization is due at this boundary whatever the drifts are; empty if it is not.
// Without a step since the last one (an opening report) the run's rules are satisfied already.
std::string DueByRule(const Ballot& ballot, std::uint64_t max_steps, std::uint64_t interval,
                      std::string_view interval_name) {
  const Boundary& at = ballot.boundary;
  if (at.steps_since_synchronization == 0) return "";
  if (ballot.ending) return "the run ends";
  if (at.step >= max_steps) return absl::StrCat("step ", at.step, " is the last");
  if (interval != 0 && at.steps_since_synchronization >= interval) {
    return absl::StrCat(at.steps_since_synchronization, " steps since the last synchronization, ",
                        absl::string_view(interval_name.data(), interval_name.size()), " is ",
                        interval);
  }
  return "";
}

class FdaWorkerPolicy final : public WorkerPolicy {
 public:
  BoundaryAction AtBoundary(const Boundary&) override { return BoundaryAction::kReport; }
  bool Reports() const override { return true; }
};

class FdaMonitorPolicy final : public MonitorPolicy {
 public:
  FdaMonitorPolicy(const SyncPolicyOptions& options, std::unique_ptr<Estimator> estimator)
      : options_(options), estimator_(std::move(estimator)) {}

  SyncRule rule() const override {
    return {.theta = options_.theta, .max_interval = options_.max_interval};
  }

  Verdict Decide(const Ballot& ballot) const override {
    const absl::StatusOr<double> estimate =
        estimator_->EstimateVariance(ballot.states, ballot.weights);
    if (!estimate.ok()) return Error(ballot, estimate.status());
    const auto [theta, max_interval] = ballot.rule.value_or(rule());
    std::string due = DueByRule(ballot, options_.max_steps, max_interval, "max_interval");
    if (!due.empty()) return Synchronize(*estimate, std::move(due));
    // An estimate of 0 or, by rounding, below would never pass a theta of 0.
    if (theta == 0 && ballot.boundary.steps_since_synchronization > 0) {
      return Synchronize(*estimate, "theta is 0");
    }
    if (*estimate > theta) {
      return Synchronize(*estimate,
                         absl::StrCat("variance estimate ", *estimate, " > theta ", theta));
    }
    return Continue(*estimate, absl::StrCat("variance estimate ", *estimate, " <= theta ", theta));
  }

 private:
  Verdict Error(const Ballot& ballot, const absl::Status& status) const {
    Verdict verdict = {
        .decision = SyncDecision::kError, .reason = runtime::MessageOf(status), .error = status};
    for (std::size_t k = 0; k < ballot.states.size() && !verdict.culprit.has_value(); ++k) {
      if (!estimator_->CheckState(ballot.states[k]).ok()) verdict.culprit = k;
    }
    return verdict;
  }

  SyncPolicyOptions options_;
  std::unique_ptr<Estimator> estimator_;
};

std::uint64_t StepsInEpochs(const SyncPolicyOptions& options) {
  return std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(
             std::ceil(options.epochs * static_cast<double>(StepsInEpoch(options)))));
}

// With the same bits on every machine: * / and floor.
std::uint64_t QuadraticInterval(const SyncPolicyOptions& options, std::uint64_t first_step) {
  const std::uint64_t step = std::max(first_step, options.schedule.warmup);
  const double ratio = options.qsr_alpha / LearningRateAt(options.schedule, step);
  const double steps = std::floor(ratio * ratio);
  // Written so that the rate's being 0 makes it the rest of the run.
  if (!(steps < static_cast<double>(options.max_steps))) return options.max_steps;
  return std::max(options.tau, static_cast<std::uint64_t>(steps));
}

// Steps after which a fixed schedule synchronizes, but for what `clock` adds; 0: never.
std::uint64_t Interval(const SyncPolicyOptions& options, const Boundary& at) {
  switch (options.strategy) {
    case Strategy::kSynchronous: return 1;
    case Strategy::kLocal:
    case Strategy::kDiloco: return options.tau;
    case Strategy::kClock: return options.max_interval;
    case Strategy::kQsr:
      return QuadraticInterval(options, at.step - at.steps_since_synchronization + 1);
    case Strategy::kFedAvg:
    case Strategy::kFedAvgM:
    case Strategy::kFedAdam: return StepsInEpochs(options);
    case Strategy::kFda:
    case Strategy::kFdaOpt: break;
  }
  REQUIRE(false);
}

// Tells whether the steps since a synchronization are due by `clock`. What it remembers only spares
// adding up the same steps again.
class RateClock {
 public:
  explicit RateClock(const SyncPolicyOptions& options) : options_(options) {}

  bool IsDue(const Boundary& at) {
    const std::uint64_t synchronized = at.step - at.steps_since_synchronization;
    if (synchronized != synchronized_ || at.step < step_) {
      synchronized_ = step_ = synchronized;
      sum_ = last_ = 0;
    }
    while (step_ < at.step) {
      const double factor = LearningRateFactor(options_.schedule, ++step_);
      last_ = factor * factor;
      sum_ += last_;
    }
    // A thousandth of a step is forgiven, so that 72 steps at a sixth of the rate are two at the
    // full rate, though 72 times (1/6)² is rounded to less.
    return sum_ + 1e-3 * last_ >= static_cast<double>(options_.tau);
  }

 private:
  const SyncPolicyOptions options_;
  std::uint64_t synchronized_ = 0;
  std::uint64_t step_ = 0;  // The last one in the sum.
  double sum_ = 0;          // Of (eta_t / eta_0)².
  double last_ = 0;         // The last step's part in it.
};

class FixedWorkerPolicy final : public WorkerPolicy {
 public:
  explicit FixedWorkerPolicy(const SyncPolicyOptions& options)
      : options_(options), clock_(options) {}

  BoundaryAction AtBoundary(const Boundary& boundary) override {
    if (boundary.steps_since_synchronization > 0 &&
        (IsDue(boundary) || boundary.step >= options_.max_steps)) {
      return BoundaryAction::kReadyToSynchronize;
    }
    if (EvaluationDue(options_, boundary)) return BoundaryAction::kReadyToEvaluate;
    return BoundaryAction::kTrainOn;
  }
  bool Reports() const override { return false; }

 private:
  bool IsDue(const Boundary& at) {
    const std::uint64_t interval = Interval(options_, at);
    return (interval != 0 && at.steps_since_synchronization >= interval) ||
           (options_.strategy == Strategy::kClock && clock_.IsDue(at));
  }

  const SyncPolicyOptions options_;
  RateClock clock_;
};

class FixedMonitorPolicy final : public MonitorPolicy {
 public:
  explicit FixedMonitorPolicy(const SyncPolicyOptions& options) : options_(options) {}

  Verdict Decide(const Ballot& ballot) const override {
    const bool clock = options_.strategy == Strategy::kClock;
    std::string rule = DueByRule(ballot, options_.max_steps, Interval(options_, ballot.boundary),
                                 clock ? "max_interval" : "the interval");
    if (!rule.empty()) return Synchronize(0, std::move(rule));
    if (clock && RateClock(options_).IsDue(ballot.boundary)) {
      return Synchronize(0,
                         absl::StrCat("the rates of ", ballot.boundary.steps_since_synchronization,
                                      " steps make up tau, ", options_.tau));
    }
    return Continue(0, "the schedule has no synchronization here");
  }

 private:
  SyncPolicyOptions options_;
};

}  // namespace

absl::Status CheckSyncPolicyOptions(const SyncPolicyOptions& options) {
  if (options.max_steps == 0) return absl::InvalidArgumentError("max_steps must be at least 1");
  switch (options.strategy) {
    case Strategy::kFda:
      if (!std::isfinite(options.theta) || options.theta < 0) {
        return absl::InvalidArgumentError(
            absl::StrCat("theta is ", options.theta, "; it must be finite and not negative"));
      }
      return CheckEstimatorOptions(options.estimator);
    case Strategy::kSynchronous: return absl::OkStatus();
    case Strategy::kQsr:
      if (!(options.qsr_alpha > 0) || !std::isfinite(options.qsr_alpha)) {
        return absl::InvalidArgumentError("qsr_alpha must be a number above 0");
      }
      [[fallthrough]];
    case Strategy::kLocal:
    case Strategy::kDiloco:
    case Strategy::kClock:
      if (options.tau == 0) return absl::InvalidArgumentError("tau must be at least 1");
      return absl::OkStatus();
    case Strategy::kFdaOpt:
      RETURN_IF_ERROR(CheckEstimatorOptions(options.estimator));
      [[fallthrough]];
    case Strategy::kFedAvg:
    case Strategy::kFedAvgM:
    case Strategy::kFedAdam:
      if (!(options.epochs > 0) || options.samples == 0 || options.shards == 0 ||
          options.batch == 0) {
        return absl::InvalidArgumentError("a round must have epochs, samples and batches");
      }
      return absl::OkStatus();
  }
  REQUIRE(false);
}

bool CountsEpochs(Strategy strategy) {
  return strategy == Strategy::kFedAvg || strategy == Strategy::kFedAvgM ||
         strategy == Strategy::kFedAdam || strategy == Strategy::kFdaOpt;
}

bool WatchesDrifts(Strategy strategy) {
  return strategy == Strategy::kFda || strategy == Strategy::kFdaOpt;
}

std::uint64_t StepsInEpoch(const SyncPolicyOptions& options) {
  const std::uint64_t shard = (options.samples + options.shards - 1) / options.shards;
  return (shard + options.batch - 1) / options.batch;
}

bool NeedsTau(Strategy strategy) {
  return strategy == Strategy::kLocal || strategy == Strategy::kClock ||
         strategy == Strategy::kQsr || strategy == Strategy::kDiloco;
}

double GuidelineTheta(std::size_t parameters, double learning_rate) {
  const double ratio = learning_rate / 1e-3;
  return 4.91e-5 * static_cast<double>(parameters) * ratio * ratio;
}

bool EvaluationDue(const SyncPolicyOptions& options, const Boundary& boundary) {
  return options.evaluate_every != 0 && boundary.step > 0 &&
         boundary.step % options.evaluate_every == 0;
}

absl::StatusOr<std::unique_ptr<WorkerPolicy>> MakeWorkerPolicy(const SyncPolicyOptions& options) {
  RETURN_IF_ERROR(CheckSyncPolicyOptions(options));
  if (WatchesDrifts(options.strategy)) return std::make_unique<FdaWorkerPolicy>();
  return std::make_unique<FixedWorkerPolicy>(options);
}

absl::StatusOr<std::unique_ptr<MonitorPolicy>> MakeMonitorPolicy(const SyncPolicyOptions& options) {
  RETURN_IF_ERROR(CheckSyncPolicyOptions(options));
  if (!WatchesDrifts(options.strategy)) return std::make_unique<FixedMonitorPolicy>(options);
  ASSIGN_OR_RETURN(std::unique_ptr<Estimator> estimator, MakeEstimator(options.estimator));
  return std::make_unique<FdaMonitorPolicy>(options, std::move(estimator));
}

}  // namespace actors
