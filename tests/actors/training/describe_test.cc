#include "actors/training/describe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "tests/support/data_folder.h"
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

TEST(Describe, CountsTheSamplesOfDirichletShards) {
  TrainingOptions options;
  options.data.partition = "dirichlet:0.3";
  const auto description = Describe(options, 4);
  ASSERT_OK(description);
  std::uint64_t all = 0, least = UINT64_MAX, most = 0;
  for (const auto& classes : description->samples) {
    const auto samples = std::accumulate(classes.begin(), classes.end(), std::uint64_t{0});
    all += samples;
    least = std::min(least, samples);
    most = std::max(most, samples);
  }
  EXPECT_EQ(all, 60000u);
  EXPECT_GE(least, 64u);
  EXPECT_GT(most, least + 1000);
  options.data.partition = "dirichlet:0.001";
  EXPECT_THAT(Describe(options, 16), tests::HasCode(absl::StatusCode::kInvalidArgument));
}

TEST(Describe, ReadsTheSizeOfAModelFromItsFiles) {
  const tests::DataFolder folder;
  std::string text;
  for (int i = 0; i < 500; ++i) text += static_cast<char>('a' + i % 7);
  folder.Write("it.txt", text);
  TrainingOptions options;
  options.data.source = "text";
  options.data.dir = folder.path();
  options.data.context = 32;
  options.model.name = "transformer";
  const auto description = Describe(options, 2);
  ASSERT_OK(description);
  EXPECT_EQ(description->parameters, 7u * 64 + 32 * 64 + 2 * 49984 + 128 + 7 * 65);
  EXPECT_EQ(description->train_samples, 450u - 32);
  EXPECT_EQ(description->samples[1].size(), 7u);
  options.data.drift = "labels:100";
  EXPECT_THAT(Describe(options, 2), tests::HasMessage("labels of one sample each"));
  options.data.drift = "none";
  options.data.dir = folder.path() + "/nothing";
  EXPECT_THAT(Describe(options, 2), tests::HasMessage("no file or directory holds"));
}

}  // namespace
}  // namespace actors
