// model.pt in the hands of Python: needs python3-torch (deploy/install-packages test).
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "actors/training/digits.h"
#include "actors/training/models.h"
#include "actors/training/tensors.h"
#include "actors/training/text.h"
#include "actors/training/torch_trainer.h"
#include "tests/support/data_folder.h"
#include "tests/support/python_logits.h"
#include "tests/support/shell.h"
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

TEST(Python, ASavedTransformerPredictsWhatItDidHere) {
  const tests::DataFolder folder;
  std::string text;
  for (int i = 0; i < 400; ++i) text += "the quick brown fox " + std::to_string(i) + "; ";
  folder.Write("it.txt", text);
  const auto data = ReadText(folder.path(), 28);
  ASSERT_OK(data);
  TrainingOptions options;
  options.data.source = "text";
  options.model.name = "transformer";
  const auto trainer = MakeTorchTrainer(options, *data);
  ASSERT_OK(trainer);
  for (std::uint64_t step = 1; step <= 10; ++step) ASSERT_OK((*trainer)->Step(step, 1e-3));
  const std::string base = folder.path() + "/model";
  ASSERT_OK((*trainer)->Save((*trainer)->local(), base + ".pt"));
  // predict.py reads images of 28 rows: those of a context of 28, one sample each.
  torch::Tensor windows = torch::empty({28, 28});
  for (std::size_t i = 0; i < 28; ++i) data->test->PutInput(i, windows[i].data_ptr<float>());
  tests::WriteFloats(base + ".images", windows.data_ptr<float>(),
                     static_cast<std::size_t>(windows.numel()));
  const tests::ShellResult python = tests::RunInShell(
      RONDO_SOURCE_DIR, "OMP_NUM_THREADS=1 /usr/bin/python3 tests/tools/predict.py '" + base +
                            ".pt' '" + base + ".images' '" + base + ".logits' -1 28");
  ASSERT_EQ(python.exit_code, 0) << python.err;
  const std::string bytes = tests::ReadWholeFile(base + ".logits");
  const torch::NoGradGuard no_gradient;
  const auto plan = PlanModel(options.model, data->shape.input, data->shape.classes);
  ASSERT_OK(plan);
  const torch::Tensor ours =
      Forward(*plan, windows, TensorsOver(plan->layout, (*trainer)->local().data())).contiguous();
  torch::Tensor theirs = torch::empty_like(ours);
  ASSERT_EQ(bytes.size(), theirs.numel() * sizeof(float));
  std::memcpy(theirs.data_ptr<float>(), bytes.data(), bytes.size());
  EXPECT_LE((ours - theirs).abs().max().item<double>(), 1e-5);
}

// What torch.save writes of a dict of tensors is what this reads without torch.
TEST(Python, TensorsThatPythonSavedAreRead) {
  const tests::DataFolder folder;
  const std::string script =
      "import torch; torch.manual_seed(1); x = torch.arange(24.).reshape(4, 1, 2, 3); "
      "y = torch.tensor([2, 0, 1, 1]); "
      "torch.save({'inputs': x, 'targets': y}, '" +
      folder.path() +
      "/train.pt'); "
      "torch.save({'targets': y[1:].int(), 'inputs': (x[1:] * 10).byte()}, '" +
      folder.path() + "/test.pt')";
  const tests::ShellResult python =
      tests::RunInShell(RONDO_SOURCE_DIR, "/usr/bin/python3 -c \"" + script + "\"");
  ASSERT_EQ(python.exit_code, 0) << python.err;
  const auto data = ReadTensors(folder.path());
  ASSERT_OK(data);
  EXPECT_EQ(data->shape.input.Text(), "1 x 2 x 3");
  EXPECT_EQ(LabelsOf(*data->train), (std::vector<std::uint32_t>{2, 0, 1, 1}));
  EXPECT_EQ(LabelsOf(*data->test), (std::vector<std::uint32_t>{0, 1, 1}));
  float input[6];
  data->train->PutInput(3, input);
  EXPECT_EQ(input[0], 18);
  data->test->PutInput(0, input);
  EXPECT_EQ(input[0], 60 / 255.0f);
}

}  // namespace
}  // namespace actors
