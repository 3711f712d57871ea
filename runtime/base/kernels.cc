// Compiled once per CpuLevel, RONDO_KERNEL_VARIANT naming the variant's namespace. Nothing of the
// standard library is used here; kernel_table.h says why.
#include "runtime/base/kernel_table.h"

namespace runtime::RONDO_KERNEL_VARIANT {
namespace {

// Ranges may be equal but do not overlap otherwise, so no iteration depends on another.
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

void WeightedDrift(const float* local, const float* base, float weight, float* out, size_t count) {
  INDEPENDENT
  for (size_t i = 0; i < count; ++i) out[i] = weight * (local[i] - base[i]);
}

void AddWeightedDrift(const float* received, const float* local, const float* base, float weight,
                      float* out, size_t count) {
  INDEPENDENT
  for (size_t i = 0; i < count; ++i) out[i] = received[i] + weight * (local[i] - base[i]);
}

void Finalize(const float* base, const float* sum, float total_weight, float* out, size_t count) {
  INDEPENDENT
  for (size_t i = 0; i < count; ++i) out[i] = base[i] + sum[i] / total_weight;
}

#undef INDEPENDENT

}  // namespace

const KernelTable kTable = {
    .weighted_drift = WeightedDrift,
    .add_weighted_drift = AddWeightedDrift,
    .finalize = Finalize,
};

}  // namespace runtime::RONDO_KERNEL_VARIANT
