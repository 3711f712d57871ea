// S_k = (‖u_k‖², <xi, u_k>), H(S) = v - x² >= Var by Cauchy-Schwarz, since ‖xi‖ <= 1 (paper, 3.1).
//
// x counts only if all members projected on one direction; with unequal or missing directions v -
// x² bounds nothing, and H is v, as in `naive`.
#ifndef RONDO_ACTORS_AVERAGING_LINEAR_ESTIMATOR_H_
#define RONDO_ACTORS_AVERAGING_LINEAR_ESTIMATOR_H_

#include "actors/averaging/estimator.h"

namespace actors {

class LinearSummarizer final : public Summarizer {
 public:
  void Summarize(std::span<const float> local, std::span<const float> base,
                 const UpdateDirection& direction, LocalState& state) override;
  bool UsesDirection() const override { return true; }
};

class LinearEstimator final : public Estimator {
 public:
  absl::Status CheckState(const LocalState& state) const override;

 protected:
  double Estimate(const GlobalState& state) const override;
};

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_LINEAR_ESTIMATOR_H_
