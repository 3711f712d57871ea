#include "actors/training/flat_optimizer.h"

#include <cmath>

#include "actors/training/kernels.h"
#include "runtime/base/require.h"

namespace actors {

FlatOptimizer::FlatOptimizer(const OptimizerOptions& options, std::size_t size)
    : options_(options),
      is_adam_(options.name == "adam"),
      first_moment_(size),
      second_moment_(is_adam_ ? size : 0) {
  REQUIRE(is_adam_ || options.name == "sgd");
}

void FlatOptimizer::Step(absl::Span<const float> gradient, absl::Span<float> parameters) {
  REQUIRE(gradient.size() == first_moment_.size() && parameters.size() == first_moment_.size());
  if (is_adam_) {
    AdamStep(gradient.data(), parameters.data());
  } else {
    SgdStep(gradient.data(), parameters.data());
  }
}

void FlatOptimizer::Reset() {
  first_moment_.SetZero();
  second_moment_.SetZero();
  beta1_power_ = 1;
  beta2_power_ = 1;
}

void FlatOptimizer::AdamStep(const float* gradient, float* parameters) {
  beta1_power_ *= options_.beta1;
  beta2_power_ *= options_.beta2;
  const AdamScalars scalars = {
      .beta1 = static_cast<float>(options_.beta1),
      .one_minus_beta1 = static_cast<float>(1 - options_.beta1),
      .beta2 = static_cast<float>(options_.beta2),
      .one_minus_beta2 = static_cast<float>(1 - options_.beta2),
      .step_size = static_cast<float>(options_.learning_rate / (1 - beta1_power_)),
      .inverse_root_correction = static_cast<float>(1 / std::sqrt(1 - beta2_power_)),
      .epsilon = static_cast<float>(options_.epsilon),
      .weight_decay = static_cast<float>(options_.weight_decay),
  };
  BestTrainingKernels().adam_step(scalars, first_moment_.size(), gradient, first_moment_.data(),
                                  second_moment_.data(), parameters);
}

void FlatOptimizer::SgdStep(const float* gradient, float* parameters) {
  const SgdScalars scalars = {
      .learning_rate = static_cast<float>(options_.learning_rate),
      .momentum = static_cast<float>(options_.momentum),
      .weight_decay = static_cast<float>(options_.weight_decay),
      .nesterov = options_.nesterov,
  };
  BestTrainingKernels().sgd_step(scalars, first_moment_.size(), gradient, first_moment_.data(),
                                 parameters);
}

}  // namespace actors
