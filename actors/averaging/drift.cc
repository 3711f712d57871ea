#include "actors/averaging/drift.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "runtime/base/require.h"

namespace actors {
double SquaredDrift(std::span<const float> local, std::span<const float> base) {
  REQUIRE(local.size() == base.size());
  return BestDriftKernels().squared_norm(local.data(), base.data(), local.size());
}

DriftSums DriftAlong(std::span<const float> local, std::span<const float> base,
                     std::span<const float> direction) {
  REQUIRE(local.size() == base.size() && local.size() == direction.size());
  return BestDriftKernels().along(local.data(), base.data(), direction.data(), local.size());
}

DriftReading ReadDrift(std::span<const float> local, std::span<const float> base,
                       std::span<const float> newer) {
  REQUIRE(local.size() == base.size() && local.size() == newer.size());
  return BestDriftKernels().read(local.data(), base.data(), newer.data(), local.size());
}

double StoreDrift(std::span<const float> local, std::span<const float> base, std::span<float> out) {
  REQUIRE(local.size() == base.size() && local.size() == out.size());
  return BestDriftKernels().store(local.data(), base.data(), local.size(), out.data());
}

bool ComputeUpdateDirection(std::span<const float> newer, std::span<const float> older,
                            double squared_distance, std::span<float> out) {
  REQUIRE(newer.size() == older.size() && newer.size() == out.size());
  // Squares of floats neither overflow nor vanish in double.
  const double norm = std::sqrt(squared_distance);
  if (norm == 0 || !std::isfinite(norm)) {
    std::fill(out.begin(), out.end(), 0.0f);
    return false;
  }
  // Rounding to float lengthens a vector by at most 2^-24; the double arithmetic adds far less.
  const double scale = (1.0 - 0x1p-23) / norm;
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<float>((static_cast<double>(newer[i]) - older[i]) * scale);
  }
  return true;
}

}  // namespace actors
