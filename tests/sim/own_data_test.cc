// Whose data a member trains on, in whole runs on simulated clusters: shards of a common set, which
// follow the membership, or each node's own, which never move.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/error.h"
#include "tests/sim/quick_runs.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_cluster.h"

namespace tests {
namespace {

using actors::DataSummary;
using actors::RunConfig;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr std::uint64_t kSeed = 11;

RunConfig SharedConfig() {
  RunConfig config = ConfigOf(actors::Strategy::kFda, 3);
  config.run.min_workers = 2;
  config.run.max_steps = 1'000'000;  // It is stopped.
  config.strategy.theta = 1e12;
  config.strategy.max_interval = 5;
  return config;
}

// What the workers load is simulated; that each has its own is not.
RunConfig OwnConfig() {
  RunConfig config = SharedConfig();
  config.data.source = actors::DataSource::kMnist;
  config.data.placement = actors::DataPlacement::kOwn;
  config.model.name = actors::ModelName::kLogistic;
  config.strategy.weighting = actors::Weighting::kSamples;
  return config;
}

// Worker `index` has 100, 200, 300 ... samples.
absl::Status Unequal(std::uint32_t index, DataSummary& data) {
  data.fingerprint = 0;
  data.train_samples = 100 * (index + 1);
  data.sample_shape = {28, 28};
  data.samples_by_class = {data.train_samples, 0};
  return absl::OkStatus();
}

std::map<std::uint32_t, float> Weights(const TrainingCluster& cluster) {
  std::map<std::uint32_t, float> weights;
  for (const actors::Member& member : cluster.record().members) {
    weights[member.slot] = member.weight;
  }
  return weights;
}

// The run is on with so many members; it is stopped, and ends in order.
void ExpectRunEndsWith(TrainingCluster& cluster, std::uint32_t members) {
  ASSERT_TRUE(cluster.RunUntil(
      [&] { return cluster.record().members.size() == members && cluster.monitor().step() >= 30; },
      seconds(30)));
  cluster.monitor().RequestStop();
  ASSERT_TRUE(cluster.RunToEnd());
  ASSERT_OK(cluster.record().summary->status);
  EXPECT_TRUE(cluster.record().summary->replicas_equal);
  EXPECT_EQ(cluster.record().members.size(), members);
}

// The joiner is worker 3; `code` is why it is refused, or why the run ends if it is worker 1.
void ExpectRefusedAlone(const TrainingClusterOptions& options, const std::string& code,
                        const std::string& what) {
  TrainingCluster cluster(options);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.monitor().step() >= 2; }, seconds(10)));
  cluster.Join();
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.record().refused.size() == 1; }, seconds(2)));
  const runtime::UserError error = runtime::ToUserError(cluster.record().refused[0]);
  EXPECT_EQ(error.code, code);
  EXPECT_EQ(error.exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(error.message, HasSubstr("slot 3"));
  EXPECT_THAT(error.message, HasSubstr(what));
  ExpectRunEndsWith(cluster, 3);
  EXPECT_EQ(cluster.record().views, 1);
}

void ExpectStartFails(const TrainingClusterOptions& options, const std::string& code,
                      const std::string& what) {
  TrainingCluster cluster(options);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.record().summary.has_value(); }, seconds(2)));
  const absl::Status& status = cluster.record().summary->status;
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(runtime::ToUserError(status).code, code);
  EXPECT_EQ(runtime::ToUserError(status).exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(status, HasMessage("slot 1"));
  EXPECT_THAT(status, HasMessage(what));
}

TEST(SharedData, ThatDifferEndTheStartAndLaterRefuseTheJoinerAlone) {
  for (const std::uint32_t other : {1u, 3u}) {
    TrainingClusterOptions options = Quick(SharedConfig(), kSeed);
    options.data = [other](std::uint32_t index, DataSummary& data) {
      if (index == other) ++data.fingerprint;
      return absl::OkStatus();
    };
    other == 1 ? ExpectStartFails(options, "DATA_DIFFERS", "different training data")
               : ExpectRefusedAlone(options, "DATA_DIFFERS", "different training data");
  }
}

TEST(SharedData, AreComparedWithThoseWhoComeBackAfterTheHeadHasDied) {
  // In either order of the nodes' ids, by which the head looks at them.
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    TrainingClusterOptions options = Quick(SharedConfig(), kSeed);
    options.seed = seed;
    options.shortest_task = milliseconds(5);
    options.longest_task = milliseconds(10);
    options.heads_return = true;
    options.data = [](std::uint32_t index, DataSummary& data) {
      if (index == 3) ++data.fingerprint;
      return absl::OkStatus();
    };
    TrainingCluster cluster(options);
    ASSERT_TRUE(cluster.RunUntil([&] { return cluster.monitor().step() >= 20; }, seconds(10)));
    cluster.KillHead();
    cluster.Join();
    cluster.StartHead();
    ASSERT_TRUE(
        cluster.RunUntil([&] { return cluster.record().refused.size() == 1; }, seconds(30)));
    EXPECT_EQ(runtime::ToUserError(cluster.record().refused[0]).code, "DATA_DIFFERS");
    EXPECT_THAT(cluster.record().let_go, ElementsAre(cluster.node(3)));
    ExpectRunEndsWith(cluster, 3);
  }
}

