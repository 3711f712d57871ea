#include "actors/averaging/learning_rate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <numbers>
#include <vector>

namespace actors {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;

std::vector<double> RatesOf(const LearningRateSchedule& schedule, std::uint64_t steps) {
  std::vector<double> rates;
  for (std::uint64_t step = 1; step <= steps; ++step) {
    rates.push_back(LearningRateAt(schedule, step));
  }
  return rates;
}

TEST(LearningRate, ConstantIsExactlyTheRate) {
  const LearningRateSchedule schedule = {.learning_rate = 0.3, .max_steps = 10};
  for (const std::uint64_t step : {0, 1, 2, 10, 11, 1'000'000'000}) {
    EXPECT_EQ(LearningRateAt(schedule, step), 0.3);
    EXPECT_EQ(LearningRateFactor(schedule, step), 1);
  }
}

TEST(LearningRate, WarmUpRisesLinearlyFromItsFirstStepToTheFullRate) {
  const LearningRateSchedule schedule = {.learning_rate = 0.5, .warmup = 4, .max_steps = 10};
  EXPECT_THAT(RatesOf(schedule, 6), ElementsAre(0.125, 0.25, 0.375, 0.5, 0.5, 0.5));
  EXPECT_EQ(LearningRateAt(schedule, 0), 0.125);
}

TEST(LearningRate, CosineFallsFromTheRateToItsFinalOne) {
  LearningRateSchedule schedule = {
      .name = Schedule::kCosine, .learning_rate = 2, .max_steps = 4, .final_learning_rate = 0};
  // 1 + cos(s pi / 4).
  const double half_root = std::numbers::sqrt2 / 2;
  EXPECT_THAT(RatesOf(schedule, 4),
              ElementsAre(2, DoubleEq(1 + half_root), DoubleEq(1), DoubleEq(1 - half_root)));
  schedule.final_learning_rate = 1;
  EXPECT_THAT(RatesOf(schedule, 4), ElementsAre(2, DoubleEq(1.5 + half_root / 2), DoubleEq(1.5),
                                                DoubleEq(1.5 - half_root / 2)));
  // Whoever takes some steps more stays there.
  for (const std::uint64_t step : {5, 6, 1000}) EXPECT_EQ(LearningRateAt(schedule, step), 1);
}

TEST(LearningRate, AfterAWarmUpTheCosineTakesAllThatIsLeft) {
  const LearningRateSchedule schedule = {
      .name = Schedule::kCosine, .learning_rate = 1, .warmup = 2, .max_steps = 4};
  EXPECT_THAT(RatesOf(schedule, 5), ElementsAre(0.5, 1, 1, DoubleEq(0.5), 0));
}

TEST(LearningRate, CosineIsThatOfTheLibraryToSixteenDigitsAndNeverRises) {
  for (const std::uint64_t steps : {1, 2, 3, 7, 1000, 99'991}) {
    const LearningRateSchedule schedule = {
        .name = Schedule::kCosine, .learning_rate = 1, .max_steps = steps};
    double before = 1;
    for (std::uint64_t step = 1; step <= steps + 1; ++step) {
      const double angle =
          std::numbers::pi * static_cast<double>(step - 1) / static_cast<double>(steps);
      const double factor = LearningRateFactor(schedule, step);
      ASSERT_NEAR(factor, (1 + std::cos(angle)) / 2, 4e-16) << step << " of " << steps;
      ASSERT_LE(factor, before) << step << " of " << steps;
      before = factor;
    }
    EXPECT_EQ(before, 0);
  }
}

TEST(LearningRate, StepDecaysAtOnceAndAgain) {
  LearningRateSchedule schedule = {.name = Schedule::kStep,
                                   .learning_rate = 8,
                                   .max_steps = 100,
                                   .decay_every = 2,
                                   .decay_factor = 0.5};
  EXPECT_THAT(RatesOf(schedule, 7), ElementsAre(8, 8, 4, 4, 2, 2, 1));
  schedule.warmup = 2;
  EXPECT_THAT(RatesOf(schedule, 7), ElementsAre(4, 8, 8, 8, 4, 4, 2));
  EXPECT_EQ(LearningRateAt(schedule, 1'000'000'000'000), 0);
}

TEST(LearningRate, StepsFactorIsThePower) {
  const LearningRateSchedule schedule = {.name = Schedule::kStep,
                                         .learning_rate = 1,
                                         .max_steps = 100,
                                         .decay_every = 1,
                                         .decay_factor = 0.9};
  for (int decays = 0; decays < 100; ++decays) {
    EXPECT_NEAR(LearningRateFactor(schedule, decays + 1) / std::pow(0.9, decays), 1, 1e-14);
  }
}

// A compiler that contracts or reorders, or a cosine of the C library, would show here: the members
// of a run must have the same bits.
TEST(LearningRate, HasTheBitsThatItHadOnEveryMachineSoFar) {
  const LearningRateSchedule cosine = {.name = Schedule::kCosine,
                                       .learning_rate = 1e-3,
                                       .warmup = 7,
                                       .max_steps = 1000,
                                       .final_learning_rate = 3e-5};
  const LearningRateSchedule step = {.name = Schedule::kStep,
                                     .learning_rate = 1e-3,
                                     .max_steps = 1000,
                                     .decay_every = 10,
                                     .decay_factor = 0.9};
  std::uint64_t hash = 14695981039346656037U;  // FNV-1a, by words.
  for (const LearningRateSchedule& schedule : {cosine, step}) {
    for (const double rate : RatesOf(schedule, 1000)) {
      hash = (hash ^ std::bit_cast<std::uint64_t>(rate)) * 1099511628211U;
    }
  }
  EXPECT_EQ(hash, 0x8066af68bcf9a797U);
}

}  // namespace
}  // namespace actors
