// S_k = (‖u_k‖², u_k), H(S) = v - ‖x‖² = Var: for tests and audits.
#ifndef RONDO_ACTORS_AVERAGING_EXACT_ESTIMATOR_H_
#define RONDO_ACTORS_AVERAGING_EXACT_ESTIMATOR_H_

#include "actors/averaging/estimator.h"

namespace actors {

class ExactSummarizer final : public Summarizer {
 public:
  void Summarize(std::span<const float> local, std::span<const float> base,
                 const UpdateDirection& direction, LocalState& state) override;
};

class ExactEstimator final : public Estimator {
 public:
  explicit ExactEstimator(std::size_t parameters) : parameters_(parameters) {}

  absl::Status CheckState(const LocalState& state) const override;

 protected:
  double Estimate(const GlobalState& state) const override;

 private:
  std::size_t parameters_;
};

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_EXACT_ESTIMATOR_H_
