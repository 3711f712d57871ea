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
  for (const Strategy strategy : {Strategy::kFda, Strategy::kSynchronous, Strategy::kLocal}) {
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

}  // namespace
}  // namespace tests