TEST(SharedData, ShardsFollowTheMembershipAndNothingElse) {
  TrainingCluster cluster(Quick(SharedConfig(), kSeed));
  ASSERT_TRUE(
      cluster.RunUntil([&] { return cluster.record().synchronizations.size() >= 3; }, seconds(10)));
  const std::uint32_t joiner = cluster.Join();
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.record().members.size() == 4; }, seconds(10)));
  const std::size_t synchronizations = cluster.record().synchronizations.size();
  ASSERT_TRUE(cluster.RunUntil(
      [&] { return cluster.record().synchronizations.size() >= synchronizations + 3; },
      seconds(10)));
  cluster.Leave(0);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.record().members.size() == 3; }, seconds(10)));
  ExpectRunEndsWith(cluster, 3);
  EXPECT_EQ(cluster.record().views, 3);
  const auto shards = [&](std::uint32_t index) {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> shards;
    for (const actors::Placement& placement : cluster.placements(index)) {
      shards.emplace_back(placement.rank, placement.world_size);
    }
    return shards;
  };
  EXPECT_THAT(shards(0), ElementsAre(Pair(0, 3), Pair(0, 4)));
  EXPECT_THAT(shards(1), ElementsAre(Pair(1, 3), Pair(1, 4), Pair(0, 3)));
  EXPECT_THAT(shards(2), ElementsAre(Pair(2, 3), Pair(2, 4), Pair(1, 3)));
  EXPECT_THAT(shards(joiner), ElementsAre(Pair(3, 4), Pair(2, 3)));
}

TEST(OwnData, WeighAsMuchAsTheyAreWhoeverComesOrGoes) {
  TrainingClusterOptions options = Quick(OwnConfig(), kSeed);
  options.data = Unequal;
  TrainingCluster cluster(options);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.monitor().step() >= 10; }, seconds(10)));
  EXPECT_THAT(Weights(cluster), ElementsAre(Pair(0, 100), Pair(1, 200), Pair(2, 300)));
  EXPECT_THAT(cluster.record().notes,
              ElementsAre(testing::AllOf(HasSubstr("slot 0 has 100 samples of its own"),
                                         HasSubstr("slot 2 has 300 samples of its own"))));
  cluster.Join();
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.record().members.size() == 4; }, seconds(10)));
  EXPECT_THAT(Weights(cluster),
              ElementsAre(Pair(0, 100), Pair(1, 200), Pair(2, 300), Pair(3, 400)));
  EXPECT_THAT(cluster.record().notes.back(), testing::StartsWith("slot 3 has 400 samples"));
  cluster.Leave(1);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.record().members.size() == 3; }, seconds(10)));
  EXPECT_THAT(Weights(cluster), ElementsAre(Pair(0, 100), Pair(2, 300), Pair(3, 400)));
  ExpectRunEndsWith(cluster, 3);
}

TEST(OwnData, WithoutWeightingWeighTheSame) {
  TrainingClusterOptions options = Quick(OwnConfig(), kSeed);
  options.config.strategy.weighting = actors::Weighting::kUniform;
  options.data = Unequal;
  TrainingCluster cluster(options);
  ExpectRunEndsWith(cluster, 3);
  EXPECT_THAT(Weights(cluster), ElementsAre(Pair(0, 1), Pair(1, 1), Pair(2, 1)));
}

TEST(OwnData, KeepTheirWeightWhenTheHeadComesBack) {
  TrainingClusterOptions options = Quick(OwnConfig(), kSeed);
  options.shortest_task = milliseconds(5);
  options.longest_task = milliseconds(10);
  options.heads_return = true;
  options.data = Unequal;
  TrainingCluster cluster(options);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.monitor().step() >= 20; }, seconds(10)));
  cluster.KillHead();
  cluster.StartHead();
  ExpectRunEndsWith(cluster, 3);
  EXPECT_THAT(Weights(cluster), ElementsAre(Pair(0, 100), Pair(1, 200), Pair(2, 300)));
}

TEST(OwnData, OfAnotherShapeEndTheStartAndLaterRefuseTheJoinerAlone) {
  for (const std::uint32_t other : {1u, 3u}) {
    TrainingClusterOptions options = Quick(OwnConfig(), kSeed);
    options.data = [other](std::uint32_t index, DataSummary& data) {
      if (absl::Status told = Unequal(index, data); !told.ok()) return told;
      if (index == other) data.sample_shape = {32, 32};
      return absl::OkStatus();
    };
    other == 1 ? ExpectStartFails(options, "DATA_SHAPE_DIFFERS", "32 x 32 in 2 classes, and 28 x")
               : ExpectRefusedAlone(options, "DATA_SHAPE_DIFFERS", "32 x 32 in 2 classes");
  }
}

TEST(OwnData, ThatCannotBeReadEndTheStartAndLaterRefuseTheJoinerAlone) {
  for (const std::uint32_t other : {1u, 3u}) {
    TrainingClusterOptions options = Quick(OwnConfig(), kSeed);
    options.data = [other](std::uint32_t index, DataSummary& data) {
      if (index != other) return Unequal(index, data);
      return runtime::MakeError("DATA_NOT_FOUND", runtime::Exit::kUnreadable,
                                "there is no folder /x");
    };
    other == 1 ? ExpectStartFails(options, "DATA_NOT_FOUND", "there is no folder /x")
               : ExpectRefusedAlone(options, "DATA_NOT_FOUND", "there is no folder /x");
  }
}

}  // namespace
}  // namespace tests
