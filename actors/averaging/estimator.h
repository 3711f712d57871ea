// The two halves of a variance estimator (algorithm.md 1).
//
// Worker half, Summarizer: drift -> LocalState, once per step, on the training thread; keeps
// scratch, allocates nothing after the first call. Monitor half, Estimator: states of all members
// -> H; pure. H bounds the variance Var = sum p_k ‖u_k‖² - ‖sum p_k u_k‖² from above (`sketch`:
// with probability 1 - delta), for any weights p_k of sum 1.
#ifndef RONDO_ACTORS_AVERAGING_ESTIMATOR_H_
#define RONDO_ACTORS_AVERAGING_ESTIMATOR_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "actors/averaging/ams_sketch.h"
#include "actors/averaging/local_state.h"

namespace actors {

enum class EstimatorKind { kNaive, kLinear, kSketch, kExact };

struct EstimatorOptions {
  EstimatorKind kind = EstimatorKind::kLinear;
  std::size_t parameters = 0;  // d: floats in the trainable part.
  AmsSketchOptions sketch;     // Read by kSketch only.
};

// The vectors of kExact pass the head at every step: for tests and audits only.
inline constexpr std::size_t kMaxExactParameters = 200'000;

// kInvalidArgument names the option and its range.
absl::Status CheckEstimatorOptions(const EstimatorOptions& options);

// Bytes of one state as the paper counts them: 4, 8, 4(rows·columns + 1), 4(d + 1).
std::uint64_t StateBytes(const EstimatorOptions& options);

class Summarizer {
 public:
  virtual ~Summarizer() = default;

  // Overwrites `state` with S_k of the drift local - base; pass the same `state` again so that its
  // memory is used again. `direction` is read by `linear` only and must have d values or a null id.
  // A drift that is not finite gives a state that CheckState refuses.
  virtual void Summarize(std::span<const float> local, std::span<const float> base,
                         const UpdateDirection& direction, LocalState& state) = 0;
  // Whether ComputeUpdateDirection is worth its pass at COMMIT.
  virtual bool UsesDirection() const { return false; }
};

class Estimator {
 public:
  virtual ~Estimator() = default;

  // A state as it came from the wire; codes as CheckLocalState.
  virtual absl::Status CheckState(const LocalState& state) const = 0;

  // H over the states of one step of all members, and the weights of the ring (CheckWeights). 0
  // with one member. A tiny negative H is rounding. kDataLoss or kInvalidArgument "member 3: ..."
  // where 3 is the index of the first state that CheckState refuses; never a value that is not
  // finite.
  absl::StatusOr<double> EstimateVariance(std::span<const LocalState> states,
                                          std::span<const float> weights) const;

 protected:
  // H(S) for two or more members.
  virtual double Estimate(const GlobalState& state) const = 0;
};

// The halves for `options`; the error of CheckEstimatorOptions. Only the summarizer of `sketch` is
// large: the monitor needs no hash tables.
absl::StatusOr<std::unique_ptr<Summarizer>> MakeSummarizer(const EstimatorOptions& options);
absl::StatusOr<std::unique_ptr<Estimator>> MakeEstimator(const EstimatorOptions& options);

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_ESTIMATOR_H_
