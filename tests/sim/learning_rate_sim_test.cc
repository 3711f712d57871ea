// Learning rates of whole runs on simulated clusters: each step's is that of the run's step number,
// whoever takes it. A warm-up over the whole run tells that number back: it is rate / rate of
// step 1.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "tests/sim/quick_runs.h"
#include "tests/support/status_matchers.h"

namespace tests {
namespace {

using actors::RunConfig;
using actors::Strategy;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kSteps = 3000;

RunConfig RisingConfig(Strategy strategy, std::uint32_t workers) {
  RunConfig config = ConfigOf(strategy, workers);
  config.run.max_steps = kSteps;
  config.run.evaluate_every = 0;
  config.optimizer.learning_rate = 1;
  config.optimizer.warmup = kSteps - 1;
  return config;
}

// The run's step numbers by which this worker took its steps.
std::vector<std::uint64_t> StepsOf(const TrainingCluster& cluster, std::uint32_t index) {
  std::vector<std::uint64_t> steps;
  for (const double rate : cluster.learning_rates(index)) {
    steps.push_back(static_cast<std::uint64_t>(std::llround(rate * (kSteps - 1))));
  }
  return steps;
}

TEST(LearningRateSim, WhoWasThereFromTheStartAndWhoCameLaterTrainAtTheRateOfTheRunsStep) {
  for (const Strategy strategy :
       {Strategy::kFda, Strategy::kSynchronous, Strategy::kLocal, Strategy::kClock}) {
    SCOPED_TRACE(ToString(strategy));
    TrainingCluster cluster(Quick(RisingConfig(strategy, 3), 3));
    ASSERT_TRUE(cluster.RunUntil([&] { return cluster.monitor().step() >= 50; }, seconds(10)));
    const std::uint32_t newcomer = cluster.Join();
    ASSERT_TRUE(cluster.RunUntil([&] { return cluster.record().members.size() == 4; }, seconds(5)));
    const std::uint64_t admitted = cluster.monitor().step();
    ASSERT_TRUE(
        cluster.RunUntil([&] { return cluster.monitor().step() >= admitted + 50; }, seconds(10)));
    cluster.monitor().RequestStop();
    ASSERT_TRUE(cluster.RunToEnd(seconds(10)));
    ASSERT_OK(cluster.record().summary->status);
    std::vector<std::uint64_t> expected(cluster.record().summary->steps - admitted);
    std::iota(expected.begin(), expected.end(), admitted + 1);
    EXPECT_EQ(StepsOf(cluster, newcomer), expected);
    const std::vector<std::uint64_t> steps = StepsOf(cluster, 0);
    EXPECT_EQ(steps.front(), 1u);
    EXPECT_EQ(steps.back(), expected.back());
    EXPECT_TRUE(std::ranges::is_sorted(steps));
  }
}

// A worker's own count falls behind while it stands still; the rate does not.
TEST(LearningRateSim, WithoutABarrierItIsThatOfTheMeanOfAllStepsAndNotOfTheWorkersOwn) {
  RunConfig config = RisingConfig(Strategy::kFda, 4);
  config.run.min_workers = 1;
  config.strategy.decision = actors::DecisionName::kQuantum;
  config.strategy.theta = 840.0 * 840 * 30 * 30 * static_cast<double>(config.model.dimension);
  TrainingClusterOptions options = Quick(config, 3);
  options.stalls_one_in = 500;
  options.stall = milliseconds(400);
  TrainingCluster cluster(options);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.monitor().step() >= 2000; }, seconds(120)));
  cluster.monitor().RequestStop();
  ASSERT_TRUE(cluster.RunToEnd(seconds(10)));
  ASSERT_OK(cluster.record().summary->status);
  const auto steps = static_cast<double>(cluster.record().summary->steps);
  double furthest = 0;
  for (std::uint32_t k = 0; k < 4; ++k) {
    EXPECT_NEAR(static_cast<double>(StepsOf(cluster, k).back()), steps, 15) << "worker " << k;
    furthest = std::max(furthest, std::fabs(static_cast<double>(cluster.steps(k)) - steps));
  }
  EXPECT_GT(furthest, 50);
}

// Each worker knows by itself when a clock is due: from the step of the last synchronization and
// its own, however it came to them.
TEST(LearningRateSim, AClockSynchronizesAtTheSameStepsWhoeverComesOrGoes) {
  RunConfig config = ConfigOf(Strategy::kClock, 3);
  config.run.min_workers = 1;
  config.run.max_steps = 60;
  config.run.evaluate_every = 3;
  config.strategy.tau = 4;
  config.optimizer.schedule = actors::Schedule::kStep;
  config.optimizer.decay_every = 20;
  config.optimizer.decay_factor = 0.5;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TrainingClusterOptions options = Quick(config, seed);
    bool damaged = false;
    options.tamper = [&](std::uint32_t, std::uint32_t, std::span<float> floats) {
      if (!std::exchange(damaged, true)) floats[0] += 1;
    };
    TrainingCluster cluster(options);
    const std::uint64_t joins_at = seed % 20, leaves_at = joins_at + 16;
    ASSERT_TRUE(
        cluster.RunUntil([&] { return cluster.monitor().step() >= joins_at; }, seconds(10)));
    cluster.Join();
    cluster.Kill(seed % 3);
    ASSERT_TRUE(
        cluster.RunUntil([&] { return cluster.monitor().step() >= leaves_at; }, seconds(20)));
    cluster.Leave((seed + 1) % 3);
    ASSERT_TRUE(cluster.RunToEnd());
    ASSERT_OK(cluster.record().summary->status);
    EXPECT_FALSE(cluster.record().aborts.empty());
    EXPECT_THAT(cluster.record().SynchronizedSteps(),
                testing::ElementsAre(4, 8, 12, 16, 20, 36, 60));
  }
}

}  // namespace
}  // namespace tests
