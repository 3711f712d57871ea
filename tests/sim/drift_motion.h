// How a member's drift moves from step to step in the simulations of the policy `quantum`.
#ifndef RONDO_TESTS_SIM_DRIFT_MOTION_H_
#define RONDO_TESTS_SIM_DRIFT_MOTION_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/random.h"

namespace tests {

enum class Motion {
  kDiffusion,  // A random walk: iid noise.
  kPullApart,  // Everyone in a direction of its own, with noise.
  kTogether,   // Everyone mostly in one direction.
  kRotate,     // Together to a norm above theta, then apart at that norm, which says nothing.
  kGrow,       // Steps that get longer and longer.
  kJumps,      // A random walk with steps of many times the length now and then.
};
inline constexpr Motion kMotions[] = {Motion::kDiffusion, Motion::kPullApart, Motion::kTogether,
                                      Motion::kRotate,    Motion::kGrow,      Motion::kJumps};

class DriftMotion {
 public:
  // `length` is that of an ordinary step; a drift turns where its square is `turning` or more.
  DriftMotion(Motion motion, std::size_t dimension, double length, double turning,
              std::uint64_t seed)
      : motion_(motion), length_(length), turning_(turning), random_(seed), direction_(dimension) {
    for (double& value : direction_) value = Noise(1 / std::sqrt(dimension));
    angle_ = (random_.Below(2) == 0 ? 1 : -1) * (0.02 + 0.2 * random_.Fraction());
  }

  // Takes one step. The noise does not depend on the drift.
  void Step(std::span<float> drift) {
    double noise = length_;
    double pull = 0;
    switch (motion_) {
      case Motion::kDiffusion: break;
      case Motion::kPullApart: pull = length_; break;
      case Motion::kTogether:
      case Motion::kRotate: noise = 0.05 * length_; break;
      case Motion::kGrow: noise = pull = growth_ * length_; break;
      case Motion::kJumps: noise *= random_.Below(20) == 0 ? 3 + 12 * random_.Fraction() : 1; break;
    }
    growth_ = growth_ < 5 ? growth_ * 1.1 : 0.2;
    if (motion_ == Motion::kTogether || motion_ == Motion::kRotate) PushOrTurn(drift);
    for (std::size_t i = 0; i < drift.size(); ++i) {
      drift[i] += static_cast<float>(Noise(noise / std::sqrt(drift.size())) + pull * direction_[i]);
    }
  }

 private:
  // Uniform, of mean 0 and this standard deviation.
  double Noise(double deviation) {
    return deviation * std::sqrt(12.0) * (random_.Fraction() - 0.5);
  }

  // In the plane of the first two coordinates.
  void PushOrTurn(std::span<float> drift) {
    const double x = drift[0], y = drift[1];
    if (motion_ == Motion::kTogether || x * x + y * y < turning_) {
      drift[0] = static_cast<float>(x + length_);
      return;
    }
    drift[0] = static_cast<float>(std::cos(angle_) * x - std::sin(angle_) * y);
    drift[1] = static_cast<float>(std::sin(angle_) * x + std::cos(angle_) * y);
  }

  Motion motion_;
  double length_, turning_;
  double growth_ = 1, angle_ = 0;
  runtime::SeededRandom random_;
  std::vector<double> direction_;
};

}  // namespace tests

#endif  // RONDO_TESTS_SIM_DRIFT_MOTION_H_
