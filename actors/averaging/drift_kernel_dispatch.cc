#include "actors/averaging/drift_kernels.h"

namespace actors {

namespace drift_kernels_baseline {
extern const DriftKernels kTable;
}
#if defined(__x86_64__)
namespace drift_kernels_v3 {
extern const DriftKernels kTable;
}
namespace drift_kernels_v4 {
extern const DriftKernels kTable;
}
#endif

const DriftKernels& DriftKernelsFor(runtime::CpuLevel level) {
  switch (level) {
#if defined(__x86_64__)
    case runtime::CpuLevel::kV4: return drift_kernels_v4::kTable;
    case runtime::CpuLevel::kV3: return drift_kernels_v3::kTable;
#endif
    default: return drift_kernels_baseline::kTable;
  }
}

const DriftKernels& BestDriftKernels() {
  static const DriftKernels& best = DriftKernelsFor(runtime::SupportedCpuLevels().back());
  return best;
}

}  // namespace actors
