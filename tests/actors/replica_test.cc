// What becomes of a drift when the base under it changes.
#include "actors/replica.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "actors/run_options.h"
#include "actors/training/quadratic_trainer.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using runtime::Hash128;
using testing::Each;

constexpr Hash128 kRoot{1, 2};

// Two coordinates; each step adds 840 to both.
std::unique_ptr<Replica> MakeReplica(const ServerSection& server = {}) {
  RunConfig config;
  config.server = server;
  config.model.name = ModelName::kQuadratic;
  config.model.dimension = 2;
  config.model.integer = true;
  config.strategy.estimator = EstimatorKind::kLinear;
  TrainerFactory factory = [](const RunConfig& wanted) {
    return std::make_unique<QuadraticTrainer>(TrainingOptionsOf(wanted));
  };
  auto replica = Replica::Build(config, factory);
  EXPECT_OK(replica);
  EXPECT_OK((*replica)->Place({.slot = 0, .rank = 0, .world_size = 1}));
  return *std::move(replica);
}

void Steps(Replica& replica, int steps) {
  for (int i = 0; i < steps; ++i) EXPECT_OK(replica.Step(1, 1e-3));
}
void FillShadow(Replica& replica, float value) {
  for (float& float_value : replica.shadow()) float_value = value;
}

TEST(Replica, ARebasedDriftMovesWithTheBase) {
  const auto replica = MakeReplica();
  Steps(*replica, 3);
  FillShadow(*replica, 5);
  replica->Rebase(kRoot);
  EXPECT_EQ(replica->root(), kRoot);
  EXPECT_THAT(replica->base(), Each(5.0F));
  EXPECT_THAT(replica->local(), Each(5.0F + 3 * kIntegerStep));
}

TEST(Replica, WhatWasTrainedSinceTheMarkOutlivesACommit) {
  const auto replica = MakeReplica();
  Steps(*replica, 3);  // These are in the mean.
  FillShadow(*replica, 7);
  replica->Mark();
  EXPECT_THAT(replica->input(), Each(3 * kIntegerStep));
  Steps(*replica, 2);
  EXPECT_THAT(replica->input(), Each(3 * kIntegerStep));
  replica->Commit(kRoot);
  EXPECT_EQ(replica->root(), kRoot);
  EXPECT_THAT(replica->base(), Each(7.0F));
  EXPECT_THAT(replica->local(), Each(7.0F + 2 * kIntegerStep));
  EXPECT_TRUE(replica->mark().empty());
  EXPECT_FALSE(replica->Summarize().xi_id.IsNull());
}

TEST(Replica, ACommitTellsHowItsDriftLayToTheMean) {
  const auto replica = MakeReplica();
  Steps(*replica, 2);
  FillShadow(*replica, 5);
  const DriftReading reading = replica->Commit(kRoot);
  EXPECT_EQ(reading.squared_norm, 2 * 1680.0 * 1680.0);
  EXPECT_EQ(reading.along_mean, 2 * 1680.0 * 5.0);
  EXPECT_EQ(reading.squared_mean, 2 * 25.0);
  EXPECT_THAT(replica->local(), Each(5.0F));
}

// Outliers are told by the mean, not by what becomes of it.
TEST(Replica, AServerOptimizerStepsFromTheBaseAndTheDriftIsReadAgainstTheMean) {
  const auto replica = MakeReplica({.name = ServerOptimizer::kSgd, .learning_rate = 0.5});
  Steps(*replica, 2);
  FillShadow(*replica, 6);
  const Hash128 root = replica->TakeServerStep();
  EXPECT_THAT(replica->shadow(), Each(3.0F));
  EXPECT_EQ(root, runtime::RootOf(replica->layout_hash(), replica->shadow()));
  const DriftReading reading = replica->Commit(root);
  EXPECT_EQ(reading.squared_norm, 2 * 1680.0 * 1680.0);
  EXPECT_EQ(reading.along_mean, 2 * 1680.0 * 6.0);
  EXPECT_EQ(reading.squared_mean, 2 * 36.0);
  EXPECT_THAT(replica->base(), Each(3.0F));
  EXPECT_THAT(replica->local(), Each(3.0F));
  // xi is the direction from base to base.
  Steps(*replica, 1);
  EXPECT_FLOAT_EQ(replica->Summarize().projection, 840.0F * std::sqrt(2.0F));
}

TEST(Replica, AnAbortedRingLeavesTheWholeDrift) {
  const auto replica = MakeReplica();
  const Hash128 root = replica->root();
  Steps(*replica, 3);
  FillShadow(*replica, 7);
  replica->Mark();
  Steps(*replica, 2);
  replica->Unmark();
  EXPECT_EQ(replica->root(), root);
  EXPECT_THAT(replica->input(), Each(5 * kIntegerStep));
  EXPECT_THAT(replica->base(), Each(0.0F));
  EXPECT_THAT(replica->local(), Each(5 * kIntegerStep));
}

}  // namespace
}  // namespace actors
