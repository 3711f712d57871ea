#include "actors/averaging/server_optimizer.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "actors/averaging/power.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

std::size_t Slots(const ServerOptimizerOptions& options) {
  switch (options.name) {
    case ServerOptimizer::kNone: return 0;
    case ServerOptimizer::kSgd: return options.momentum > 0 ? 1 : 0;
    case ServerOptimizer::kAdagrad: return 1;
    case ServerOptimizer::kAdam:
    case ServerOptimizer::kAdamW: return 2;
  }
  REQUIRE(false);
}

// What stands in place of a gradient. adamw decays the model instead.
float Gradient(float base, float mean, float decay) { return base - mean + decay * base; }

float DecayOf(const ServerOptimizerOptions& options) {
  return options.name == ServerOptimizer::kAdamW ? 0 : static_cast<float>(options.weight_decay);
}

// v = mu v + g; x = base - lr v, with Nesterov base - lr (g + mu v).
void SgdStep(const ServerOptimizerOptions& options, std::size_t n, std::size_t trainable,
             const float* base, float* next) {
  const auto rate = static_cast<float>(options.learning_rate);
  const auto momentum = static_cast<float>(options.momentum);
  const float decay = DecayOf(options);
  if (momentum == 0) {
    for (std::size_t i = 0; i < trainable; ++i)
      next[i] = base[i] - rate * Gradient(base[i], next[i], decay);
    return;
  }
  for (std::size_t i = 0; i < trainable; ++i) {
    const float gradient = Gradient(base[i], next[i], decay);
    const float velocity = momentum * base[n + i] + gradient;
    next[n + i] = velocity;
    next[i] = base[i] - rate * (options.nesterov ? gradient + momentum * velocity : velocity);
  }
}

// m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g²;
// x = kept · base - lr / (1 - b1^t) · m / (sqrt(v) / sqrt(1 - b2^t) + epsilon), where adamw keeps
// 1 - lr · weight_decay, and adam all.
void AdamStep(const ServerOptimizerOptions& options, std::size_t n, std::size_t trainable,
              const float* base, float* next) {
  const float* const count_before = base + 3 * n;
  const float count = *count_before + 1;
  next[3 * n] = count;
  const auto rounds = static_cast<std::uint64_t>(count);
  const auto beta1 = static_cast<float>(options.beta1);
  const auto beta2 = static_cast<float>(options.beta2);
  const auto rest1 = static_cast<float>(1 - options.beta1);
  const auto rest2 = static_cast<float>(1 - options.beta2);
  const auto rate = static_cast<float>(options.learning_rate / (1 - Power(options.beta1, rounds)));
  const auto correction = static_cast<float>(std::sqrt(1 - Power(options.beta2, rounds)));
  const auto epsilon = static_cast<float>(options.epsilon);
  const float decay = DecayOf(options);
  const auto kept = static_cast<float>(options.name == ServerOptimizer::kAdamW
                                           ? 1 - options.learning_rate * options.weight_decay
                                           : 1);
  for (std::size_t i = 0; i < trainable; ++i) {
    const float gradient = Gradient(base[i], next[i], decay);
    const float first = beta1 * base[n + i] + rest1 * gradient;
    const float second = beta2 * base[2 * n + i] + rest2 * gradient * gradient;
    next[n + i] = first;
    next[2 * n + i] = second;
    next[i] = kept * base[i] - rate * (first / (std::sqrt(second) / correction + epsilon));
  }
}

// s = s + g²; x = base - lr · g / (sqrt(s) + epsilon).
void AdagradStep(const ServerOptimizerOptions& options, std::size_t n, std::size_t trainable,
                 const float* base, float* next) {
  const auto rate = static_cast<float>(options.learning_rate);
  const auto epsilon = static_cast<float>(options.epsilon);
  const float decay = DecayOf(options);
  for (std::size_t i = 0; i < trainable; ++i) {
    const float gradient = Gradient(base[i], next[i], decay);
    const float sum = base[n + i] + gradient * gradient;
    next[n + i] = sum;
    next[i] = base[i] - rate * (gradient / (std::sqrt(sum) + epsilon));
  }
}

bool CountsRounds(ServerOptimizer name) {
  return name == ServerOptimizer::kAdam || name == ServerOptimizer::kAdamW;
}

}  // namespace

std::size_t CommittedFloats(const ServerOptimizerOptions& options, std::size_t n) {
  return n + Slots(options) * n + (CountsRounds(options.name) ? 1 : 0);
}

void ServerStep(const ServerOptimizerOptions& options, std::size_t n, std::size_t trainable,
                std::span<const float> base, std::span<float> next) {
  REQUIRE(trainable <= n && base.size() == CommittedFloats(options, n) &&
          next.size() == base.size());
  // Of buffers it remembers nothing.
  for (std::size_t slot = 1; slot <= Slots(options); ++slot) {
    std::fill_n(next.begin() + static_cast<std::ptrdiff_t>(slot * n + trainable), n - trainable,
                0.0F);
  }
  switch (options.name) {
    case ServerOptimizer::kNone: return;
    case ServerOptimizer::kSgd: return SgdStep(options, n, trainable, base.data(), next.data());
    case ServerOptimizer::kAdam:
    case ServerOptimizer::kAdamW: return AdamStep(options, n, trainable, base.data(), next.data());
    case ServerOptimizer::kAdagrad:
      return AdagradStep(options, n, trainable, base.data(), next.data());
  }
}

}  // namespace actors
