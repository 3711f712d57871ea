// The vector kernels of one instruction set, as a table of plain functions.
//
// kernels.cc is compiled once per CpuLevel (CMake: add_kernels) and includes only this header: an
// inline function of the standard library, compiled for AVX-512 and kept by the linker as the one
// copy for all, would end the process on an older machine. Callers use kernels.h.
//
// Bits do not depend on the variant: every operation is rounded (no contraction, correctly rounded
// division).
//
// Pointers need the alignment of float only; ranges may be equal, but must not overlap otherwise.
#ifndef RONDO_RUNTIME_BASE_KERNEL_TABLE_H_
#define RONDO_RUNTIME_BASE_KERNEL_TABLE_H_

#include <stddef.h>

namespace runtime {

struct KernelTable {
  void (*weighted_drift)(const float* local, const float* base, float weight, float* out,
                         size_t count);
  void (*add_weighted_drift)(const float* received, const float* local, const float* base,
                             float weight, float* out, size_t count);
  void (*finalize)(const float* base, const float* sum, float total_weight, float* out,
                   size_t count);
};

// One per compiled variant. v3 and v4 exist on x86-64 only.
namespace kernels_baseline {
extern const KernelTable kTable;
}
namespace kernels_v3 {
extern const KernelTable kTable;
}
namespace kernels_v4 {
extern const KernelTable kTable;
}

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_KERNEL_TABLE_H_
