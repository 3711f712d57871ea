#include "actors/training/kernels.h"

#include <bit>
#include <cmath>
#include <cstdint>

namespace actors {
namespace {

// The bodies are written once and inlined into one function per instruction set.
#define RONDO_BODY [[gnu::always_inline]] inline

RONDO_BODY void AdamStepBody(const AdamScalars& s, std::size_t count, const float* gradient,
                             float* first_moment, float* second_moment, float* parameters) {
  const float* __restrict g = gradient;
  float* __restrict m = first_moment;
  float* __restrict v = second_moment;
  float* __restrict w = parameters;
  const AdamScalars c = s;
  for (std::size_t i = 0; i < count; ++i) {
    const float slope = g[i] + c.weight_decay * w[i];
    m[i] = c.beta1 * m[i] + c.one_minus_beta1 * slope;
    v[i] = c.beta2 * v[i] + (c.one_minus_beta2 * slope) * slope;
    w[i] = c.retained * w[i] -
           (c.step_size * m[i]) / (std::sqrt(v[i]) * c.inverse_root_correction + c.epsilon);
  }
}

RONDO_BODY void SgdStepBody(const SgdScalars& s, std::size_t count, const float* gradient,
                            float* velocity, float* parameters) {
  const float* __restrict g = gradient;
  float* __restrict v = velocity;
  float* __restrict w = parameters;
  const SgdScalars c = s;
  // g + momentum * v for Nesterov, v otherwise, without a branch in the loop.
  const float of_slope = c.nesterov ? 1.0f : 0.0f;
  const float of_velocity = c.nesterov ? c.momentum : 1.0f;
  for (std::size_t i = 0; i < count; ++i) {
    const float slope = g[i] + c.weight_decay * w[i];
    v[i] = c.momentum * v[i] + slope;
    w[i] -= c.learning_rate * (of_slope * slope + of_velocity * v[i]);
  }
}

// tanh(x) = -p / (2 + p) with p = exp(-2|x|) - 1, the sign of x put back. p comes from
// exp(y) - 1 = 2^k (exp(r) - 1) + (2^k - 1), y = k ln 2 + r, |r| <= ln 2 / 2, and seven terms of
// the exponential series (remainder r^8 / 8! < 6e-9): no cancellation near zero, where k = 0.
RONDO_BODY float Tanh(float x) {
  constexpr float kLimit = 10.0f;  // tanh(10) rounds to 1.
  const float magnitude = std::fabs(x);
  // The comparison is false for NaN, which therefore stays.
  const float bounded = magnitude > kLimit ? kLimit : magnitude;
  const float y = -2.0f * bounded;
  // Adding and taking away 1.5 * 2^23 rounds to a whole number.
  constexpr float kRounder = 12582912.0f;
  const float k = (y * 1.44269504f + kRounder) - kRounder;
  // ln 2 in two parts, so that k ln 2 loses no bits.
  const float r = (y - k * 0.693145752f) - k * 1.42860677e-6f;
  const float series =
      r + r * r *
              (0.5f +
               r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720 + r / 5040)))));
  // For NaN the exponent is garbage, but the series is NaN and so is the result.
  const auto exponent = std::bit_cast<std::int32_t>(k + kRounder) - 0x4B400000;
  const auto scale = std::bit_cast<float>((exponent + 127) << 23);
  const float p = scale * series + (scale - 1.0f);
  return std::copysign(-p / (2.0f + p), x);
}

RONDO_BODY void TanhPoolForwardBody(std::size_t planes, std::size_t rows, std::size_t columns,
                                    const float* input, float* tanh, float* pooled) {
  for (std::size_t plane = 0; plane < planes; ++plane) {
    const float* __restrict x = input + plane * rows * columns;
    float* __restrict t = tanh + plane * rows * columns;
    for (std::size_t i = 0; i < rows * columns; ++i) t[i] = Tanh(x[i]);
    for (std::size_t row = 0; row < rows; row += 2) {
      const float* __restrict above = t + row * columns;
      const float* __restrict below = above + columns;
      float* __restrict out = pooled + (plane * rows + row) / 2 * (columns / 2);
      for (std::size_t i = 0; i < columns / 2; ++i) {
        out[i] = 0.25f * ((above[2 * i] + above[2 * i + 1]) + (below[2 * i] + below[2 * i + 1]));
      }
    }
  }
}

RONDO_BODY void TanhPoolBackwardBody(std::size_t planes, std::size_t rows, std::size_t columns,
                                     const float* tanh, const float* pooled_gradient,
                                     float* input_gradient) {
  for (std::size_t line = 0; line < planes * rows; ++line) {
    const float* __restrict t = tanh + line * columns;
    const float* __restrict g = pooled_gradient + line / 2 * (columns / 2);
    float* __restrict out = input_gradient + line * columns;
    for (std::size_t i = 0; i < columns / 2; ++i) {
      const float quarter = 0.25f * g[i];
      out[2 * i] = quarter * (1.0f - t[2 * i] * t[2 * i]);
      out[2 * i + 1] = quarter * (1.0f - t[2 * i + 1] * t[2 * i + 1]);
    }
  }
}

#undef RONDO_BODY

#define RONDO_VARIANT(variant, attribute)                                                         \
  attribute void AdamStep##variant(const AdamScalars& scalars, std::size_t count,                 \
                                   const float* gradient, float* first_moment,                    \
                                   float* second_moment, float* parameters) {                     \
    AdamStepBody(scalars, count, gradient, first_moment, second_moment, parameters);              \
  }                                                                                               \
  attribute void SgdStep##variant(const SgdScalars& scalars, std::size_t count,                   \
                                  const float* gradient, float* velocity, float* parameters) {    \
    SgdStepBody(scalars, count, gradient, velocity, parameters);                                  \
  }                                                                                               \
  attribute void TanhPoolForward##variant(std::size_t planes, std::size_t rows,                   \
                                          std::size_t columns, const float* input, float* tanh,   \
                                          float* pooled) {                                        \
    TanhPoolForwardBody(planes, rows, columns, input, tanh, pooled);                              \
  }                                                                                               \
  attribute void TanhPoolBackward##variant(std::size_t planes, std::size_t rows,                  \
                                           std::size_t columns, const float* tanh,                \
                                           const float* pooled_gradient, float* input_gradient) { \
    TanhPoolBackwardBody(planes, rows, columns, tanh, pooled_gradient, input_gradient);           \
  }

RONDO_VARIANT(Baseline, )
constexpr TrainingKernels kBaseline{"baseline", AdamStepBaseline, SgdStepBaseline,
                                    TanhPoolForwardBaseline, TanhPoolBackwardBaseline};

#if defined(__x86_64__)
RONDO_VARIANT(Avx2, [[gnu::target("avx2")]])
constexpr TrainingKernels kAvx2{"avx2", AdamStepAvx2, SgdStepAvx2, TanhPoolForwardAvx2,
                                TanhPoolBackwardAvx2};
#endif

#undef RONDO_VARIANT

}  // namespace

const TrainingKernels& BaselineTrainingKernels() { return kBaseline; }

const TrainingKernels& BestTrainingKernels() {
#if defined(__x86_64__)
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  if (has_avx2) return kAvx2;
#endif
  return kBaseline;
}

}  // namespace actors
