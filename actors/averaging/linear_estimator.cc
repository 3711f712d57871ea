#include "actors/averaging/linear_estimator.h"

#include "actors/averaging/drift.h"

namespace actors {

void LinearSummarizer::Summarize(std::span<const float> local, std::span<const float> base,
                                 const UpdateDirection& direction, LocalState& state) {
  DriftSums sums;
  if (direction.id.IsNull()) {
    sums.squared_norm = SquaredDrift(local, base);
  } else {
    sums = DriftAlong(local, base, direction.values);
  }
  state.squared_norm = static_cast<float>(sums.squared_norm);
  state.projection = static_cast<float>(sums.projection);
  state.xi_id = direction.id;
  state.sketch_or_vector.clear();
}

absl::Status LinearEstimator::CheckState(const LocalState& state) const {
  return CheckLocalState(state, 0);
}

double LinearEstimator::Estimate(const GlobalState& state) const {
  const double x = state.common_direction ? state.projection : 0.0;
  return state.squared_norm - x * x;
}

}  // namespace actors
