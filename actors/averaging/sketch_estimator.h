// S_k = (‖u_k‖², sketch of u_k), H(S) = v - M2 / (1 + epsilon), epsilon = 1/sqrt(columns)
// (paper, 3.2).
//
// The mean of the sketches is the sketch of the mean drift, whose squared norm M2 estimates: Var <=
// H whenever M2 <= (1 + epsilon) ‖mean drift‖². With the defaults that fails in about one test of
// ten.
#ifndef RONDO_ACTORS_AVERAGING_SKETCH_ESTIMATOR_H_
#define RONDO_ACTORS_AVERAGING_SKETCH_ESTIMATOR_H_

#include "actors/averaging/estimator.h"

namespace actors {

class SketchSummarizer final : public Summarizer {
 public:
  SketchSummarizer(const AmsSketchOptions& options, std::size_t parameters)
      : sketch_(options, parameters) {}

  void Summarize(std::span<const float> local, std::span<const float> base,
                 const UpdateDirection& direction, LocalState& state) override;

 private:
  AmsSketch sketch_;
};

class SketchEstimator final : public Estimator {
 public:
  explicit SketchEstimator(const AmsSketchOptions& options) : options_(options) {}

  absl::Status CheckState(const LocalState& state) const override;

 protected:
  double Estimate(const GlobalState& state) const override;

 private:
  AmsSketchOptions options_;
};

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_SKETCH_ESTIMATOR_H_
