// The drift u = local - base of a worker since the last synchronization, and the direction xi of
// the last global update (algorithm.md 1). Pure functions on the trainable part; any thread.
#ifndef RONDO_ACTORS_AVERAGING_DRIFT_H_
#define RONDO_ACTORS_AVERAGING_DRIFT_H_

#include <span>

#include "actors/averaging/drift_kernels.h"

namespace actors {

// ‖local - base‖², within 1e-6; not finite if and only if the drift is not, or its squares
// overflow.
double SquaredDrift(std::span<const float> local, std::span<const float> base);

// ‖local - base‖² and <direction, local - base> in one pass.
DriftSums DriftAlong(std::span<const float> local, std::span<const float> base,
                     std::span<const float> direction);

// How the drift local - base lies to the mean drift newer - base, in one pass: at COMMIT, once per
// round. Not finite where a sum is not: a drift that is no number, say.
DriftReading ReadDrift(std::span<const float> local, std::span<const float> base,
                       std::span<const float> newer);

// out = local - base; returns ‖out‖².
double StoreDrift(std::span<const float> local, std::span<const float> base, std::span<float> out);

// out = xi = (newer - older) / ‖newer - older‖, once per round, before the older base is released;
// `squared_distance` = ‖newer - older‖², DriftReading::squared_mean. Computed in double and scaled
// so that the norm of the floats in `out` is below 1, by less than 3e-7: above 1, <xi,u>² could
// exceed ‖u‖² and H would bound nothing. False, and `out` is all 0, if the bases are equal or their
// distance is not finite: then there is no direction.
[[nodiscard]] bool ComputeUpdateDirection(std::span<const float> newer,
                                          std::span<const float> older, double squared_distance,
                                          std::span<float> out);

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_DRIFT_H_
