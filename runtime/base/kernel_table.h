// The vector kernels of one instruction set, as a table of plain functions.
//
// kernels.cc is compiled once per CpuLevel (CMake: add_kernels) and includes only this header: an
// inline function of the standard library, compiled for AVX-512 and kept by the linker as the one
// copy for all, would end the process on an older machine. Callers use kernels.h.
//
// Bits do not depend on the variant: elementwise kernels round after every operation (no
// contraction, correctly rounded division and square root), and sums run in a fixed number of
// independent lanes that are added in a fixed order at the end.
//
// Pointers need the alignment of float only; ranges may be equal, but must not overlap otherwise.
#ifndef RONDO_RUNTIME_BASE_KERNEL_TABLE_H_
#define RONDO_RUNTIME_BASE_KERNEL_TABLE_H_

#include <stddef.h>

namespace runtime {

struct SquaredNormAndDot {
  double squared_norm = 0;
  double dot = 0;
};

// One Adam step, in torch's notation. Beta, learning rate and the like are rounded to float once.
struct AdamStep {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;      // Added to the gradient as weight_decay * parameter.
  double bias_correction1 = 1;  // 1 - beta1^t, t = steps including this one.
  double bias_correction2 = 1;  // 1 - beta2^t.
};

// One SGD step, in torch's notation, without dampening.
struct SgdStep {
  double learning_rate = 1e-2;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;
};

struct KernelTable {
  void (*weighted_drift)(const float* local, const float* base, float weight, float* out,
                         size_t count);
  void (*add_weighted_drift)(const float* received, const float* local, const float* base,
                             float weight, float* out, size_t count);
  void (*finalize)(const float* base, const float* sum, float total_weight, float* out,
                   size_t count);
  double (*squared_norm)(const float* local, const float* base, size_t count);
  SquaredNormAndDot (*squared_norm_and_dot)(const float* local, const float* base,
                                            const float* direction, size_t count);
  bool (*all_finite)(const float* values, size_t count);
  void (*adam)(const AdamStep& step, float* parameters, const float* gradient, float* moment1,
               float* moment2, size_t count);
  void (*sgd)(const SgdStep& step, float* parameters, const float* gradient, float* momentum_buffer,
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
