// model.pt in the hands of Python: needs python3-torch (deploy/install-packages test).
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "actors/training/digits.h"
#include "actors/training/models.h"
#include "actors/training/torch_trainer.h"
#include "tests/support/python_logits.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

constexpr std::size_t kImages = 300;

torch::Tensor ImagesOf(const ImageSet& set) {
  torch::Tensor images = torch::empty({static_cast<std::int64_t>(set.size()), 1, 28, 28});
  for (std::size_t i = 0; i < set.pixels.size(); ++i) {
    images.data_ptr<float>()[i] = static_cast<float>(set.pixels[i]) / 255.0f;
  }
  return images;
}

class InPython : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(EveryModel, InPython, testing::Values("lenet5", "logistic", "cnn-gn"));

TEST_P(InPython, ASavedModelPredictsWhatItDidHere) {
  const auto set = std::make_shared<const Dataset>(
      Dataset{DrawDigits(0, 2000), DrawDigits(kDigitsTrain, kImages)});
  TrainingOptions options;
  options.model.name = GetParam();
  const auto trainer = MakeTorchTrainer(options, set);
  ASSERT_OK(trainer);
  for (std::uint64_t step = 1; step <= 50; ++step) ASSERT_OK((*trainer)->Step(step, 1e-3));
  const std::string base = testing::TempDir() + "rondo_python_" + GetParam();
  ASSERT_OK((*trainer)->Save((*trainer)->local(), base + ".pt"));
  const torch::Tensor images = ImagesOf(set->test);
  std::vector<float> logits = tests::LogitsInPython(base + ".pt", set->test);
  const torch::Tensor theirs =
      torch::from_blob(logits.data(), {static_cast<std::int64_t>(kImages), 10});
  const torch::NoGradGuard no_gradient;
  const auto plan = PlanModel(options.model, ImageShape());
  ASSERT_OK(plan);
  const torch::Tensor ours =
      Forward(*plan, images, TensorsOver(plan->layout, (*trainer)->local().data()));
  EXPECT_LE((ours - theirs).abs().max().item<double>(), 1e-5);
  // It is the trained model: it names as many digits as our own evaluation of it.
  torch::Tensor labels = torch::empty({static_cast<std::int64_t>(kImages)}, torch::kLong);
  for (std::size_t i = 0; i < kImages; ++i) labels[i] = set->test.labels[i];
  const auto counts = (*trainer)->Evaluate((*trainer)->local(), 0, 1);
  ASSERT_OK(counts);
  EXPECT_EQ(theirs.argmax(1).eq(labels).sum().item<std::int64_t>(),
            static_cast<std::int64_t>(counts->correct));
  EXPECT_GT(counts->correct, kImages / 4);  // Chance names a tenth.
}

}  // namespace
}  // namespace actors
