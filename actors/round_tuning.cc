// theta at a step: given, or of what rounds took (theta = "auto"), and following the learning rate.
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

std::string Round::TuneTheta(runtime::Time now) {
  const std::uint64_t steps = step_ - synchronized_step_;
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
