#include "actors/training/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "actors/training/random.h"
#include "runtime/base/error.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using Shards = std::vector<std::vector<std::uint32_t>>;

std::vector<std::uint32_t> RandomLabels(std::uint32_t count) {
  RandomStream random(5, Purpose::kDigit);
  std::vector<std::uint32_t> labels(count);
  for (std::uint32_t& label : labels) label = random.NextBelow(10);
  return labels;
}

Shards Divide(const std::string& rule, const std::vector<std::uint32_t>& labels,
              std::uint32_t world_size, std::uint64_t seed = 3) {
  return Partition(ParsePartition(rule, /*batch=*/16).value(), labels, world_size, seed).value();
}

class EveryPartition
    : public testing::TestWithParam<std::tuple<const char*, std::uint32_t, std::uint32_t>> {};

TEST_P(EveryPartition, CoversEachSampleOnceInShardsEqualUpToOne) {
  const auto& [rule, world_size, count] = GetParam();
  const std::vector<std::uint32_t> labels = RandomLabels(count);
  const Shards shards = Divide(rule, labels, world_size);
  ASSERT_EQ(shards.size(), world_size);
  std::vector<int> seen(count);
  for (const std::vector<std::uint32_t>& shard : shards) {
    EXPECT_GE(shard.size(), count / world_size);
    EXPECT_LE(shard.size(), (count + world_size - 1) / world_size);
    for (const std::uint32_t sample : shard) ++seen.at(sample);
  }
  EXPECT_THAT(seen, testing::Each(1));
}

INSTANTIATE_TEST_SUITE_P(RulesAndSizes, EveryPartition,
                         testing::Combine(testing::Values("iid", "sorted:0", "sorted:60",
                                                          "sorted:87", "sorted:100", "label:0",
                                                          "label:8", "label:77"),
                                          testing::Values(1u, 2u, 3u, 5u, 8u, 31u),
                                          testing::Values(0u, 1u, 8u, 1000u, 1009u)));

TEST(Partition, FollowsTheSeedAlone) {
  const std::vector<std::uint32_t> labels = RandomLabels(1000);
  EXPECT_EQ(Divide("iid", labels, 4, 1), Divide("iid", labels, 4, 1));
  EXPECT_NE(Divide("iid", labels, 4, 1), Divide("iid", labels, 4, 2));
}

TEST(Partition, IidShardsHoldEveryClassInProportion) {
  const std::vector<std::uint32_t> labels = RandomLabels(20000);
  for (const auto& shard : Divide("iid", labels, 4)) {
    // 500 expected, standard deviation below 22.
    EXPECT_THAT(CountByClass(labels, shard, 10),
                testing::Each(testing::AllOf(testing::Gt(380u), testing::Lt(620u))));
  }
}

TEST(Partition, SortedHundredGivesEachRankConsecutiveLabels) {
  const std::vector<std::uint32_t> labels = RandomLabels(1000);
  std::uint32_t last_label = 0;
  for (const auto& shard : Divide("sorted:100", labels, 5)) {
    for (const std::uint32_t sample : shard) {
      ASSERT_GE(labels[sample], last_label);
      last_label = labels[sample];
    }
  }
  EXPECT_EQ(last_label, 9u);
}

TEST(Partition, SortedSixtySortsSixtyPercentOfEachShard) {
  const std::vector<std::uint32_t> labels = RandomLabels(10000);
  const Shards shards = Divide("sorted:60", labels, 5);
  std::uint32_t last_label = 0;
  for (const auto& shard : shards) {
    ASSERT_EQ(shard.size(), 2000u);
    for (std::size_t i = 0; i < 1200; ++i) {
      ASSERT_GE(labels[shard[i]], last_label);
      last_label = labels[shard[i]];
    }
    const std::vector<std::uint32_t> rest(shard.begin() + 1200, shard.end());
    EXPECT_THAT(CountByClass(labels, rest, 10), testing::Each(testing::Gt(40u)));
  }
}

TEST(Partition, LabelGivesAllOfALabelToTheFirstRanks) {
  const std::vector<std::uint32_t> labels = RandomLabels(10000);
  const auto of_label = static_cast<std::uint64_t>(std::count(labels.begin(), labels.end(), 8));
  ASSERT_GT(of_label, 625u);
  ASSERT_LT(of_label, 1250u);
  const Shards shards = Divide("label:8", labels, 16);  // 625 samples each.
  EXPECT_EQ(CountByClass(labels, shards[0], 10)[8], 625u);
  EXPECT_EQ(CountByClass(labels, shards[1], 10)[8], of_label - 625);
  for (std::size_t rank = 2; rank < shards.size(); ++rank) {
    EXPECT_EQ(CountByClass(labels, shards[rank], 10)[8], 0u);
  }
}

