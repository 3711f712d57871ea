#include "actors/averaging/exact_estimator.h"

#include "actors/averaging/drift.h"

namespace actors {

void ExactSummarizer::Summarize(std::span<const float> local, std::span<const float> base,
                                const UpdateDirection& direction, LocalState& state) {
  state.sketch_or_vector.resize(local.size());
  state.squared_norm = static_cast<float>(StoreDrift(local, base, state.sketch_or_vector));
  state.projection = 0;
  state.xi_id = {};
}

absl::Status ExactEstimator::CheckState(const LocalState& state) const {
  return CheckLocalState(state, parameters_);
}

double ExactEstimator::Estimate(const GlobalState& state) const {
  double squared_mean = 0;
  for (const double x : state.sketch_or_vector) squared_mean += x * x;
  return state.squared_norm - squared_mean;
}

}  // namespace actors
