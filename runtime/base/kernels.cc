// Compiled once per CpuLevel, RONDO_KERNEL_VARIANT naming the variant's namespace. Nothing of the
// standard library is used here; kernel_table.h says why.
#include <stdint.h>

#include "runtime/base/kernel_table.h"

namespace runtime::RONDO_KERNEL_VARIANT {
namespace {

// The lanes of the sums: four independent chains of eight doubles hide the latency of an addition
// on every variant.
constexpr size_t kLanes = 8;
constexpr size_t kChains = 4;
constexpr size_t kStride = kLanes * kChains;

using Floats = float __attribute__((vector_size(kLanes * sizeof(float))));
using Doubles = double __attribute__((vector_size(kLanes * sizeof(double))));
using UnalignedFloats =
    float __attribute__((vector_size(kLanes * sizeof(float)), aligned(alignof(float)), may_alias));

// Ranges may be equal but do not overlap otherwise, so no iteration depends on another.
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

// A macro, because a vector as an argument or result has no fixed calling convention.
#define LOAD(pointer) (*reinterpret_cast<const UnalignedFloats*>(pointer))

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

// Adds the lanes in index order: the same order on every variant.
double Total(const Doubles (&chains)[kChains]) {
  double total = 0;
  for (size_t chain = 0; chain < kChains; ++chain) {
    for (size_t lane = 0; lane < kLanes; ++lane) total += chains[chain][lane];
  }
  return total;
}

double SquaredNorm(const float* local, const float* base, size_t count) {
  Doubles squares[kChains] = {};
  size_t i = 0;
  for (; i + kStride <= count; i += kStride) {
    for (size_t chain = 0; chain < kChains; ++chain) {
      const size_t at = i + chain * kLanes;
      const Floats difference = LOAD(local + at) - LOAD(base + at);
      const Doubles drift = __builtin_convertvector(difference, Doubles);
      squares[chain] += drift * drift;
    }
  }
  for (size_t k = 0; i < count; ++i, ++k) {
    const double drift = static_cast<double>(local[i] - base[i]);
    squares[k / kLanes][k % kLanes] += drift * drift;
  }
  return Total(squares);
}

SquaredNormAndDot NormAndDot(const float* local, const float* base, const float* direction,
                             size_t count) {
  Doubles squares[kChains] = {};
  Doubles products[kChains] = {};
  size_t i = 0;
  for (; i + kStride <= count; i += kStride) {
    for (size_t chain = 0; chain < kChains; ++chain) {
      const size_t at = i + chain * kLanes;
      const Floats difference = LOAD(local + at) - LOAD(base + at);
      const Doubles drift = __builtin_convertvector(difference, Doubles);
      const Doubles along = __builtin_convertvector(LOAD(direction + at), Doubles);
      squares[chain] += drift * drift;
      products[chain] += along * drift;
    }
  }
  for (size_t k = 0; i < count; ++i, ++k) {
    const double drift = static_cast<double>(local[i] - base[i]);
    squares[k / kLanes][k % kLanes] += drift * drift;
    products[k / kLanes][k % kLanes] += static_cast<double>(direction[i]) * drift;
  }
  return {.squared_norm = Total(squares), .dot = Total(products)};
}

bool AllFinite(const float* values, size_t count) {
  // A float is NaN or infinite if and only if all bits of its exponent are set.
  constexpr uint32_t kExponent = 0x7f800000;
  constexpr size_t kBlock = 4096;
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t end = count - begin < kBlock ? count : begin + kBlock;
    uint32_t bad = 0;
    for (size_t i = begin; i < end; ++i) {
      uint32_t bits;
      __builtin_memcpy(&bits, values + i, sizeof(bits));
      bad |= (bits & kExponent) == kExponent ? 1U : 0U;
    }
    if (bad != 0) return false;
  }
  return true;
}

void Adam(const AdamStep& step, float* parameters, const float* gradient, float* moment1,
          float* moment2, size_t count) {
  const float beta1 = static_cast<float>(step.beta1);
  const float beta2 = static_cast<float>(step.beta2);
  const float rest1 = static_cast<float>(1 - step.beta1);
  const float rest2 = static_cast<float>(1 - step.beta2);
  const float decay = static_cast<float>(step.weight_decay);
  const float epsilon = static_cast<float>(step.epsilon);
  const float step_size = static_cast<float>(step.learning_rate / step.bias_correction1);
  const float root = static_cast<float>(__builtin_sqrt(step.bias_correction2));
  INDEPENDENT
  for (size_t i = 0; i < count; ++i) {
    const float g = decay == 0 ? gradient[i] : gradient[i] + decay * parameters[i];
    const float m = beta1 * moment1[i] + rest1 * g;
    const float v = beta2 * moment2[i] + rest2 * g * g;
    moment1[i] = m;
    moment2[i] = v;
    parameters[i] -= step_size * m / (__builtin_sqrtf(v) / root + epsilon);
  }
}

void Sgd(const SgdStep& step, float* parameters, const float* gradient, float* momentum_buffer,
         size_t count) {
  const float rate = static_cast<float>(step.learning_rate);
  const float momentum = static_cast<float>(step.momentum);
  const float decay = static_cast<float>(step.weight_decay);
  if (momentum == 0) {
    INDEPENDENT
    for (size_t i = 0; i < count; ++i) {
      const float g = decay == 0 ? gradient[i] : gradient[i] + decay * parameters[i];
      parameters[i] -= rate * g;
    }
    return;
  }
  const bool nesterov = step.nesterov;
  INDEPENDENT
  for (size_t i = 0; i < count; ++i) {
    const float g = decay == 0 ? gradient[i] : gradient[i] + decay * parameters[i];
    const float buffer = momentum * momentum_buffer[i] + g;
    momentum_buffer[i] = buffer;
    parameters[i] -= rate * (nesterov ? g + momentum * buffer : buffer);
  }
}

#undef LOAD
#undef INDEPENDENT

}  // namespace

const KernelTable kTable = {
    .weighted_drift = WeightedDrift,
    .add_weighted_drift = AddWeightedDrift,
    .finalize = Finalize,
    .squared_norm = SquaredNorm,
    .squared_norm_and_dot = NormAndDot,
    .all_finite = AllFinite,
    .adam = Adam,
    .sgd = Sgd,
};

}  // namespace runtime::RONDO_KERNEL_VARIANT
