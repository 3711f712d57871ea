#include "actors/averaging/sketch_estimator.h"

#include <cmath>

namespace actors {

void SketchSummarizer::Summarize(std::span<const float> local, std::span<const float> base,
                                 const UpdateDirection& direction, LocalState& state) {
  state.sketch_or_vector.resize(sketch_.values());
  state.squared_norm = static_cast<float>(sketch_.Sketch(local, base, state.sketch_or_vector));
  state.projection = 0;
  state.xi_id = {};
}

absl::Status SketchEstimator::CheckState(const LocalState& state) const {
  return CheckLocalState(state, options_.rows * options_.columns);
}

double SketchEstimator::Estimate(const GlobalState& state) const {
  const double epsilon = 1.0 / std::sqrt(static_cast<double>(options_.columns));
  return state.squared_norm -
         MedianSquaredNorm(state.sketch_or_vector, options_.rows) / (1.0 + epsilon);
}

}  // namespace actors
