// S_k and S: what a worker tells the monitor about its drift, and the weighted mean over the
// members (algorithm.md 1, equation 5 of the paper). Plain values, no thread of their own.
#ifndef RONDO_ACTORS_AVERAGING_LOCAL_STATE_H_
#define RONDO_ACTORS_AVERAGING_LOCAL_STATE_H_

#include <absl/status/status.h>

#include <cstddef>
#include <span>
#include <vector>

#include "runtime/base/hash.h"

namespace actors {

// Names a direction xi by the roots of the two bases it was made from: members whose ids are equal
// hold the same bits. Null: no direction (before the first synchronization, after a join or
// re-set).
struct XiId {
  runtime::Hash128 newer_base;
  runtime::Hash128 older_base;

  bool operator==(const XiId&) const = default;
  bool IsNull() const { return newer_base.IsNull() && older_base.IsNull(); }
};

// The last global update direction, as every member of the round holds it.
struct UpdateDirection {
  XiId id;                        // Null: `values` is not read.
  std::span<const float> values;  // d floats of norm <= 1 (ComputeUpdateDirection); borrowed.
};

// S_k. Which fields carry something depends on the estimator; the others are 0, null or empty.
struct LocalState {
  float squared_norm = 0;  // ‖u_k‖²; all estimators.
  float projection = 0;    // <xi, u_k>; linear, with a direction.
  XiId xi_id;              // The xi of `projection`; linear.
  // sketch: rows x columns buckets, row by row. exact: u_k itself, d floats.
  std::vector<float> sketch_or_vector;
};

// S = sum_k p_k S_k.
struct GlobalState {
  double squared_norm = 0;
  double projection = 0;
  // All members projected on one direction; otherwise `projection` means nothing.
  bool common_direction = false;
  std::vector<double> sketch_or_vector;
};

// What every state must satisfy, whatever the estimator; `values` is the size that
// sketch_or_vector must have. kDataLoss: a number is not finite (the worker diverged).
// kInvalidArgument: a negative norm, a wrong size, or a projection longer than the drift itself.
absl::Status CheckLocalState(const LocalState& state, std::size_t values);

// The weights of the ring: finite, >= 0, one per member, not all 0. kInvalidArgument otherwise.
absl::Status CheckWeights(std::span<const float> weights, std::size_t members);

// The mean with p_k = weights[k] / sum of weights, in double, members in the order given. A member
// of weight 0 is skipped, never multiplied. The weights are those that the ring uses (I7). States
// and weights have passed the checks above.
GlobalState WeightedMean(std::span<const LocalState> states, std::span<const float> weights);

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_LOCAL_STATE_H_
