// Single passes over flat float vectors: drift, reduction, norms, optimizer steps.
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

// sum (local - base)^2. Differences are rounded to float, squares and sums are double.
inline double SquaredNorm(std::span<const float> local, std::span<const float> base) {
  REQUIRE(local.size() == base.size());
  return Kernels().squared_norm(local.data(), base.data(), local.size());
}

// The same with sum direction (local - base), in one pass.
inline SquaredNormAndDot NormAndDot(std::span<const float> local, std::span<const float> base,
                                    std::span<const float> direction) {
  REQUIRE(local.size() == base.size() && direction.size() == base.size());
  return Kernels().squared_norm_and_dot(local.data(), base.data(), direction.data(), local.size());
}

// Neither NaN nor infinite.
inline bool AllFinite(std::span<const float> values) {
  return Kernels().all_finite(values.data(), values.size());
}

// moment1 = beta1 moment1 + (1 - beta1) g;  moment2 = beta2 moment2 + (1 - beta2) g^2;
// p -= learning_rate / bias_correction1 * moment1 / (sqrt(moment2) / sqrt(bias_correction2) + eps).
inline void TakeAdamStep(const AdamStep& step, std::span<float> parameters,
                         std::span<const float> gradient, std::span<float> moment1,
                         std::span<float> moment2) {
  REQUIRE(gradient.size() == parameters.size() && moment1.size() == parameters.size() &&
          moment2.size() == parameters.size());
  Kernels().adam(step, parameters.data(), gradient.data(), moment1.data(), moment2.data(),
                 parameters.size());
}

// buffer = momentum buffer + g;  p -= learning_rate (nesterov ? g + momentum buffer : buffer).
// `momentum_buffer` starts as zeros, and may be empty if step.momentum is 0.
inline void TakeSgdStep(const SgdStep& step, std::span<float> parameters,
                        std::span<const float> gradient, std::span<float> momentum_buffer) {
  REQUIRE(gradient.size() == parameters.size());
  REQUIRE(momentum_buffer.size() == parameters.size() || step.momentum == 0);
  Kernels().sgd(step, parameters.data(), gradient.data(), momentum_buffer.data(),
                parameters.size());
}

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_KERNELS_H_
