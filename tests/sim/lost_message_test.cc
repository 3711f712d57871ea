// Messages that are lost, all decisions lost, and copies of every message: on simulated clusters,
// with a barrier and without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "runtime/sim/sim_network.h"
#include "tests/sim/quick_runs.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_cluster.h"

namespace tests {
namespace {

using actors::RunConfig;
using actors::Strategy;
using runtime::sim::Departure;
using runtime::sim::Fate;
using std::chrono::milliseconds;

constexpr std::uint64_t kSeeds = 20;

struct Loss {
  const char* kind;
  Strategy strategy;
};
void PrintTo(const Loss& loss, std::ostream* out) { *out << loss.kind; }

class LostMessage : public testing::TestWithParam<Loss> {};

TEST_P(LostMessage, IsSentAgainWithinThreeStatusIntervals) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const RunConfig config = ConfigOf(GetParam().strategy, 2 + seed % 4);
    TrainingCluster whole(Quick(config, seed));
    ASSERT_TRUE(whole.RunToEnd());

    for (const int copies : {1, 3}) {
      auto loser = std::make_shared<Loser>(
          Loser{.kind = GetParam().kind, .spare = seed % config.run.workers, .copies = copies});
      TrainingCluster cluster(Quick(config, seed));
      cluster.cluster().network().SetFate(
          [loser](const Departure& departure) { return (*loser)(departure); });
      ASSERT_TRUE(cluster.RunToEnd()) << "waits for " << cluster.monitor().WaitsFor();
      ASSERT_EQ(loser->lost, copies);
      ExpectTheModelOfThePlainLoop(cluster, config);
      EXPECT_LT(cluster.Seconds(), 2 * whole.Seconds() + 3 * 0.2 * copies);
      if (HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, LostMessage,
    testing::Values(Loss{"OpenView", Strategy::kFda}, Loss{"Decision", Strategy::kFda},
                    Loss{"StateReport", Strategy::kFda}, Loss{"Prepare", Strategy::kFda},
                    Loss{"Ready", Strategy::kFda}, Loss{"Start", Strategy::kLocal},
                    Loss{"Done", Strategy::kLocal}, Loss{"Commit", Strategy::kLocal},
                    Loss{"Evaluate", Strategy::kFda}, Loss{"Evaluated", Strategy::kLocal},
                    Loss{"Finish", Strategy::kFda}, Loss{"Finished", Strategy::kFda}),
    [](const auto& param) { return std::string(param.param.kind); });

// Without a barrier, where there is no plain loop to compare with: a run that goes on and ends.
class LostMessageWithoutABarrier : public testing::TestWithParam<const char*> {};

RunConfig WithoutABarrier(std::uint32_t workers) {
  RunConfig config = ConfigOf(Strategy::kFda, workers);
  config.strategy.decision = actors::DecisionName::kQuantum;
  config.run.evaluate = actors::EvaluateWhat::kLastSynchronized;
  config.run.max_steps = 100;
  return config;
}

// Steps of 10 to 20 ms, lest the run be at its end before what is lost is sent again.
TrainingClusterOptions Unhurried(const RunConfig& config, std::uint64_t seed) {
  TrainingClusterOptions options = Quick(config, seed);
  options.shortest_task = milliseconds(10);
  options.longest_task = milliseconds(20);
  return options;
}

void ExpectAnOrderlyEnd(TrainingCluster& cluster) {
  ASSERT_OK(cluster.record().summary->status);
  EXPECT_TRUE(cluster.record().lost.empty());
  EXPECT_GT(cluster.record().SynchronizedSteps().size(), 3u);
  for (std::uint32_t slot = 0; slot < cluster.workers(); ++slot) {
    EXPECT_EQ(cluster.base(slot), cluster.base(0)) << "slot " << slot;
  }
}

TEST_P(LostMessageWithoutABarrier, HoldsNobodyUpForMoreThanThreeStatusIntervals) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const RunConfig config = WithoutABarrier(2 + seed % 4);
    TrainingCluster whole(Unhurried(config, seed));
    ASSERT_TRUE(whole.RunToEnd());
    for (const int copies : {1, 3}) {
      auto loser = std::make_shared<Loser>(
          Loser{.kind = GetParam(), .spare = seed % config.run.workers, .copies = copies});
      TrainingCluster cluster(Unhurried(config, seed));
      cluster.cluster().network().SetFate(
          [loser](const Departure& departure) { return (*loser)(departure); });
      ASSERT_TRUE(cluster.RunToEnd()) << "waits for " << cluster.monitor().WaitsFor();
      ASSERT_EQ(loser->lost, copies);
      ExpectAnOrderlyEnd(cluster);
      EXPECT_LT(cluster.Seconds(), 2 * whole.Seconds() + 3 * 0.2 * copies);
      if (HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, LostMessageWithoutABarrier,
                         testing::Values("OpenView", "Decision", "StateReport", "Prepare", "Ready",
                                         "Start", "Done", "Commit", "Finish", "Finished"),
                         [](const auto& param) { return std::string(param.param); });

TEST(TrainingFaults, CopiesOfEveryMessageChangeNothingWithoutABarrierEither) {
  TrainingCluster cluster(Unhurried(WithoutABarrier(4), 6));
  cluster.cluster().network().SetFate([](const Departure& departure) {
    return Fate{.copies = KindOf(departure.frame).empty() ? 1 : 2};
  });
  ASSERT_TRUE(cluster.RunToEnd());
  ExpectAnOrderlyEnd(cluster);
  // Each step is in the mean of four once.
  double steps = 0;
  for (std::uint32_t slot = 0; slot < 4; ++slot) steps += static_cast<double>(cluster.steps(slot));
  EXPECT_EQ(4 * static_cast<double>(cluster.base(0)[0]) / actors::kIntegerStep, steps);
}

TEST(TrainingFaults, ARunWhoseDecisionsAreAllLostGetsThemByStatusInstead) {
  const RunConfig config = ConfigOf(Strategy::kFda, 4);
  TrainingClusterOptions options = Quick(config, 5);
  options.network.publish_loss = 1;
  TrainingCluster cluster(options);
  ASSERT_TRUE(cluster.RunToEnd());
  ExpectTheModelOfThePlainLoop(cluster, config);
  EXPECT_LT(cluster.Seconds(), 8 * 3 * 0.2);
}

TEST(TrainingFaults, CopiesOfEveryMessageChangeNothing) {
  for (const Strategy strategy : {Strategy::kFda, Strategy::kLocal, Strategy::kClock}) {
    const RunConfig config = ConfigOf(strategy, 4);
    TrainingCluster cluster(Quick(config, 6));
    cluster.cluster().network().SetFate([](const Departure& departure) {
      return Fate{.copies = KindOf(departure.frame).empty() ? 1 : 2};
    });
    ASSERT_TRUE(cluster.RunToEnd());
    ExpectTheModelOfThePlainLoop(cluster, config);
  }
}

}  // namespace
}  // namespace tests
