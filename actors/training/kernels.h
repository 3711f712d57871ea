// The loops in which a training step spends the time that is ours: over flat float arrays, without
// torch. Each is compiled for baseline x86-64 and for AVX2 and chosen once at run time; the bits do
// not depend on which one runs (no contraction, no reassociation). C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_KERNELS_H_
#define RONDO_ACTORS_TRAINING_KERNELS_H_

#include <cstddef>

namespace actors {

// Scalars of one Adam step (Kingma and Ba, 2015), as torch.optim.Adam computes them.
struct AdamScalars {
  float beta1 = 0;
  float one_minus_beta1 = 0;
  float beta2 = 0;
  float one_minus_beta2 = 0;
  float step_size = 0;                // learning_rate / (1 - beta1^t)
  float inverse_root_correction = 0;  // 1 / sqrt(1 - beta2^t)
  float epsilon = 0;
  float weight_decay = 0;
  float retained = 1;  // AdamW: 1 - learning_rate * its weight decay.
};

struct SgdScalars {
  float learning_rate = 0;
  float momentum = 0;
  float weight_decay = 0;
  bool nesterov = false;
};

struct TrainingKernels {
  const char* name = "";  // "baseline" | "avx2".

  // g = gradient + weight_decay * w; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
  // w = retained w - step_size m / (sqrt(v) inverse_root_correction + epsilon). Arrays of `count`
  // floats.
  void (*adam_step)(const AdamScalars& scalars, std::size_t count, const float* gradient,
                    float* first_moment, float* second_moment, float* parameters) = nullptr;

  // g = gradient + weight_decay * w; velocity = momentum velocity + g;
  // w -= learning_rate (g + momentum velocity if nesterov, velocity otherwise).
  void (*sgd_step)(const SgdScalars& scalars, std::size_t count, const float* gradient,
                   float* velocity, float* parameters) = nullptr;

  // `planes` images of rows x columns, both even: tanh = tanh(input) and
  // pooled = mean of tanh over 2 x 2 squares. Within 2e-7 of the true values; NaN stays NaN.
  void (*tanh_pool_forward)(std::size_t planes, std::size_t rows, std::size_t columns,
                            const float* input, float* tanh, float* pooled) = nullptr;
  // The gradient with respect to the input, from `tanh` and the gradient of `pooled`.
  void (*tanh_pool_backward)(std::size_t planes, std::size_t rows, std::size_t columns,
                             const float* tanh, const float* pooled_gradient,
                             float* input_gradient) = nullptr;
};

// The fastest that this processor can run.
const TrainingKernels& BestTrainingKernels();
// Those that every x86-64 processor runs; for comparison in tests.
const TrainingKernels& BaselineTrainingKernels();

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_KERNELS_H_
