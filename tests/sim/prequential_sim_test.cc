// Streams that drift, and predictions on them, in whole runs on simulated clusters: which step of
// the run a trainer is told before a step or a test, and that each prediction reaches the result
// once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "tests/sim/quick_runs.h"
#include "tests/support/status_matchers.h"

namespace tests {
namespace {

using actors::PredictionCounts;
using actors::RunConfig;
using actors::Strategy;
using std::chrono::seconds;
using testing::ElementsAre;

PredictionCounts OfAllRounds(const RunRecord& record) {
  PredictionCounts counts;
  for (const actors::Synchronized& event : record.synchronizations) counts += event.predictions;
  return counts;
}

class PrequentialOf : public testing::TestWithParam<Strategy> {};
INSTANTIATE_TEST_SUITE_P(EachStrategy, PrequentialOf,
                         testing::Values(Strategy::kFda, Strategy::kSynchronous, Strategy::kLocal,
                                         Strategy::kClock, Strategy::kFedAvg));

TEST_P(PrequentialOf, EachPredictionIsInOneRoundAndInTheResult) {
  RunConfig config = ConfigOf(GetParam(), 3);
  config.strategy.data_epochs = 2;  // Of one batch: two steps.
  TrainingCluster cluster(Quick(config, 3));
  ASSERT_TRUE(cluster.RunToEnd(seconds(10)));
  const actors::RunSummary& summary = *cluster.record().summary;
  ASSERT_OK(summary.status);
  EXPECT_EQ(summary.predictions.all, 3 * 8 * kSimPredictions.all);
  EXPECT_EQ(summary.predictions.correct, 3 * 8 * kSimPredictions.correct);
  EXPECT_EQ(summary.predictions.Error(), 0.75);
  EXPECT_EQ(OfAllRounds(cluster.record()).all, summary.predictions.all);
  EXPECT_EQ(OfAllRounds(cluster.record()).correct, summary.predictions.correct);
}

TEST_P(PrequentialOf, AllMembersTrainAndTestAtTheRunsStep) {
  RunConfig config = ConfigOf(GetParam(), 3);
  config.strategy.data_epochs = 2;
  TrainingCluster cluster(Quick(config, 3));
  ASSERT_TRUE(cluster.RunToEnd(seconds(10)));
  ASSERT_OK(cluster.record().summary->status);
  for (std::uint32_t index = 0; index < 3; ++index) {
    EXPECT_THAT(cluster.run_steps(index), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
    EXPECT_THAT(cluster.tested_at(index), ElementsAre(2, 4, 6, 8));
  }
}

RunConfig WithoutBarrier(bool overlap) {
  RunConfig config = ConfigOf(Strategy::kFda, 4);
  config.run.max_steps = 300;
  config.run.evaluate = actors::EvaluateWhat::kLastSynchronized;
  config.run.evaluate_every = 50;
  config.strategy.decision = actors::DecisionName::kQuantum;
  config.strategy.overlap = overlap;
  config.strategy.theta = 840.0 * 840 * 30 * 30 * static_cast<double>(config.model.dimension);
  return config;
}

TEST(Prequential, WithoutABarrierEachPredictionCountsOnceToo) {
  for (const bool overlap : {false, true}) {
    TrainingCluster cluster(Quick(WithoutBarrier(overlap), 5));
    ASSERT_TRUE(cluster.RunToEnd(seconds(60)));
    const actors::RunSummary& summary = *cluster.record().summary;
    ASSERT_OK(summary.status);
    std::uint64_t steps = 0;
    for (std::uint32_t index = 0; index < 4; ++index) steps += cluster.steps(index);
    EXPECT_EQ(summary.predictions.all, steps * kSimPredictions.all);
    EXPECT_EQ(OfAllRounds(cluster.record()).all, summary.predictions.all);
    // A test is of one concept, whoever does its part of it.
    ASSERT_FALSE(cluster.tested_at(0).empty());
    for (std::uint32_t index = 1; index < 4; ++index) {
      EXPECT_EQ(cluster.tested_at(index), cluster.tested_at(0));
    }
  }
}

// What it has predicted was predicted, though its last drift is lost.
TEST(Prequential, CountsWhatADeadMemberHadTold) {
  RunConfig config = ConfigOf(Strategy::kFda, 3);
  config.run.min_workers = 1;
  config.run.max_steps = 2000;
  config.run.evaluate_every = 0;
  TrainingCluster cluster(Quick(config, 7));
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.monitor().step() >= 600; }, seconds(60)));
  cluster.Kill(1);
  ASSERT_TRUE(cluster.RunToEnd(seconds(60)));
  const actors::RunSummary& summary = *cluster.record().summary;
  ASSERT_OK(summary.status);
  EXPECT_GT(summary.predictions.all, 2 * 2000 * kSimPredictions.all);
  EXPECT_LE(summary.predictions.all, (2 * 2000 + cluster.steps(1)) * kSimPredictions.all);
  EXPECT_EQ(summary.predictions.Error(), 0.75);
}

}  // namespace
}  // namespace tests
