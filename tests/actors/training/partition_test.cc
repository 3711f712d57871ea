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

std::vector<std::uint8_t> RandomLabels(std::uint32_t count) {
  RandomStream random(5, Purpose::kDigit);
  std::vector<std::uint8_t> labels(count);
  for (std::uint8_t& label : labels) label = static_cast<std::uint8_t>(random.NextBelow(10));
  return labels;
}

Shards Divide(const std::string& rule, const std::vector<std::uint8_t>& labels,
              std::uint32_t world_size, std::uint64_t seed = 3) {
  return Partition(ParsePartition(rule).value(), labels, world_size, seed);
}

class EveryPartition
    : public testing::TestWithParam<std::tuple<const char*, std::uint32_t, std::uint32_t>> {};

TEST_P(EveryPartition, CoversEachSampleOnceInShardsEqualUpToOne) {
  const auto& [rule, world_size, count] = GetParam();
  const std::vector<std::uint8_t> labels = RandomLabels(count);
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
  const std::vector<std::uint8_t> labels = RandomLabels(1000);
  EXPECT_EQ(Divide("iid", labels, 4, 1), Divide("iid", labels, 4, 1));
  EXPECT_NE(Divide("iid", labels, 4, 1), Divide("iid", labels, 4, 2));
}

TEST(Partition, IidShardsHoldEveryClassInProportion) {
  const std::vector<std::uint8_t> labels = RandomLabels(20000);
  for (const auto& shard : Divide("iid", labels, 4)) {
    // 500 expected, standard deviation below 22.
    EXPECT_THAT(CountByClass(labels, shard, 10),
                testing::Each(testing::AllOf(testing::Gt(380u), testing::Lt(620u))));
  }
}

TEST(Partition, SortedHundredGivesEachRankConsecutiveLabels) {
  const std::vector<std::uint8_t> labels = RandomLabels(1000);
  int last_label = 0;
  for (const auto& shard : Divide("sorted:100", labels, 5)) {
    for (const std::uint32_t sample : shard) {
      ASSERT_GE(labels[sample], last_label);
      last_label = labels[sample];
    }
  }
  EXPECT_EQ(last_label, 9);
}

TEST(Partition, SortedSixtySortsSixtyPercentOfEachShard) {
  const std::vector<std::uint8_t> labels = RandomLabels(10000);
  const Shards shards = Divide("sorted:60", labels, 5);
  int last_label = 0;
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
  const std::vector<std::uint8_t> labels = RandomLabels(10000);
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

TEST(ParsePartition, RefusesWhatItDoesNotKnow) {
  for (const char* const text : {"", "IID", "iid ", "sorted", "sorted:", "sorted:101", "sorted:-1",
                                 "label:x", "label:256", "dirichlet:0.5", "sorted:6 0"}) {
    const absl::Status status = ParsePartition(text).status();
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
