// One of four workers goes the other way: it is named, and left out of the mean if it is to be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "actors/training/quadratic_trainer.h"
#include "tests/sim/quick_runs.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_cluster.h"

namespace tests {
namespace {

using actors::Outliers;
using actors::RunConfig;
using actors::Strategy;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint32_t kWorkers = 4;
constexpr std::uint64_t kRounds = 8;
constexpr std::uint64_t kSteps = 10;  // Of a round.

// Each step adds 840 to every coordinate.
RunConfig OutlierConfig(Strategy strategy, Outliers outliers) {
  RunConfig config = ConfigOf(strategy, kWorkers);
  config.run.max_steps = kRounds * kSteps;
  config.run.evaluate_every = 0;
  config.strategy.theta = 99.5 * 840 * 840 * 100;  // The tenth step passes it.
  config.strategy.tau = kSteps;
  config.strategy.outliers = outliers;
  return config;
}

// A run whose third worker goes the other way, to its end.
std::unique_ptr<TrainingCluster> RunWithOneContrary(const RunConfig& config, std::uint64_t seed) {
  TrainingClusterOptions options = Quick(config, seed);
  options.contrary = 2;
  auto cluster = std::make_unique<TrainingCluster>(options);
  EXPECT_TRUE(cluster->RunToEnd());
  const RunRecord& record = cluster->record();
  EXPECT_OK(record.summary->status);
  EXPECT_EQ(record.summary->outliers, 1u);
  EXPECT_THAT(record.synchronizations, SizeIs(kRounds));
  return cluster;
}

class Outlier : public testing::TestWithParam<Strategy> {};

TEST_P(Outlier, IsNamedOnceByItsFirstTwoRoundsAndAveragedInIfThatIsWished) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const auto cluster = RunWithOneContrary(OutlierConfig(GetParam(), Outliers::kWarn), seed);
    if (HasFailure()) return;
    const RunRecord& record = cluster->record();
    EXPECT_THAT(record.synchronizations[0].drifts, IsEmpty());
    for (std::uint64_t i = 1; i < kRounds; ++i) {
      const actors::Synchronized& event = record.synchronizations[i];
      ASSERT_THAT(event.drifts, SizeIs(kWorkers));
      EXPECT_EQ(event.drifts[2].cosine_to_others, -1);
      EXPECT_EQ(event.drifts[2].outlier, i >= 2);
      EXPECT_EQ(event.drifts[2].HasBecomeOutlier(), i == 2);
      EXPECT_FALSE(event.drifts[3].outlier);
      EXPECT_EQ(event.contributors, kWorkers);
    }
    // Two of three honest ones are left after it.
    EXPECT_THAT(cluster->base(0), Each(840.0F * kRounds * kSteps / 2));
  }
}

// Invariant I10: every step of every worker is in a mean once, or in the drift of one that was left
// out.
TEST_P(Outlier, ThatIsRefusedIsLeftOutOfEveryMeanFromTheThirdOnAndGoesOnFromIt) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const auto cluster = RunWithOneContrary(OutlierConfig(GetParam(), Outliers::kRefuse), seed);
    if (HasFailure()) return;
    const RunRecord& record = cluster->record();
    EXPECT_EQ(record.summary->resets, 0u);
    EXPECT_TRUE(record.summary->replicas_equal);
    EXPECT_THAT(record.lost, IsEmpty());
    for (std::uint64_t i = 0; i < kRounds; ++i) {
      const actors::Synchronized& event = record.synchronizations[i];
      EXPECT_EQ(event.contributors, i < 2 ? kWorkers : kWorkers - 1);
      EXPECT_THAT(event.reset, IsEmpty());
      if (i < 2) {
        EXPECT_THAT(event.left_out, IsEmpty());
      } else {
        EXPECT_THAT(event.left_out, ElementsAre(record.members[2].node));
      }
    }
    for (std::uint32_t slot = 0; slot < kWorkers; ++slot) {
      EXPECT_THAT(cluster->base(slot), Each(840.0F * kSteps * (1 + (kRounds - 2))));
      EXPECT_EQ(cluster->local(slot), cluster->base(slot));
    }
  }
}

TEST_P(Outlier, IsNobodyWhereAllAgree) {
  TrainingCluster cluster(Quick(OutlierConfig(GetParam(), Outliers::kRefuse), 1));
  ASSERT_TRUE(cluster.RunToEnd());
  EXPECT_EQ(cluster.record().summary->outliers, 0u);
  EXPECT_THAT(cluster.base(0), Each(840.0F * kRounds * kSteps));
}

INSTANTIATE_TEST_SUITE_P(Strategies, Outlier, testing::Values(Strategy::kFda, Strategy::kLocal),
                         [](const auto& param) { return actors::ToString(param.param); });

}  // namespace
}  // namespace tests
