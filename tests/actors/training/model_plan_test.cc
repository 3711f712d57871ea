#include "actors/training/model_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "actors/training/model_layout.h"
#include "runtime/base/error.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

constexpr ImageShape kColour{.channels = 3, .rows = 32, .columns = 32};

ModelPlan PlanOf(const std::string& name, const ImageShape& input = ImageShape()) {
  const auto plan = PlanModel({.name = name}, input);
  EXPECT_OK(plan);
  return plan.ok() ? *plan : ModelPlan();
}

TEST(ModelPlan, Lenet5HasTheParametersOfThePaper) {
  const Layout layout = PlanOf("lenet5").layout;
  EXPECT_EQ(layout.trainable, 61706u);
  EXPECT_EQ(layout.total, 61706u);
  std::vector<std::uint64_t> counts;
  for (const LayoutEntry& entry : layout.entries) counts.push_back(entry.count);
  EXPECT_THAT(counts, testing::ElementsAre(150, 6, 2400, 16, 48000, 120, 10080, 84, 840, 10));
  EXPECT_EQ(layout.entries.front().depth, 4u);
  EXPECT_EQ(layout.entries.back().depth, 0u);
}

// Those of the first version: members of a run, and its checkpoints, know a model by its hash.
TEST(ModelPlan, LayoutsAreWhatTheyWere) {
  EXPECT_EQ(PlanOf("lenet5").layout.Hash(), 0x12079A0E6A11E610u);
  EXPECT_EQ(PlanOf("logistic").layout.Hash(), 0x75F00EB7F59B313Au);
}

TEST(ModelPlan, TheCnnWithGroupNormHasAsManyParametersAsLenet5OrSo) {
  const Layout layout = PlanOf("cnn-gn").layout;
  EXPECT_EQ(layout.trainable, 54890u);
  EXPECT_EQ(layout.entries[2].name, "norm1.weight");
  EXPECT_EQ(layout.entries[2].count, 16u);
  EXPECT_EQ(layout.entries[2].fill, 1);
  EXPECT_EQ(layout.entries[2].depth, 3u);
}

TEST(ModelPlan, Vgg16sHasTheParametersOfThePaper) {
  const Layout layout = PlanOf("vgg16s").layout;
  EXPECT_EQ(layout.trainable, 2592202u);
  EXPECT_EQ(layout.total, 2592202u);
  std::vector<std::uint64_t> counts;
  for (std::size_t i = 0; i < layout.entries.size(); i += 2) {
    counts.push_back(layout.entries[i].count + layout.entries[i + 1].count);
  }
  EXPECT_THAT(counts, testing::ElementsAre(640, 36928, 73856, 147584, 295168, 590080, 1180160,
                                           262656, 5130));
  EXPECT_EQ(PlanOf("vgg16s", kColour).layout.trainable, 3510858u);
}

TEST(ModelPlan, TheTransformerHasTheParametersThatItsLayersHave) {
  const auto plan = PlanModel({.name = "transformer"}, {1, 1, 64}, 65);
  ASSERT_OK(plan);
  // Token and position; in each block two norms, attention and the two linear maps; norm and head.
  EXPECT_EQ(plan->layout.trainable, 65u * 64 + 64 * 64 +
                                        2u * (2 * 128 + (64 * 192 + 192) + (64 * 64 + 64) +
                                              (64 * 256 + 256) + (256 * 64 + 64)) +
                                        128 + 64 * 65 + 65);
  EXPECT_EQ(plan->layout.trainable, 112577u);
  EXPECT_EQ(plan->layout.total, 112577u);
  EXPECT_EQ(plan->layout.entries[0].name, "embedding.token");
  EXPECT_THAT(plan->layout.entries[0].shape, testing::ElementsAre(65, 64));
  EXPECT_EQ(plan->layout.entries.back().depth, 0u);
  const auto of_images = PlanModel({.name = "transformer"}, ImageShape());
  EXPECT_THAT(of_images, tests::HasMessage("does not fit images of 1 x 28 x 28"));
}

TEST(ModelPlan, TheLastLayerHasAsManyOutputsAsThereAreClasses) {
  EXPECT_EQ(PlanModel({.name = "logistic"}, {1, 1, 123}, 2)->layout.trainable, 2u * 123 + 2);
  EXPECT_EQ(PlanModel({.name = "lenet5"}, ImageShape(), 62)->layout.trainable, 61706u + 52 * 85);
}

