#include "actors/training/flat_optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "actors/training/kernels.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

// beta1^t and beta2^t, each a double's bytes.
constexpr std::size_t kPowerFloats = 2 * sizeof(double) / sizeof(float);

bool IsPower(double power) { return power >= 0 && power <= 1; }

}  // namespace

FlatOptimizer::FlatOptimizer(const OptimizerOptions& options, std::size_t size)
    : options_(options),
      is_adamw_(options.name == "adamw"),
      has_two_moments_(is_adamw_ || options.name == "adam"),
      first_moment_(size),
      second_moment_(has_two_moments_ ? size : 0) {
  REQUIRE(has_two_moments_ || options.name == "sgd");
}

void FlatOptimizer::Step(double learning_rate, absl::Span<const float> gradient,
                         absl::Span<float> parameters) {
  REQUIRE(gradient.size() == first_moment_.size() && parameters.size() == first_moment_.size());
  if (has_two_moments_) {
    AdamStep(learning_rate, gradient.data(), parameters.data());
  } else {
    SgdStep(learning_rate, gradient.data(), parameters.data());
  }
}

void FlatOptimizer::Reset() {
  first_moment_.SetZero();
  second_moment_.SetZero();
  beta1_power_ = 1;
  beta2_power_ = 1;
}

std::size_t FlatOptimizer::MomentFloats() const {
  if (has_two_moments_) return 2 * first_moment_.size() + kPowerFloats;
  return options_.momentum == 0 ? 0 : first_moment_.size();
}

void FlatOptimizer::CopyMoments(absl::Span<float> to) const {
  REQUIRE(to.size() == MomentFloats());
  if (to.empty()) return;
  float* out = std::copy_n(first_moment_.data(), first_moment_.size(), to.data());
  if (!has_two_moments_) return;
  out = std::copy_n(second_moment_.data(), second_moment_.size(), out);
  const std::array powers = {beta1_power_, beta2_power_};
  std::memcpy(out, powers.data(), sizeof(powers));
}

absl::Status FlatOptimizer::TakeMoments(absl::Span<const float> from) {
  if (from.size() != MomentFloats()) {
    return absl::InvalidArgumentError("moments of another optimizer or model");
  }
  if (from.empty()) return absl::OkStatus();
  const std::size_t size = first_moment_.size();
  std::array<double, 2> powers = {1, 1};
  if (has_two_moments_) std::memcpy(powers.data(), &from[2 * size], sizeof(powers));
  bool sound = IsPower(powers[0]) && IsPower(powers[1]);
  for (std::size_t i = 0; i < size; ++i) sound = sound && std::isfinite(from[i]);
  for (std::size_t i = 0; i < second_moment_.size(); ++i) {
    sound = sound && std::isfinite(from[size + i]) && from[size + i] >= 0;
  }
  if (!sound) return absl::InvalidArgumentError("moments that are no numbers");
  std::copy_n(from.data(), size, first_moment_.data());
  std::copy_n(from.data() + (has_two_moments_ ? size : 0), second_moment_.size(),
              second_moment_.data());
  beta1_power_ = powers[0];
  beta2_power_ = powers[1];
  return absl::OkStatus();
}

void FlatOptimizer::AdamStep(double learning_rate, const float* gradient, float* parameters) {
  beta1_power_ *= options_.beta1;
  beta2_power_ *= options_.beta2;
  const AdamScalars scalars = {
      .beta1 = static_cast<float>(options_.beta1),
      .one_minus_beta1 = static_cast<float>(1 - options_.beta1),
      .beta2 = static_cast<float>(options_.beta2),
      .one_minus_beta2 = static_cast<float>(1 - options_.beta2),
      .step_size = static_cast<float>(learning_rate / (1 - beta1_power_)),
      .inverse_root_correction = static_cast<float>(1 / std::sqrt(1 - beta2_power_)),
      .epsilon = static_cast<float>(options_.epsilon),
      .weight_decay = is_adamw_ ? 0 : static_cast<float>(options_.weight_decay),
      .retained = is_adamw_ ? static_cast<float>(1 - learning_rate * options_.weight_decay) : 1,
  };
  BestTrainingKernels().adam_step(scalars, first_moment_.size(), gradient, first_moment_.data(),
                                  second_moment_.data(), parameters);
}

void FlatOptimizer::SgdStep(double learning_rate, const float* gradient, float* parameters) {
  const SgdScalars scalars = {
      .learning_rate = static_cast<float>(learning_rate),
      .momentum = static_cast<float>(options_.momentum),
      .weight_decay = static_cast<float>(options_.weight_decay),
      .nesterov = options_.nesterov,
  };
  BestTrainingKernels().sgd_step(scalars, first_moment_.size(), gradient, first_moment_.data(),
                                 parameters);
}

}  // namespace actors
