#include "actors/training/describe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/support/status_matchers.h"

namespace actors {
namespace {

TEST(Describe, CountsParametersAndSamplesPerWorkerAndClass) {
  TrainingOptions options;
  options.data.partition = "label:0";
  const auto description = Describe(options, 4);
  ASSERT_OK(description);
  EXPECT_EQ(description->parameters, 61706u);
  EXPECT_EQ(description->train_samples, 60000u);
  EXPECT_EQ(description->test_samples, 10000u);
  ASSERT_EQ(description->samples.size(), 4u);
  for (const auto& classes : description->samples) {
    ASSERT_EQ(classes.size(), 10u);
    EXPECT_EQ(std::accumulate(classes.begin(), classes.end(), std::uint64_t{0}), 15000u);
  }
  EXPECT_GT(description->samples[0][0], 5000u);
  EXPECT_EQ(description->samples[3][0], 0u);
}

TEST(Describe, DescribesTheQuadraticBowl) {
  TrainingOptions options;
  options.model.name = "quadratic";
  options.quadratic.dimension = 77;
  const auto description = Describe(options, 3);
  ASSERT_OK(description);
  EXPECT_EQ(description->parameters, 77u);
  EXPECT_EQ(description->samples.size(), 3u);
}

TEST(Describe, KnowsTheModelButNotTheDataThatEachNodeHas) {
  TrainingOptions options;
  options.data.source = "mnist";
  options.data.own = true;
  const auto description = Describe(options, 3);
  ASSERT_OK(description);
  EXPECT_EQ(description->parameters, 61706u);
  EXPECT_EQ(description->train_samples, 0u);
  EXPECT_TRUE(description->samples.empty());
}

TEST(Describe, KnowsTheModelThatFitsTheNodesImages) {
  TrainingOptions options;
  options.data.source = "cifar10";
  options.data.own = true;
  const auto description = Describe(options, 3);
  ASSERT_OK(description);
  EXPECT_EQ(description->parameters, 83126u);
}

TEST(Describe, RefusesABatchLargerThanAShard) {
  TrainingOptions options;
  options.optimizer.batch = 20000;
  EXPECT_OK(Describe(options, 3));
  EXPECT_THAT(Describe(options, 4), tests::HasCode(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace actors
