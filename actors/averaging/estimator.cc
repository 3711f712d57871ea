#include "actors/averaging/estimator.h"

#include <absl/strings/str_cat.h>

#include <cmath>

#include "actors/averaging/exact_estimator.h"
#include "actors/averaging/linear_estimator.h"
#include "actors/averaging/naive_estimator.h"
#include "actors/averaging/sketch_estimator.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {

absl::Status CheckEstimatorOptions(const EstimatorOptions& options) {
  if (options.parameters == 0) {
    return absl::InvalidArgumentError("the model has no trainable parameter");
  }
  if (options.kind == EstimatorKind::kExact && options.parameters > kMaxExactParameters) {
    return absl::InvalidArgumentError(
        absl::StrCat("estimator exact sends the whole drift at every step and takes at most ",
                     kMaxExactParameters, " parameters, not ", options.parameters));
  }
  if (options.kind != EstimatorKind::kSketch) return absl::OkStatus();
  const AmsSketchOptions& sketch = options.sketch;
  if (sketch.rows < 1 || sketch.rows > kMaxSketchRows || sketch.rows % 2 == 0) {
    return absl::InvalidArgumentError(absl::StrCat("sketch_rows is ", sketch.rows,
                                                   "; it must be odd (a median) and at most ",
                                                   kMaxSketchRows));
  }
  if (sketch.columns < kMinSketchColumns || sketch.columns > kMaxSketchColumns) {
    return absl::InvalidArgumentError(absl::StrCat("sketch_columns is ", sketch.columns,
                                                   "; it must lie in ", kMinSketchColumns, " to ",
                                                   kMaxSketchColumns));
  }
  return absl::OkStatus();
}

std::uint64_t StateBytes(const EstimatorOptions& options) {
  switch (options.kind) {
    case EstimatorKind::kNaive: return sizeof(float);
    case EstimatorKind::kLinear: return 2 * sizeof(float);
    case EstimatorKind::kSketch:
      return sizeof(float) * (options.sketch.rows * options.sketch.columns + 1);
    case EstimatorKind::kExact: return sizeof(float) * (options.parameters + 1);
  }
  REQUIRE(false);
}

absl::StatusOr<double> Estimator::EstimateVariance(std::span<const LocalState> states,
                                                   std::span<const float> weights) const {
  RETURN_IF_ERROR(CheckWeights(weights, states.size()));
  for (std::size_t k = 0; k < states.size(); ++k) {
    if (const absl::Status status = CheckState(states[k]); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("member ", k, ": ", status.message()));
    }
  }
  if (states.size() == 1) return 0.0;
  const double estimate = Estimate(WeightedMean(states, weights));
  // Sums of finite floats are finite in double, and so are their squares.
  REQUIRE(std::isfinite(estimate));
  return estimate;
}

absl::StatusOr<std::unique_ptr<Summarizer>> MakeSummarizer(const EstimatorOptions& options) {
  RETURN_IF_ERROR(CheckEstimatorOptions(options));
  switch (options.kind) {
    case EstimatorKind::kNaive: return std::make_unique<NaiveSummarizer>();
    case EstimatorKind::kLinear: return std::make_unique<LinearSummarizer>();
    case EstimatorKind::kSketch:
      return std::make_unique<SketchSummarizer>(options.sketch, options.parameters);
    case EstimatorKind::kExact: return std::make_unique<ExactSummarizer>();
  }
  REQUIRE(false);
}

absl::StatusOr<std::unique_ptr<Estimator>> MakeEstimator(const EstimatorOptions& options) {
  RETURN_IF_ERROR(CheckEstimatorOptions(options));
  switch (options.kind) {
    case EstimatorKind::kNaive: return std::make_unique<NaiveEstimator>();
    case EstimatorKind::kLinear: return std::make_unique<LinearEstimator>();
    case EstimatorKind::kSketch: return std::make_unique<SketchEstimator>(options.sketch);
    case EstimatorKind::kExact: return std::make_unique<ExactEstimator>(options.parameters);
  }
  REQUIRE(false);
}

}  // namespace actors
