// Where two strategies, or a strategy and an optimizer, must come to the same thing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "actors/run_options.h"
#include "actors/training/quadratic_trainer.h"
#include "tests/sim/quick_runs.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_cluster.h"

namespace tests {
namespace {

using actors::RunConfig;
using actors::ServerOptimizer;
using actors::Strategy;

RunConfig Noisy(Strategy strategy, std::uint32_t workers) {
  RunConfig config = ConfigOf(strategy, workers);
  config.run.max_steps = 24;
  config.run.evaluate_every = 0;
  config.model.integer = false;
  config.model.noise = 0.5;
  config.optimizer.name = actors::OptimizerName::kSgd;
  config.optimizer.learning_rate = 0.05;
  return config;
}

std::vector<float> ModelOf(const RunConfig& config) {
  TrainingCluster cluster(Quick(config, 3));
  EXPECT_TRUE(cluster.RunToEnd());
  EXPECT_OK(cluster.record().summary->status);
  return cluster.base(0);
}

TEST(StrategyEqualities, FedAvgOfOneWorkerIsPlainSgd) {
  RunConfig config = Noisy(Strategy::kFedAvg, 1);
  config.strategy.data_epochs = 5;
  config.server = {.name = ServerOptimizer::kSgd};
  actors::QuadraticTrainer alone(actors::TrainingOptionsOf(config));
  ASSERT_OK(alone.Place({}));
  for (std::uint64_t step = 1; step <= config.run.max_steps; ++step) {
    ASSERT_OK(alone.Step(step, config.optimizer.learning_rate));
  }
  EXPECT_THAT(ModelOf(config), testing::Pointwise(testing::FloatNear(1e-6F), alone.local()));
}

TEST(StrategyEqualities, DilocoWithOneInnerStepAndAnOuterOptimizerThatTakesTheMeanIsSynchronous) {
  RunConfig diloco = Noisy(Strategy::kDiloco, 4);
  diloco.strategy.tau = 1;
  diloco.server = {.name = ServerOptimizer::kSgd};
  EXPECT_THAT(ModelOf(diloco), testing::Pointwise(testing::FloatNear(1e-6F),
                                                  ModelOf(Noisy(Strategy::kSynchronous, 4))));
}

TEST(StrategyEqualities, AClockAtAConstantRateIsLocal) {
  RunConfig clock = Noisy(Strategy::kClock, 4), local = Noisy(Strategy::kLocal, 4);
  clock.strategy.tau = local.strategy.tau = 5;
  EXPECT_EQ(ModelOf(clock), ModelOf(local));
}

// Two rounds of two epochs, each of a step that adds 840: a mean drift of 1,680. The step has no
// variants for machines; those of the ring have equal bits (KernelsTest).
TEST(StrategyEqualities, FedAdamIsAStepTakenByHandToTheLastBit) {
  RunConfig config = ConfigOf(Strategy::kFedAdam, 2);
  config.run.max_steps = 4;
  config.run.evaluate_every = 0;
  config.strategy.data_epochs = 2;
  config.server = {.name = ServerOptimizer::kAdam,
                   .learning_rate = 0.5,
                   .beta1 = 0.5,
                   .beta2 = 0.75,
                   .epsilon = 0.125};
  float model = 0, first = 0, second = 0;
  for (int round = 1; round <= 2; ++round) {
    const float gradient = model - (model + 1680.0F);
    first = 0.5F * first + 0.5F * gradient;
    second = 0.75F * second + 0.25F * gradient * gradient;
    const auto rate = static_cast<float>(0.5 / (1 - std::pow(0.5, round)));
    const auto correction = static_cast<float>(std::sqrt(1 - std::pow(0.75, round)));
    model = model - rate * (first / (std::sqrt(second) / correction + 0.125F));
  }
  EXPECT_THAT(ModelOf(config), testing::Each(model));
}

}  // namespace
}  // namespace tests
