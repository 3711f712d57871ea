// The variant of the drift kernels for this machine. Any thread.
#ifndef RONDO_ACTORS_AVERAGING_DRIFT_KERNELS_H_
#define RONDO_ACTORS_AVERAGING_DRIFT_KERNELS_H_

#include "actors/averaging/drift_kernel_table.h"
#include "runtime/base/cpu.h"

namespace actors {

const DriftKernels& BestDriftKernels();
// The variant of one level, which SupportedCpuLevels() must contain.
const DriftKernels& DriftKernelsFor(runtime::CpuLevel level);

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_DRIFT_KERNELS_H_
