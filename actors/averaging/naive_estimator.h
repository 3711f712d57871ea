// S_k = ‖u_k‖², H(S) = v: leaves out the mean drift, so H >= Var always.
#ifndef RONDO_ACTORS_AVERAGING_NAIVE_ESTIMATOR_H_
#define RONDO_ACTORS_AVERAGING_NAIVE_ESTIMATOR_H_

#include "actors/averaging/estimator.h"

namespace actors {

class NaiveSummarizer final : public Summarizer {
 public:
  void Summarize(std::span<const float> local, std::span<const float> base,
                 const UpdateDirection& direction, LocalState& state) override;
};

class NaiveEstimator final : public Estimator {
 public:
  absl::Status CheckState(const LocalState& state) const override;

 protected:
  double Estimate(const GlobalState& state) const override;
};

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_NAIVE_ESTIMATOR_H_
