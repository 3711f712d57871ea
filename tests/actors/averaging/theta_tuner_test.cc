#include "actors/averaging/theta_tuner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace actors {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// Copies whose variance grows by `growth` a step, on machines where a step and a synchronization
// take so long. A round ends as FDA ends it.
struct World {
  double step = 0.01;
  double stop = 0.3;
  double growth = 0.02;
  std::size_t members = 4;

  double Aim() const { return stop * 0.85 / (0.15 * step); }
  RoundTiming Round(const SyncRule& rule) const {
    double steps = std::floor(rule.theta / growth) + 1;
    if (rule.max_interval > 0) steps = std::min(steps, static_cast<double>(rule.max_interval));
    return {.steps = static_cast<std::uint64_t>(steps),
            .train_seconds = steps * step,
            .stop_seconds = stop,
            .variance_estimate = steps * growth,
            .members = members};
  }
  // Rounds until something is said; its words.
  std::string RunUntilChoice(ThetaTuner& tuner, int most_rounds, int* rounds = nullptr) const {
    for (int i = 0; i < most_rounds; ++i) {
      const std::string choice = tuner.OnRound(Round(tuner.rule()));
      if (rounds != nullptr) *rounds = i + 1;
      if (!choice.empty()) return choice;
    }
    return "";
  }
};

const ThetaTunerOptions kOptions = {.budget = 0.15, .longest_interval = 1000};

TEST(ThetaTuner, ChoosesTheThetaAtWhichSynchronizingTakesItsShare) {
  const World world;
  ThetaTuner tuner(kOptions);
  EXPECT_TRUE(std::isinf(tuner.rule().theta));
  EXPECT_EQ(tuner.rule().max_interval, ThetaTuner::kFirstInterval);
  const std::string choice = world.RunUntilChoice(tuner, 6);
  EXPECT_THAT(choice, HasSubstr("one in 170 steps takes 15 % of the time"));
  EXPECT_NEAR(tuner.rule().theta, world.Aim() * world.growth, 0.02 * tuner.rule().theta);
  EXPECT_EQ(tuner.rule().max_interval, 4U * 170);
  const RoundTiming round = world.Round(tuner.rule());
  EXPECT_NEAR(round.stop_seconds / (round.stop_seconds + round.train_seconds), 0.15, 0.005);
}

// FDA spends the intervals where the drift is.
TEST(ThetaTuner, HoldsThetaWhateverTheIntervalBecomes) {
  World world;
  ThetaTuner tuner(kOptions);
  world.RunUntilChoice(tuner, 8);
  const double theta = tuner.rule().theta;
  for (const double growth : {0.01, 0.005, 0.1, 0.3}) {
    world.growth = growth;
    EXPECT_THAT(world.RunUntilChoice(tuner, 20), IsEmpty());
    EXPECT_EQ(tuner.rule().theta, theta);
  }
}

TEST(ThetaTuner, AimsAnewWithinThreeRoundsWhenTheRateChanges) {
  for (const double factor : {10.0, 1.6, 0.6, 0.1}) {
    SCOPED_TRACE(factor);
    World world;
    ThetaTuner tuner({.budget = 0.15, .longest_interval = 10'000});
    world.RunUntilChoice(tuner, 8);
    ASSERT_THAT(world.RunUntilChoice(tuner, 20), IsEmpty());
    world.stop *= factor;
    int rounds = 0;
    EXPECT_THAT(world.RunUntilChoice(tuner, 10, &rounds), HasSubstr("chosen again"));
    EXPECT_LE(rounds, 3);
    EXPECT_THAT(world.RunUntilChoice(tuner, 4, &rounds), HasSubstr("theta "));
    EXPECT_NEAR(tuner.rule().theta, world.Aim() * world.growth, 0.03 * tuner.rule().theta);
  }
}

TEST(ThetaTuner, ASmallOrAPassingChangeChangesNothing) {
  World world;
  ThetaTuner tuner(kOptions);
  world.RunUntilChoice(tuner, 8);
  world.stop *= 1.4;
  EXPECT_THAT(world.RunUntilChoice(tuner, 20), IsEmpty());
  World hiccup = world;
  hiccup.stop *= 20;
  EXPECT_THAT(tuner.OnRound(hiccup.Round(tuner.rule())), IsEmpty());
  EXPECT_THAT(world.RunUntilChoice(tuner, 20), IsEmpty());
}

TEST(ThetaTuner, AimsAnewWithHalfAsManyWorkersMore) {
  World world;
  ThetaTuner tuner(kOptions);
  world.RunUntilChoice(tuner, 8);
  world.members = 5;
  EXPECT_THAT(world.RunUntilChoice(tuner, 10), IsEmpty());
  world.members = 6;
  EXPECT_THAT(world.RunUntilChoice(tuner, 10), HasSubstr("6 workers instead of 4"));
  EXPECT_THAT(world.RunUntilChoice(tuner, 10), HasSubstr("theta "));
}

TEST(ThetaTuner, TheAimHasAFloorAndACap) {
  World quick = {.stop = 1e-6}, slow = {.stop = 1e6};
  for (const auto& [world, steps] : {std::pair(quick, 4.0), std::pair(slow, 1000.0)}) {
    ThetaTuner tuner(kOptions);
    EXPECT_THAT(world.RunUntilChoice(tuner, 10), HasSubstr("theta "));
    EXPECT_NEAR(tuner.rule().theta, steps * world.growth, 0.02 * tuner.rule().theta);
    EXPECT_LE(tuner.rule().max_interval, 1000U);
  }
}

TEST(ThetaTuner, WhereCopiesDoNotDifferTheIntervalAloneIsChosen) {
  const World alone = {.growth = 0, .members = 1};
  ThetaTuner tuner(kOptions);
  for (int i = 0; i < 8; ++i) {
    RoundTiming round = alone.Round({.theta = 1, .max_interval = tuner.rule().max_interval});
    round.steps = tuner.rule().max_interval;
    round.train_seconds = alone.step * static_cast<double>(round.steps);
    round.variance_estimate = 0;
    const std::string choice = tuner.OnRound(round);
    if (choice.empty()) continue;
    EXPECT_THAT(choice, HasSubstr("the copies do not differ"));
  }
  EXPECT_TRUE(std::isinf(tuner.rule().theta));
  EXPECT_EQ(tuner.rule().max_interval, 170U);
}

// Times that never agree end in a choice all the same.
TEST(ThetaTuner, AFitfulLinkDoesNotKeepItFromChoosing) {
  World world;
  ThetaTuner tuner(kOptions);
  for (int i = 0; i < 12; ++i) {
    world.stop = i % 2 == 0 ? 0.05 : 2;
    if (!tuner.OnRound(world.Round(tuner.rule())).empty()) break;
  }
  EXPECT_TRUE(std::isfinite(tuner.rule().theta));
  EXPECT_GT(tuner.rule().theta, 0);
}

}  // namespace
}  // namespace actors
