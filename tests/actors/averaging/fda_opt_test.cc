#include "actors/averaging/fda_opt.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace actors {
namespace {

TEST(FdaOptThreshold, TheFirstRoundIsAnEpoch) {
  const FdaOptThreshold threshold({.epoch_steps = 46, .max_epochs = 28});
  EXPECT_EQ(threshold.rule().max_interval, 46u);
  EXPECT_TRUE(std::isinf(threshold.rule().theta));
}

// The first rounds of the authors' MRPC run (28 epochs at most), as their public results have them:
// variance 0.00867 after one epoch, 0.1220 after 23, 0.0776 after 11.
TEST(FdaOptThreshold, FollowsTheRuleOnARecordedSequence) {
  constexpr std::uint64_t kEpoch = 46;
  FdaOptThreshold threshold({.epoch_steps = kEpoch, .max_epochs = 28});
  threshold.OnRound(kEpoch, 0.00867);
  EXPECT_NEAR(threshold.rule().theta, 0.1214, 5e-5);
  EXPECT_EQ(threshold.rule().max_interval, 28 * kEpoch);
  threshold.OnRound(23 * kEpoch, 0.1220);
  EXPECT_NEAR(threshold.rule().theta, 0.0743, 5e-5);
  threshold.OnRound(11 * kEpoch, 0.0776);
  EXPECT_NEAR(threshold.rule().theta, 14.0 / 11 * 0.0776, 1e-12);
}

TEST(FdaOptThreshold, RoundsOfEvenGrowthSettleAtHalfTheMostEpochs) {
  FdaOptThreshold threshold({.epoch_steps = 100, .max_epochs = 10});
  std::uint64_t steps = threshold.rule().max_interval;
  constexpr double kGrowth = 0.003;  // Of the variance, per step.
  for (int round = 0; round < 5; ++round) {
    threshold.OnRound(steps, kGrowth * static_cast<double>(steps));
    steps = static_cast<std::uint64_t>(std::ceil(threshold.rule().theta / kGrowth));
  }
  EXPECT_NEAR(static_cast<double>(steps), 500, 1);
}

TEST(FdaOptThreshold, WhatIsNoVarianceChangesNothingAndNoneAtAllIsNoThreshold) {
  FdaOptThreshold threshold({.epoch_steps = 10, .max_epochs = 4});
  threshold.OnRound(10, 1);
  const double theta = threshold.rule().theta;
  threshold.OnRound(10, std::numeric_limits<double>::quiet_NaN());
  threshold.OnRound(0, 5);
  EXPECT_EQ(threshold.rule().theta, theta);
  threshold.OnRound(10, 0);
  EXPECT_TRUE(std::isinf(threshold.rule().theta));
  EXPECT_EQ(threshold.rule().max_interval, 40u);
}

TEST(FdaOptThreshold, ACapOfStepsHoldsWhateverTheEpochsAre) {
  FdaOptThreshold threshold({.epoch_steps = 100, .max_epochs = 10, .longest_interval = 70});
  EXPECT_EQ(threshold.rule().max_interval, 70u);
  threshold.OnRound(70, 1);
  EXPECT_EQ(threshold.rule().max_interval, 70u);
}

}  // namespace
}  // namespace actors