TEST(ModelPlan, DenseNetsHaveTheParametersOfThePaper) {
  const Layout small = PlanOf("densenet121", kColour).layout;
  EXPECT_EQ(small.trainable, 6964106u);
  EXPECT_EQ(small.total - small.trainable, 83648u);
  EXPECT_EQ(small.entries.front().depth, 120u);  // 121 layers with weights.
  const Layout large = PlanOf("densenet201", kColour).layout;
  EXPECT_EQ(large.trainable, 18112138u);
  EXPECT_EQ(large.total - large.trainable, 229056u);
  EXPECT_EQ(large.entries.front().depth, 200u);
}

TEST(ModelPlan, BuffersLieBehindAllThatIsTrained) {
  const ModelPlan plan = PlanOf("densenet121", kColour);
  for (const LayoutEntry& entry : plan.layout.entries) {
    const bool is_buffer = entry.name.find(".running_") != std::string::npos;
    EXPECT_EQ(entry.offset >= plan.layout.trainable, is_buffer) << entry.name;
    EXPECT_EQ(entry.fill,
              is_buffer ? entry.name.ends_with("_var") : entry.name.ends_with("norm.weight"))
        << entry.name;
  }
  for (const Layer& layer : plan.layers) {
    if (layer.kind != LayerKind::kBatchNorm) continue;
    const std::string weight = plan.layout.entries[layer.first_entry].name;
    const std::string norm = weight.substr(0, weight.rfind('.'));
    EXPECT_EQ(plan.layout.entries[layer.first_buffer].name, norm + ".running_mean");
    EXPECT_EQ(plan.layout.entries[layer.first_buffer + 1].name, norm + ".running_var");
  }
}

TEST(ModelPlan, DropoutIsLeftOutAtRateZeroAndRefusedWhereThereIsNone) {
  const std::size_t without = PlanOf("vgg16s").layers.size();
  const auto with = PlanModel({.name = "vgg16s", .dropout = 0.25}, ImageShape());
  ASSERT_OK(with);
  EXPECT_EQ(with->layers.size(), without + 2);
  const absl::Status status = PlanModel({.name = "lenet5", .dropout = 0.25}, ImageShape()).status();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(runtime::ToUserError(status).exit, runtime::Exit::kUsage);
  EXPECT_THAT(status, tests::HasMessage("\"lenet5\" has no dropout layer"));
}

TEST(ModelPlan, EntriesFollowEachOtherWithoutGaps) {
  for (const Layout& layout :
       {PlanOf("lenet5").layout, PlanOf("logistic").layout, PlanOf("cnn-gn").layout,
        PlanOf("vgg16s").layout, PlanOf("densenet121", kColour).layout, QuadraticLayout(17)}) {
    std::uint64_t offset = 0;
    for (const LayoutEntry& entry : layout.entries) {
      EXPECT_EQ(entry.offset, offset);
      std::int64_t product = 1;
      for (const std::int64_t size : entry.shape) product *= size;
      EXPECT_EQ(entry.count, static_cast<std::uint64_t>(product));
      offset += entry.count;
    }
    EXPECT_EQ(layout.total, offset);
  }
}

TEST(ModelPlan, FollowsTheImages) {
  EXPECT_EQ(PlanOf("logistic", kColour).layout.trainable, 10u * 3072 + 10);
  EXPECT_EQ(PlanOf("cnn-gn", kColour).layout.trainable, 64778u);
  const Layout layout = PlanOf("lenet5", kColour).layout;
  EXPECT_EQ(layout.trainable, 83126u);
  EXPECT_THAT(layout.entries[0].shape, testing::ElementsAre(6, 3, 5, 5));
  EXPECT_THAT(layout.entries[4].shape, testing::ElementsAre(120, 16 * 6 * 6));
}

TEST(ModelPlan, RefusesImagesThatALayerCannotTake) {
  for (const ImageShape& small : {ImageShape{.rows = 30, .columns = 28},    // 11 rows to halve.
                                  ImageShape{.rows = 4, .columns = 28}}) {  // 2 rows under 5 x 5.
    const absl::Status status = PlanModel({.name = "lenet5"}, small).status();
    ASSERT_FALSE(status.ok()) << small.Text();
    EXPECT_EQ(runtime::ToUserError(status).exit, runtime::Exit::kUsage);
    EXPECT_THAT(status, tests::HasMessage("\"lenet5\" does not fit images of " + small.Text()));
  }
  // Its third transition has a single pixel to halve.
  EXPECT_THAT(PlanModel({.name = "densenet121"}, ImageShape()),
              tests::HasMessage("does not fit images of 1 x 28 x 28"));
}

}  // namespace
}  // namespace actors
