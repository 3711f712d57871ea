// Runs on simulated clusters into which a worker comes while they are on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "tests/sim/quick_runs.h"
#include "tests/support/status_matchers.h"

namespace tests {
namespace {

using actors::RunConfig;
using actors::Strategy;
using runtime::sim::Departure;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr std::uint64_t kSeeds = 20;

// beta1^t, which tells how many steps Adam's moments are made of.
double StepsInMoments(const actors::Replica& replica) {
  const runtime::TransferOffer moments = replica.CopyOfMoments();
  double beta1_power = 0;
  std::memcpy(&beta1_power, &moments.floats[moments.floats.size() - 4], sizeof(beta1_power));
  return std::round(std::log(beta1_power) / std::log(0.9));
}

TEST(Newcomer, BeginsWithAMembersMomentsOrSaysWhyNot) {
  RunConfig config = ConfigOf(Strategy::kFda, 3);
  config.model.integer = false;
  config.run.max_steps = 1000;
  config.strategy.theta = 1e-3;
  for (const bool is_lost : {false, true}) {
    TrainingCluster cluster(Quick(config, 7));
    if (is_lost) {
      cluster.cluster().network().SetFate(Loser{.kind = "LendMoments"});
    }
    ASSERT_TRUE(cluster.RunUntil([&] { return cluster.monitor().step() >= 50; }, seconds(10)));
    const std::uint32_t newcomer = cluster.Join();
    ASSERT_TRUE(cluster.RunUntil([&] { return cluster.record().members.size() == 4; }, seconds(5)));
    cluster.monitor().RequestStop();
    ASSERT_TRUE(cluster.RunToEnd(seconds(5)));
    ASSERT_OK(cluster.record().summary->status);
    const auto own = static_cast<double>(cluster.steps(newcomer));
    if (is_lost) {
      EXPECT_EQ(StepsInMoments(*cluster.replica(newcomer)), own);
      ASSERT_EQ(cluster.record().notes.size(), 1u);
      EXPECT_THAT(cluster.record().notes[0], HasSubstr("slot 3 begins with fresh optimizer"));
    } else {
      EXPECT_GE(StepsInMoments(*cluster.replica(newcomer)), own + 50);
      EXPECT_THAT(cluster.record().notes, testing::IsEmpty());
    }
  }
}

// Without a wait for it, it would fetch one base after the other, each of them gone meanwhile.
TEST(Newcomer, ComesInThoughTheRoundsOutrunItsLink) {
  for (const Strategy strategy : {Strategy::kFda, Strategy::kSynchronous}) {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      SCOPED_TRACE("strategy " + ToString(strategy) + ", seed " + std::to_string(seed));
      RunConfig config = ConfigOf(strategy, 3);
      config.run.max_steps = 1'000'000;
      config.run.evaluate_every = 0;
      config.strategy.theta = 1;
      TrainingClusterOptions options = Quick(config, seed);
      options.longest_transfer = milliseconds(800);
      TrainingCluster cluster(options);
      ASSERT_TRUE(cluster.RunUntil([&] { return cluster.monitor().step() >= 5; }, seconds(5)));
      cluster.Join();
      ASSERT_TRUE(
          cluster.RunUntil([&] { return cluster.record().members.size() == 4; }, seconds(20)));
      cluster.monitor().RequestStop();
      ASSERT_TRUE(cluster.RunToEnd(seconds(5)));
      ASSERT_OK(cluster.record().summary->status);
    }
  }
}

// The monitor took it for what it had been when it came, and its run went back to the start with
// it.
TEST(Newcomer, WhoFetchedTheModelHoldsItThoughItsAnswerWasLost) {
  RunConfig config = ConfigOf(Strategy::kFda, 1);
  config.run.max_steps = 1'000'000;
  config.run.evaluate_every = config.run.checkpoint_every = 0;
  config.strategy.max_interval = 500;  // One worker has no variance.
  TrainingClusterOptions options = Quick(config, 1);
  options.heads_return = true;
  TrainingCluster cluster(options);
  ASSERT_TRUE(
      cluster.RunUntil([&] { return cluster.record().synchronizations.size() == 2; }, seconds(5)));
  auto loser = std::make_shared<Loser>(Loser{.kind = "Pulled"});
  cluster.cluster().network().SetFate(
      [loser](const Departure& departure) { return (*loser)(departure); });
  const std::uint32_t newcomer = cluster.Join();
  ASSERT_TRUE(cluster.RunUntil([&] { return loser->lost == 1; }, seconds(5)));
  const runtime::Hash128 root = cluster.replica(newcomer)->root();
  const std::uint64_t rounds = cluster.record().synchronizations.size();
  cluster.Kill(0);
  ASSERT_TRUE(cluster.RunUntil(
      [&] { return cluster.record().synchronizations.size() > rounds + 1; }, seconds(60)))
      << cluster.monitor().WaitsFor();
  EXPECT_THAT(cluster.record().rollbacks, testing::IsEmpty());
  EXPECT_NE(cluster.replica(newcomer)->root(), root);
  cluster.monitor().RequestStop();
  ASSERT_TRUE(cluster.RunToEnd(seconds(5)));
  EXPECT_OK(cluster.record().summary->status);
}

}  // namespace
}  // namespace tests
