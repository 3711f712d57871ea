#include "actors/training/batch_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <vector>

namespace actors {
namespace {

std::vector<std::uint32_t> Shard(std::uint32_t size) {
  std::vector<std::uint32_t> shard(size);
  std::iota(shard.begin(), shard.end(), 1000u);
  return shard;
}

std::vector<std::uint32_t> Copy(absl::Span<const std::uint32_t> batch) {
  return {batch.begin(), batch.end()};
}

TEST(BatchSampler, AUniformBatchHoldsNoSampleTwice) {
  BatchSampler sampler(Shard(40), 32, BatchOrder::kUniform, 1, 0);
  for (std::uint64_t step = 1; step <= 200; ++step) {
    const std::vector<std::uint32_t> batch = Copy(sampler.Draw(step));
    ASSERT_EQ(std::set<std::uint32_t>(batch.begin(), batch.end()).size(), 32u);
    ASSERT_THAT(batch, testing::Each(testing::AllOf(testing::Ge(1000u), testing::Lt(1040u))));
  }
}

TEST(BatchSampler, UniformBatchesDrawAllSamplesEquallyOften) {
  BatchSampler sampler(Shard(50), 10, BatchOrder::kUniform, 1, 0);
  std::vector<int> counts(50);
  for (std::uint64_t step = 1; step <= 5000; ++step) {
    for (const std::uint32_t sample : sampler.Draw(step)) ++counts[sample - 1000];
  }
  // 1,000 expected, standard deviation 28.
  EXPECT_THAT(counts, testing::Each(testing::AllOf(testing::Gt(850), testing::Lt(1150))));
}

TEST(BatchSampler, AWholeShardMayBeABatch) {
  BatchSampler sampler(Shard(7), 7, BatchOrder::kUniform, 1, 0);
  EXPECT_THAT(Copy(sampler.Draw(1)), testing::UnorderedElementsAreArray(Shard(7)));
}

class EveryOrder : public testing::TestWithParam<BatchOrder> {};

TEST_P(EveryOrder, TheStepNumberAloneDeterminesABatch) {
  BatchSampler forward(Shard(50), 8, GetParam(), 1, 0);
  BatchSampler backward(Shard(50), 8, GetParam(), 1, 0);
  std::vector<std::vector<std::uint32_t>> batches;
  for (std::uint64_t step = 1; step <= 40; ++step) batches.push_back(Copy(forward.Draw(step)));
  for (std::uint64_t step = 40; step >= 1; --step) {
    ASSERT_EQ(Copy(backward.Draw(step)), batches[step - 1]) << step;
  }
}

TEST_P(EveryOrder, SlotsAndSeedsDrawDifferently) {
  BatchSampler one(Shard(50), 8, GetParam(), 1, 0);
  BatchSampler other_slot(Shard(50), 8, GetParam(), 1, 1);
  BatchSampler other_seed(Shard(50), 8, GetParam(), 2, 0);
  EXPECT_NE(Copy(one.Draw(1)), Copy(other_slot.Draw(1)));
  EXPECT_NE(Copy(one.Draw(1)), Copy(other_seed.Draw(1)));
  EXPECT_NE(Copy(one.Draw(1)), Copy(one.Draw(2)));
}

INSTANTIATE_TEST_SUITE_P(Orders, EveryOrder,
                         testing::Values(BatchOrder::kUniform, BatchOrder::kPermutation));

TEST(BatchSampler, EachDataEpochOfPermutationHoldsEverySampleOnceInNewOrder) {
  BatchSampler sampler(Shard(50), 8, BatchOrder::kPermutation, 1, 0);
  std::vector<std::uint32_t> stream;
  for (std::uint64_t step = 1; step <= 25; ++step) {  // 200 samples: four data epochs.
    const std::vector<std::uint32_t> batch = Copy(sampler.Draw(step));
    stream.insert(stream.end(), batch.begin(), batch.end());
  }
  std::set<std::vector<std::uint32_t>> orders;
  for (std::size_t epoch = 0; epoch < 4; ++epoch) {
    const auto begin = stream.begin() + static_cast<std::ptrdiff_t>(50 * epoch);
    const std::vector<std::uint32_t> order(begin, begin + 50);
    EXPECT_THAT(order, testing::UnorderedElementsAreArray(Shard(50)));
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 4u);
}

}  // namespace
}  // namespace actors
