// theta at a step: given, or of what rounds took (theta = "auto") or came to (fda-opt), and
// following the learning rate.
#include <algorithm>
#include <cmath>
#include <limits>

#include "actors/round.h"

namespace actors {

std::optional<double> Round::theta() const {
  if (!options_.reports || !std::isfinite(rule_.theta)) return std::nullopt;
  return RuleNow().theta;
}

// Where the rate is 0 nothing drifts, and theta is above 0 all the same: 0 is a rule of its own.
SyncRule Round::RuleNow() const {
  SyncRule rule = rule_;
  if (options_.theta_lr_exponent == 0 || rule.theta == 0) return rule;
  const double factor = LearningRateFactor(options_.schedule, step_);
  rule.theta = std::max(std::numeric_limits<double>::min(),
                        rule.theta * std::pow(factor, options_.theta_lr_exponent));
  return rule;
}

// sum p_k ‖u_k‖² - ‖sum p_k u_k‖², of those who were averaged. None: not all have told theirs.
std::optional<double> Round::VarianceOfRing() const {
  double weights = 0, squared = 0;
  std::optional<double> mean;
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    const double weight = RingWeight(rank);
    if (!(weight > 0)) continue;
    if (done_[rank].root.IsNull()) return std::nullopt;  // It is lost, and the ring went on.
    weights += weight;
    squared += weight * done_[rank].squared_drift;
    mean = done_[rank].squared_mean;
  }
  if (!mean.has_value()) return std::nullopt;
  return std::max(0.0, squared / weights - *mean);
}

std::string Round::TuneTheta(runtime::Time now) {
  const std::uint64_t steps = step_ - synchronized_step_;
  if (threshold_.has_value()) {
    if (const std::optional<double> variance = VarianceOfRing()) {
      threshold_->OnRound(steps, *variance);
      rule_ = threshold_->rule();
    }
    return "";
  }
  const bool measured = !disturbed_ && failed_attempts_ == 0 && variance_estimate_.has_value();
  if (!tuner_.has_value() || !measured || steps == 0) return "";
  std::string choice =
      tuner_->OnRound({.steps = steps,
                       .train_seconds = runtime::ToSeconds(decided_at_ - resumed_at_),
                       .stop_seconds = runtime::ToSeconds(now - decided_at_),
                       .variance_estimate = *variance_estimate_,
                       .members = members_.size()});
  rule_ = tuner_->rule();
  return choice;
}

}  // namespace actors
