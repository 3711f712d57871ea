// Single passes over flat float vectors: what a ring does to a chunk.
//
// The variant for this machine is chosen once; its bits are the same as every other variant's
// (kernel_table.h). Any thread. Spans of one call have one length; outputs may be one of the
// inputs.
#ifndef RONDO_RUNTIME_BASE_KERNELS_H_
#define RONDO_RUNTIME_BASE_KERNELS_H_

#include <span>

#include "runtime/base/cpu.h"
#include "runtime/base/kernel_table.h"
#include "runtime/base/require.h"

namespace runtime {

// The best variant for this machine.
const KernelTable& Kernels();
// The variant of one level, which SupportedCpuLevels() must contain.
const KernelTable& KernelsFor(CpuLevel level);

// out = weight (local - base): what the first member of a ring sends.
inline void WeightedDrift(std::span<const float> local, std::span<const float> base, float weight,
                          std::span<float> out) {
  REQUIRE(local.size() == out.size() && base.size() == out.size());
  Kernels().weighted_drift(local.data(), base.data(), weight, out.data(), out.size());
}

// out = received + weight (local - base).
inline void AddWeightedDrift(std::span<const float> received, std::span<const float> local,
                             std::span<const float> base, float weight, std::span<float> out) {
  REQUIRE(received.size() == out.size() && local.size() == out.size() && base.size() == out.size());
  Kernels().add_weighted_drift(received.data(), local.data(), base.data(), weight, out.data(),
                               out.size());
}

// out = base + sum / total_weight, with a true division.
inline void Finalize(std::span<const float> base, std::span<const float> sum, float total_weight,
                     std::span<float> out) {
  REQUIRE(base.size() == out.size() && sum.size() == out.size());
  Kernels().finalize(base.data(), sum.data(), total_weight, out.data(), out.size());
}

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_KERNELS_H_
