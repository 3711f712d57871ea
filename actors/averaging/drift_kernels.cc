#include "actors/averaging/drift_kernels.h"

namespace actors {

namespace baseline {
extern const DriftKernels kDriftKernels;
}
#ifdef RONDO_X86_VARIANTS
namespace v3 {
extern const DriftKernels kDriftKernels;
}
namespace v4 {
extern const DriftKernels kDriftKernels;
}
#endif

SupportedDriftKernels ListDriftKernels() {
  SupportedDriftKernels list;
  list.variant[list.count++] = &baseline::kDriftKernels;
#ifdef RONDO_X86_VARIANTS
  // clang 14 does not know the names of the levels, so we ask for what the compiler uses of them.
  __builtin_cpu_init();
  const bool has_v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  if (has_v3) list.variant[list.count++] = &v3::kDriftKernels;
  if (has_v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    list.variant[list.count++] = &v4::kDriftKernels;
  }
#endif
  return list;
}

const DriftKernels& BestDriftKernels() {
  static const DriftKernels* const best = [] {
    const SupportedDriftKernels list = ListDriftKernels();
    return list.variant[list.count - 1];
  }();
  return *best;
}

}  // namespace actors
