#include "actors/averaging/local_state.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/require.h"

namespace actors {
namespace {

// Far above rounding, far below what a broken worker would send; the absolute part is for norms
// so small that their float squares vanish.
constexpr double kProjectionSlack = 1e-3;
constexpr double kTinySquare = 1e-30;

}  // namespace

absl::Status CheckLocalState(const LocalState& state, std::size_t values) {
  if (state.sketch_or_vector.size() != values) {
    return absl::InvalidArgumentError(absl::StrCat("the state has ", state.sketch_or_vector.size(),
                                                   " values instead of ", values));
  }
  if (!std::isfinite(state.squared_norm)) {
    return absl::DataLossError("the norm of the drift is not finite");
  }
  if (!std::isfinite(state.projection)) {
    return absl::DataLossError("the projection of the drift is not finite");
  }
  if (!std::all_of(state.sketch_or_vector.begin(), state.sketch_or_vector.end(),
                   [](float value) { return std::isfinite(value); })) {
    return absl::DataLossError("a value of the state is not finite");
  }
  if (state.squared_norm < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the squared norm of the drift is negative: ", state.squared_norm));
  }
  const double squared_projection =
      static_cast<double>(state.projection) * static_cast<double>(state.projection);
  if (squared_projection > state.squared_norm * (1.0 + kProjectionSlack) + kTinySquare) {
    return absl::InvalidArgumentError(absl::StrCat("the projection ", state.projection,
                                                   " is longer than the drift, whose square is ",
                                                   state.squared_norm));
  }
  return absl::OkStatus();
}

absl::Status CheckWeights(std::span<const float> weights, std::size_t members) {
  if (weights.size() != members) {
    return absl::InvalidArgumentError(
        absl::StrCat(weights.size(), " weights for ", members, " members"));
  }
  double sum = 0;
  for (const float weight : weights) {
    if (!std::isfinite(weight) || weight < 0) {
      return absl::InvalidArgumentError(absl::StrCat("a weight is ", weight));
    }
    sum += weight;
  }
  if (sum == 0) return absl::InvalidArgumentError("no member has a weight above 0");
  return absl::OkStatus();
}

GlobalState WeightedMean(std::span<const LocalState> states, std::span<const float> weights) {
  REQUIRE(!states.empty() && states.size() == weights.size());
  double total_weight = 0;
  for (const float weight : weights) total_weight += weight;
  const std::size_t values = states[0].sketch_or_vector.size();
  GlobalState mean;
  mean.common_direction = !states[0].xi_id.IsNull();
  mean.sketch_or_vector.resize(values);
  for (std::size_t k = 0; k < states.size(); ++k) {
    const LocalState& state = states[k];
    REQUIRE(state.sketch_or_vector.size() == values);
    mean.common_direction = mean.common_direction && state.xi_id == states[0].xi_id;
    if (weights[k] == 0) continue;
    const double p = weights[k] / total_weight;
    mean.squared_norm += p * state.squared_norm;
    mean.projection += p * state.projection;
    for (std::size_t i = 0; i < values; ++i) {
      mean.sketch_or_vector[i] += p * state.sketch_or_vector[i];
    }
  }
  return mean;
}

}  // namespace actors