// The sizes are those that the head works out from the counts by class alone.
TEST(Partition, DirichletDealsEachSampleOnceInShardsOfTwoBatchesAndMore) {
  const std::vector<std::uint32_t> labels = RandomLabels(10000);
  std::vector<std::uint64_t> by_class(10);
  for (const std::uint32_t label : labels) ++by_class[label];
  for (const char* const text : {"dirichlet:0.1", "dirichlet:0.5", "dirichlet:100"}) {
    const PartitionRule rule = ParsePartition(text, 16).value();
    for (const std::uint32_t world_size : {1u, 2u, 5u, 13u}) {
      const Shards shards = Divide(text, labels, world_size);
      EXPECT_EQ(shards, Divide(text, labels, world_size));
      const auto sizes = ShardSizes(rule, by_class, world_size, /*seed=*/3);
      ASSERT_OK(sizes);
      std::vector<int> seen(labels.size());
      for (std::uint32_t rank = 0; rank < world_size; ++rank) {
        EXPECT_EQ(shards[rank].size(), (*sizes)[rank]);
        EXPECT_GE(shards[rank].size(), 32u);
        for (const std::uint32_t sample : shards[rank]) ++seen.at(sample);
      }
      EXPECT_THAT(seen, testing::Each(1)) << text << " over " << world_size;
    }
  }
  EXPECT_NE(Divide("dirichlet:0.5", labels, 4, 1), Divide("dirichlet:0.5", labels, 4, 2));
}

TEST(Partition, ASmallConcentrationGivesEachRankFewClasses) {
  const std::vector<std::uint32_t> labels = RandomLabels(20000);
  // The part of a shard that its largest class makes up, the mean over the ranks.
  const auto largest_class = [&](const char* rule) {
    double sum = 0;
    for (const auto& shard : Divide(rule, labels, 5)) {
      const std::vector<std::uint64_t> counts = CountByClass(labels, shard, 10);
      sum += static_cast<double>(*std::max_element(counts.begin(), counts.end())) /
             static_cast<double>(shard.size());
    }
    return sum / 5;
  };
  EXPECT_GT(largest_class("dirichlet:0.1"), 0.4);
  EXPECT_LT(largest_class("dirichlet:1000"), 0.13);
}

TEST(Partition, DirichletGivesUpWhereNoDrawLeavesEachRankTwoBatches) {
  const std::vector<std::uint32_t> labels = RandomLabels(1000);
  const absl::Status status =
      Partition(ParsePartition("dirichlet:0.01", 100).value(), labels, 5, 3).status();
  EXPECT_EQ(runtime::ToUserError(status).exit, runtime::Exit::kUsage);
  EXPECT_THAT(status, tests::HasMessage("fewer than 200 samples, two batches, in each of 100"));
}

TEST(ShardSizes, AreEvenUpToOneButForDirichlet) {
  EXPECT_THAT(ShardSizes(PartitionRule(), {40, 60}, 3, 0).value(),
              testing::ElementsAre(34u, 33u, 33u));
}

TEST(ParsePartition, RefusesWhatItDoesNotKnow) {
  for (const char* const text :
       {"", "IID", "iid ", "sorted", "sorted:", "sorted:101", "sorted:-1", "label:x", "label:256",
        "dirichlet", "dirichlet:", "dirichlet:0", "dirichlet:-1", "dirichlet:nan", "dirichlet:inf",
        "dirichlet:2e6", "dirichlet:x", "sorted:6 0"}) {
    const absl::Status status = ParsePartition(text, 32).status();
    ASSERT_FALSE(status.ok()) << text;
    EXPECT_EQ(runtime::ToUserError(status).exit, runtime::Exit::kUsage);
    EXPECT_THAT(status, tests::HasMessage(text));
  }
}

TEST(CheckShard, WantsRoomForABatch) {
  EXPECT_OK(CheckShard(32, 32));
  EXPECT_THAT(CheckShard(31, 32), tests::HasCode(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace actors
