#include "runtime/base/kernels.h"

namespace runtime {

const KernelTable& KernelsFor(CpuLevel level) {
  switch (level) {
#if defined(__x86_64__)
    case CpuLevel::kV4: return kernels_v4::kTable;
    case CpuLevel::kV3: return kernels_v3::kTable;
#endif
    default: return kernels_baseline::kTable;
  }
}

const KernelTable& Kernels() {
  static const KernelTable& best = KernelsFor(SupportedCpuLevels().back());
  return best;
}

}  // namespace runtime
