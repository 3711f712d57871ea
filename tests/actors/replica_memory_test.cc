// What a replica costs beside its trainer.
#include <gtest/gtest.h>

#include <memory>

#include "actors/replica.h"
#include "actors/run_options.h"
#include "actors/training/quadratic_trainer.h"
#include "tests/support/memory.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

constexpr std::int64_t kFloats = 25'000'000;
constexpr std::int64_t kVector = kFloats * static_cast<std::int64_t>(sizeof(float));
constexpr std::int64_t kSmall = 4 << 20;  // States, layout, what the sketch looks up.

RunConfig ConfigOf(EstimatorKind estimator) {
  RunConfig config;
  config.model.name = ModelName::kQuadratic;
  config.model.dimension = kFloats;
  config.strategy.name = Strategy::kFda;
  config.strategy.estimator = estimator;
  return config;
}

// Allocated by a replica that has summarized and committed, without what its trainer has.
std::int64_t CostOf(const RunConfig& config) {
  std::int64_t before = 0;
  TrainerFactory factory =
      [&](const RunConfig& wanted) -> absl::StatusOr<std::unique_ptr<Trainer>> {
    auto trainer = std::make_unique<QuadraticTrainer>(TrainingOptionsOf(wanted));
    before = tests::AllocatedBytes();
    return trainer;
  };
  const auto replica = Replica::Build(config, factory);
  EXPECT_OK(replica);
  for (int round = 0; round < 3; ++round) {
    (*replica)->Summarize();
    (*replica)->shadow().front() += 1;
    (*replica)->Commit({.high = 1, .low = 1});
  }
  return tests::AllocatedBytes() - before;
}

TEST(ReplicaMemory, IsBaseAndShadowAndForTheLinearEstimatorXi) {
  EXPECT_NEAR(static_cast<double>(CostOf(ConfigOf(EstimatorKind::kLinear))), 3 * kVector, kSmall);
  EXPECT_NEAR(static_cast<double>(CostOf(ConfigOf(EstimatorKind::kNaive))), 2 * kVector, kSmall);
}

TEST(ReplicaMemory, OfASketchIsOneBitMorePerFloatAndRow) {
  const RunConfig config = ConfigOf(EstimatorKind::kSketch);
  const std::int64_t signs = kFloats * config.strategy.sketch_rows / 8;
  EXPECT_NEAR(static_cast<double>(CostOf(config)), 2 * kVector + signs, kSmall);
}

}  // namespace
}  // namespace actors
