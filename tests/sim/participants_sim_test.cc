// Rounds in which only some of the members train (strategy.participants).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "actors/averaging/participants.h"
#include "actors/training/quadratic_trainer.h"
#include "tests/sim/quick_runs.h"
#include "tests/support/plain_run.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_cluster.h"

namespace tests {
namespace {

using actors::RunConfig;
using actors::Strategy;
using std::chrono::seconds;

constexpr std::uint32_t kWorkers = 4;

RunConfig Sampled(Strategy strategy, double share, std::uint64_t seed) {
  RunConfig config = ConfigOf(strategy, kWorkers);
  config.run.seed = seed;
  config.run.max_steps = 24;
  config.run.evaluate = actors::EvaluateWhat::kLastSynchronized;
  config.strategy.tau = 3;
  config.strategy.participants = share;
  return config;
}

// The steps that `slot` is to have taken in rounds of three.
std::uint64_t StepsDue(const RunConfig& config, std::uint64_t rounds, std::uint32_t slot) {
  const std::vector<std::uint32_t> slots = {0, 1, 2, 3};
  std::uint64_t steps = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    if (actors::Participates({.share = config.strategy.participants, .seed = config.run.seed},
                             round, slot, slots)) {
      steps += 3;
    }
  }
  return steps;
}

TEST(ParticipantsSim, OnlyWhoIsDrawnTrainsAndTheMeanIsTheirs) {
  for (const Strategy strategy : {Strategy::kLocal, Strategy::kFda}) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      SCOPED_TRACE(testing::Message()
                   << "strategy " << static_cast<int>(strategy) << ", seed " << seed);
      const RunConfig config = Sampled(strategy, 0.4, seed);
      TrainingCluster cluster(Quick(config, seed));
      ASSERT_TRUE(cluster.RunToEnd()) << "waits for " << cluster.monitor().WaitsFor();
      const RunRecord& record = cluster.record();
      ASSERT_OK(record.summary->status);
      // Whoever trains adds as much in each step, and the estimate is theirs alone: the run
      // synchronizes when it would if all trained.
      EXPECT_EQ(record.SynchronizedSteps(), TrainPlainly(config).synchronized_steps);
      const std::uint64_t rounds = record.synchronizations.size();
      ASSERT_EQ(rounds, 8u);
      for (std::uint32_t slot = 0; slot < kWorkers; ++slot) {
        EXPECT_EQ(cluster.steps(slot), StepsDue(config, rounds, slot)) << "slot " << slot;
        EXPECT_EQ(cluster.base(slot), cluster.base(0));
      }
      EXPECT_EQ(cluster.base(0)[0], 24.0F * actors::kIntegerStep);
      for (const actors::Synchronized& round : record.synchronizations) {
        EXPECT_GE(round.contributors, 1u);
        EXPECT_TRUE(round.reset.empty());  // To rest is no fault.
      }
      if (HasFailure()) return;
    }
  }
}

// With so small a share it is always one; when it dies another one of those who are there trains.
TEST(ParticipantsSim, WhenTheOnlyOneDiesAnotherTrainsOn) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RunConfig config = Sampled(Strategy::kFda, 1e-9, seed);
    config.run.min_workers = 1;
    config.run.max_steps = 200;
    TrainingCluster cluster(Quick(config, seed));
    const auto& rounds = cluster.record().synchronizations;
    ASSERT_TRUE(cluster.RunUntil([&] { return rounds.size() == 5; }, seconds(30)));
    const std::vector<std::uint32_t> slots = {0, 1, 2, 3};
    for (const std::uint32_t slot : slots) {
      if (actors::Participates({.share = 1e-9, .seed = seed}, 5, slot, slots)) cluster.Kill(slot);
    }
    ASSERT_TRUE(cluster.RunToEnd(seconds(120))) << "waits for " << cluster.monitor().WaitsFor();
    ASSERT_OK(cluster.record().summary->status);
    EXPECT_EQ(cluster.record().lost.size(), 1u);
    EXPECT_GE(cluster.record().summary->steps, 200u);
  }
}

// The others rest, and still have the model: it is no end of the run.
TEST(ParticipantsSim, WhenTheModelOfTheOnlyOneIsNoNumberTheRunGoesOnFromTheLastBase) {
  const std::vector<std::uint32_t> slots = {0, 1, 2, 3};
  for (const bool is_noticed : {true, false}) {
    for (const Strategy strategy : {Strategy::kLocal, Strategy::kFda}) {
      RunConfig config = Sampled(strategy, 1e-9, 5);
      std::uint64_t round = 1;
      while (!actors::Participates({.share = 1e-9, .seed = 5}, round, 2, slots)) ++round;
      config.run.max_steps = 3 * round + 30;
      TrainingClusterOptions options = Quick(config, 5);
      options.poison = {.slot = 2, .step = 3 * round + 2, .is_noticed = is_noticed};
      TrainingCluster cluster(options);
      ASSERT_TRUE(cluster.RunToEnd()) << "waits for " << cluster.monitor().WaitsFor();
      ASSERT_OK(cluster.record().summary->status);
      std::size_t resets = 0;
      for (const actors::Synchronized& event : cluster.record().synchronizations) {
        resets += event.reset.size();
      }
      EXPECT_EQ(resets, 1u);
      // All steps but those of that round.
      const float steps = cluster.base(0)[0] / actors::kIntegerStep;
      EXPECT_GE(steps, static_cast<float>(config.run.max_steps - 3));
      EXPECT_LT(steps, static_cast<float>(config.run.max_steps));
    }
  }
}

}  // namespace
}  // namespace tests
