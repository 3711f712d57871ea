#include "actors/training/flat_optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tests/support/status_matchers.h"

namespace actors {
namespace {

OptimizerOptions Sgd(double momentum = 0, bool nesterov = false) {
  OptimizerOptions options;
  options.name = "sgd";
  options.momentum = momentum;
  options.nesterov = nesterov;
  return options;
}

OptimizerOptions AdamW(double weight_decay) {
  OptimizerOptions options;
  options.name = "adamw";
  options.weight_decay = weight_decay;
  return options;
}

TEST(FlatOptimizer, PlainSgdStepsAgainstTheGradient) {
  FlatOptimizer optimizer(Sgd(), 2);
  std::array<float, 2> w = {1, 2};
  optimizer.Step(0.5, std::array<float, 2>{1, -4}, absl::MakeSpan(w));
  EXPECT_THAT(w, testing::ElementsAre(0.5f, 4.0f));
}

TEST(FlatOptimizer, EachStepHasItsOwnLearningRate) {
  FlatOptimizer sgd(Sgd(0.5), 1), adam(OptimizerOptions(), 1);
  std::array<float, 1> w = {0};
  const std::array<float, 1> one = {1};
  sgd.Step(1, one, absl::MakeSpan(w));
  sgd.Step(0.25, one, absl::MakeSpan(w));  // Of velocity 1.5, which knows of no rate.
  EXPECT_EQ(w[0], -1.375f);
  w = {0};
  adam.Step(0.5, one, absl::MakeSpan(w));
  adam.Step(0.125, one, absl::MakeSpan(w));
  EXPECT_NEAR(w[0], -0.625, 1e-6);
  adam.Step(0, one, absl::MakeSpan(w));
  EXPECT_NEAR(w[0], -0.625, 1e-6);
}

TEST(FlatOptimizer, MomentumGathersGradients) {
  FlatOptimizer optimizer(Sgd(0.5), 1);
  std::array<float, 1> w = {0};
  const std::array<float, 1> one = {1};
  optimizer.Step(1, one, absl::MakeSpan(w));  // Velocity 1.
  optimizer.Step(1, one, absl::MakeSpan(w));  // 1.5.
  optimizer.Step(1, one, absl::MakeSpan(w));  // 1.75.
  EXPECT_EQ(w[0], -4.25f);
}

TEST(FlatOptimizer, NesterovLooksAhead) {
  FlatOptimizer optimizer(Sgd(0.5, true), 1);
  std::array<float, 1> w = {0};
  const std::array<float, 1> one = {1};
  optimizer.Step(1, one, absl::MakeSpan(w));  // 1 + 0.5 * 1.
  optimizer.Step(1, one, absl::MakeSpan(w));  // 1 + 0.5 * 1.5.
  EXPECT_EQ(w[0], -3.25f);
}

TEST(FlatOptimizer, WeightDecayIsPartOfTheGradient) {
  OptimizerOptions options = Sgd();
  options.weight_decay = 0.25;
  FlatOptimizer optimizer(options, 1);
  std::array<float, 1> w = {8};
  optimizer.Step(0.5, std::array<float, 1>{1}, absl::MakeSpan(w));
  EXPECT_EQ(w[0], 6.5f);
}

TEST(FlatOptimizer, AdamsFirstStepIsTheLearningRateWhateverTheGradient) {
  FlatOptimizer optimizer(OptimizerOptions(), 3);
  std::array<float, 3> w = {0, 0, 0};
  optimizer.Step(1e-3, std::array<float, 3>{100, -0.01f, 0}, absl::MakeSpan(w));
  EXPECT_NEAR(w[0], -1e-3, 1e-8);
  EXPECT_NEAR(w[1], 1e-3, 1e-7);
  EXPECT_EQ(w[2], 0);
}

TEST(FlatOptimizer, AdamFollowsItsFormulaInDouble) {
  FlatOptimizer optimizer(OptimizerOptions(), 1);
  std::array<float, 1> w = {1};
  double m = 0, v = 0, expected = 1;
  for (int t = 1; t <= 100; ++t) {
    const float gradient = static_cast<float>(std::sin(t));
    optimizer.Step(1e-3, std::array<float, 1>{gradient}, absl::MakeSpan(w));
    m = 0.9 * m + 0.1 * gradient;
    v = 0.999 * v + 0.001 * gradient * gradient;
    expected -=
        1e-3 * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-7);
    ASSERT_NEAR(w[0], expected, 2e-6) << t;
  }
}

TEST(FlatOptimizer, AdamWTakesItsWeightDecayOffTheParametersPastTheMoments) {
  FlatOptimizer optimizer(AdamW(0.25), 2);
  std::array<float, 2> w = {8, 8};
  optimizer.Step(0.5, std::array<float, 2>{0, 1}, absl::MakeSpan(w));
  EXPECT_EQ(w[0], 8 * (1 - 0.5f * 0.25f));  // L2 would have gone through the moments: 8 - 0.5.
  EXPECT_NEAR(w[1], 7 - 0.5, 1e-6);
  // At another rate it takes another part.
  optimizer.Step(0.25, std::array<float, 2>{0, 0}, absl::MakeSpan(w));
  EXPECT_EQ(w[0], 7 * (1 - 0.25f * 0.25f));
}

TEST(FlatOptimizer, AdamWWithoutWeightDecayIsAdamBitForBit) {
  FlatOptimizer adam(OptimizerOptions(), 2), adamw(AdamW(0), 2);
  std::array<float, 2> w = {1, -2}, other_w = w;
  for (int t = 1; t <= 20; ++t) {
    const std::array<float, 2> gradient = {static_cast<float>(std::sin(t)), 0.1f};
    adam.Step(1e-2, gradient, absl::MakeSpan(w));
    adamw.Step(1e-2, gradient, absl::MakeSpan(other_w));
    ASSERT_EQ(w, other_w) << t;
  }
}

TEST(FlatOptimizer, ResetForgetsEverything) {
  for (const OptimizerOptions& options : {OptimizerOptions(), AdamW(0.1), Sgd(0.9)}) {
    FlatOptimizer used(options, 2), fresh(options, 2);
    std::array<float, 2> used_w = {1, 2}, fresh_w = {1, 2};
    for (int i = 0; i < 3; ++i) {
      used.Step(1e-3, std::array<float, 2>{3, 4}, absl::MakeSpan(used_w));
    }
    used.Reset();
    used_w = {1, 2};
    used.Step(1e-3, std::array<float, 2>{-1, 1}, absl::MakeSpan(used_w));
    fresh.Step(1e-3, std::array<float, 2>{-1, 1}, absl::MakeSpan(fresh_w));
    EXPECT_EQ(used_w, fresh_w);
  }
}

TEST(FlatOptimizer, GoesOnFromAnothersMomentsBitForBit) {
  for (const OptimizerOptions& options : {OptimizerOptions(), AdamW(0.1), Sgd(0.9), Sgd()}) {
    FlatOptimizer used(options, 2), taker(options, 2);
    std::array<float, 2> used_w = {1, 2};
    for (int i = 0; i < 3; ++i)
      used.Step(1e-3, std::array<float, 2>{3, -4}, absl::MakeSpan(used_w));
    std::vector<float> moments(used.MomentFloats());
    used.CopyMoments(absl::MakeSpan(moments));
    ASSERT_OK(taker.TakeMoments(moments));
    std::array<float, 2> taker_w = used_w;
    used.Step(1e-3, std::array<float, 2>{-1, 1}, absl::MakeSpan(used_w));
    taker.Step(1e-3, std::array<float, 2>{-1, 1}, absl::MakeSpan(taker_w));
    EXPECT_EQ(used_w, taker_w);
  }
}

TEST(FlatOptimizer, MomentsThatAreNoneAreRefusedAndChangeNothing) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  FlatOptimizer used(OptimizerOptions(), 2), fresh(OptimizerOptions(), 2);
  std::array<float, 2> w = {1, 2};
  used.Step(1e-3, std::array<float, 2>{3, -4}, absl::MakeSpan(w));
  std::vector<float> moments(used.MomentFloats());
  used.CopyMoments(absl::MakeSpan(moments));
  std::vector<std::vector<float>> wrong(6, moments);
  wrong[0].pop_back();
  wrong[1][0] = nan;
  wrong[2][3] = nan;
  wrong[3][2] = -1;  // A square.
  const double power = 1.5;
  std::memcpy(&wrong[4][4], &power, sizeof(power));
  std::fill(wrong[5].begin() + 4, wrong[5].end(), nan);
  for (const std::vector<float>& each : wrong) {
    EXPECT_THAT(fresh.TakeMoments(each), tests::HasCode(absl::StatusCode::kInvalidArgument));
  }
  std::array<float, 2> fresh_w = {1, 2};
  fresh.Step(1e-3, std::array<float, 2>{3, -4}, absl::MakeSpan(fresh_w));
  EXPECT_EQ(fresh_w, w);
}

}  // namespace
}  // namespace actors
