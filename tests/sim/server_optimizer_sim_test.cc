// Whole runs with a server optimizer, through everything that moves its memory: newcomers, deaths,
// a head that goes and a checkpoint. Without faults: TrainingSim, against the plain loop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/sim/quick_runs.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_cluster.h"

namespace tests {
namespace {

using actors::RunConfig;
using actors::ServerOptimizer;
using actors::Strategy;
using std::chrono::milliseconds;
using std::chrono::seconds;

RunConfig AdamConfig(std::uint32_t workers) {
  RunConfig config = ConfigOf(Strategy::kFedAdam, workers);
  config.run.min_workers = 1;
  config.run.max_steps = 300;
  config.run.evaluate_every = 0;
  config.run.checkpoint_every = 1;
  config.model.integer = false;
  config.model.noise = 0.5;
  config.optimizer.name = actors::OptimizerName::kSgd;
  config.optimizer.learning_rate = 0.05;
  config.strategy.data_epochs = 3;
  config.server = {.name = ServerOptimizer::kAdam, .learning_rate = 0.01};
  return config;
}

std::vector<float> CommittedOf(const TrainingCluster& cluster, std::uint32_t worker) {
  const std::span<const float> floats = cluster.replica(worker)->Offer().floats;
  return {floats.begin(), floats.end()};
}

bool AwaitRounds(TrainingCluster& cluster, std::uint64_t rounds) {
  return cluster.RunUntil([&] { return cluster.record().synchronizations.size() >= rounds; },
                          seconds(60));
}

TEST(ServerOptimizerSim, WhoComesLaterHasItsMemoryWithTheModel) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TrainingCluster cluster(Quick(AdamConfig(3), seed));
    ASSERT_TRUE(AwaitRounds(cluster, 5 + seed));
    const std::uint32_t newcomer = cluster.Join();
    ASSERT_TRUE(cluster.RunUntil([&] { return cluster.record().members.size() == 4; }, seconds(9)));
    ASSERT_TRUE(AwaitRounds(cluster, cluster.record().synchronizations.size() + 3));
    cluster.Kill(static_cast<std::uint32_t>(seed % 3));
    ASSERT_TRUE(cluster.RunToEnd(seconds(120))) << cluster.monitor().WaitsFor();
    const RunRecord& record = cluster.record();
    ASSERT_OK(record.summary->status);
    const std::vector<float> committed = CommittedOf(cluster, newcomer);
    EXPECT_EQ(committed.size(), 3 * 100u + 1);
    EXPECT_EQ(committed.back(), record.synchronizations.size());
    for (std::uint32_t k = 0; k < 4; ++k) {
      if (!cluster.IsAlive(k)) continue;
      EXPECT_EQ(CommittedOf(cluster, k), committed) << "worker " << k;
      EXPECT_EQ(cluster.replica(k)->root(), record.summary->root);
    }
  }
}

// A ring that breaks, or a head that goes, between the ring and COMMIT: the step was taken on a
// copy.
TEST(ServerOptimizerSim, ARoundThatIsGivenUpOrTakenUpLaterStepsOnce) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TrainingClusterOptions options = Quick(AdamConfig(3), seed);
    options.heads_return = true;
    std::uint64_t chunks = 0;
    options.tamper = [&](std::uint32_t, std::uint32_t, std::span<float> floats) {
      if (++chunks % 97 == 0) floats[0] += 1;
    };
    TrainingCluster cluster(options);
    ASSERT_TRUE(AwaitRounds(cluster, 3 + seed));
    cluster.CrashHeadAtNextCommit(seed % 2 == 0 ? TrainingCluster::Crash::kBeforeRecord
                                                : TrainingCluster::Crash::kAfterRecord);
    ASSERT_TRUE(cluster.RunUntil([&] { return !cluster.HeadIsAlive(); }, seconds(30)));
    cluster.cluster().RunFor(milliseconds(300));
    cluster.StartHead();
    ASSERT_TRUE(cluster.RunToEnd(seconds(120))) << cluster.monitor().WaitsFor();
    const RunRecord& record = cluster.record();
    ASSERT_OK(record.summary->status);
    EXPECT_FALSE(record.aborts.empty());
    for (std::uint32_t k = 0; k < 3; ++k) {
      EXPECT_EQ(CommittedOf(cluster, k).back(), record.summary->synchronizations);
      EXPECT_EQ(CommittedOf(cluster, k), CommittedOf(cluster, 0)) << "worker " << k;
    }
  }
}

TEST(ServerOptimizerSim, ACheckpointHoldsItToo) {
  TrainingClusterOptions options = Quick(AdamConfig(2), 4);
  options.heads_return = true;
  TrainingCluster cluster(options);
  ASSERT_TRUE(AwaitRounds(cluster, 6));
  // Nobody is left who holds the model.
  cluster.KillHead();
  cluster.Kill(0);
  cluster.Kill(1);
  cluster.StartHead();
  for (int i = 0; i < 2; ++i) cluster.Join();
  ASSERT_TRUE(cluster.RunToEnd(seconds(120))) << cluster.monitor().WaitsFor();
  ASSERT_OK(cluster.record().summary->status);
  EXPECT_EQ(CommittedOf(cluster, 2).back(), cluster.record().summary->synchronizations);
  EXPECT_EQ(CommittedOf(cluster, 2), CommittedOf(cluster, 3));
}

}  // namespace
}  // namespace tests
