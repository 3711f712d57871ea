// theta = "auto": what a round took, of which the tuner makes the theta of the next ones.
#include <cmath>

#include "actors/round.h"

namespace actors {

std::optional<double> Round::theta() const {
  if (!options_.reports || !std::isfinite(rule_.theta)) return std::nullopt;
  return rule_.theta;
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
  if (quantum_.has_value()) quantum_->SetTheta(rule_.theta);
  return choice;
}

}  // namespace actors
