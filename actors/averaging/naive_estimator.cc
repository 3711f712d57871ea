#include "actors/averaging/naive_estimator.h"

#include "actors/averaging/drift.h"

namespace actors {

void NaiveSummarizer::Summarize(std::span<const float> local, std::span<const float> base,
                                const UpdateDirection& direction, LocalState& state) {
  state.squared_norm = static_cast<float>(SquaredDrift(local, base));
  state.projection = 0;
  state.xi_id = {};
  state.sketch_or_vector.clear();
}

absl::Status NaiveEstimator::CheckState(const LocalState& state) const {
  return CheckLocalState(state, 0);
}

double NaiveEstimator::Estimate(const GlobalState& state) const { return state.squared_norm; }

}  // namespace actors
