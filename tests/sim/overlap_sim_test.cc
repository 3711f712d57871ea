// Whole runs whose workers train on while the ring runs (strategy.overlap): what that gains, and
// that no step is lost by it. Faults: elastic_sim_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "actors/training/quadratic_trainer.h"
#include "tests/sim/quick_runs.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_cluster.h"

namespace tests {
namespace {

using actors::RunConfig;
using actors::Strategy;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Steps of 10 ms, a synchronization after about ten of them.
TrainingClusterOptions SlowRing(std::uint64_t seed, bool overlap) {
  RunConfig config = ConfigOf(Strategy::kFda, 4);
  config.run.max_steps = 400;
  config.run.evaluate_every = 0;
  config.strategy.decision = actors::DecisionName::kQuantum;
  config.strategy.max_interval = 10;
  config.strategy.theta = 1e30;
  config.strategy.overlap = overlap;
  TrainingClusterOptions options = Quick(config, seed);
  options.shortest_task = options.longest_task = milliseconds(10);
  options.longest_transit = milliseconds(60);  // A ring of about 0.3 s.
  return options;
}

TEST(OverlapSim, TheRingHidesBehindTheSteps) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TrainingCluster waits(SlowRing(seed, false)), trains_on(SlowRing(seed, true));
    for (TrainingCluster* const cluster : {&waits, &trains_on}) {
      ASSERT_TRUE(cluster->RunToEnd(seconds(120))) << cluster->monitor().WaitsFor();
      ASSERT_OK(cluster->record().summary->status);
      EXPECT_GE(cluster->record().summary->steps, 400u);
    }
    // 400 steps take 4 s; the rings of the one that waits as long again and more.
    EXPECT_GT(waits.Seconds(), 8);
    EXPECT_LT(trains_on.Seconds(), 6);
  }
}

TEST(OverlapSim, EveryStepIsInTheModelOnceAndNobodyKeepsAny) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TrainingCluster cluster(SlowRing(seed, true));
    ASSERT_TRUE(cluster.RunToEnd(seconds(120))) << cluster.monitor().WaitsFor();
    const RunRecord& record = cluster.record();
    ASSERT_OK(record.summary->status);
    double steps = 0;
    for (std::uint32_t k = 0; k < 4; ++k) {
      steps += static_cast<double>(cluster.steps(k));
      EXPECT_EQ(cluster.replica(k)->root(), record.summary->root);
      EXPECT_EQ(cluster.local(k), cluster.base(k));
    }
    EXPECT_EQ(static_cast<double>(cluster.base(0)[0]) / actors::kIntegerStep * 4, steps);
    // It was trained through: the rings of all rounds but the first and the last say by how much.
    EXPECT_GT(std::ranges::count_if(record.synchronizations,
                                    [](const actors::Synchronized& event) {
                                      return event.variance_added.value_or(0) > 0;
                                    }),
              static_cast<std::ptrdiff_t>(record.synchronizations.size()) - 4);
  }
}

}  // namespace
}  // namespace tests
