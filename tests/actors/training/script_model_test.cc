// Models that Python saved: trained here, and opened there again. Needs python3-torch
// (deploy/install-packages test), which writes them: tests/tools/script_models.py.
#include "actors/training/script_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "actors/training/digits.h"
#include "actors/training/make_trainer.h"
#include "actors/training/torch_trainer.h"
#include "runtime/base/error.h"
#include "tests/support/python_logits.h"
#include "tests/support/shell.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t kImages = 300;

const std::string& ModelFolder() {
  static const std::string folder = [] {
    const std::string made = testing::TempDir() + "rondo_script_models";
    std::filesystem::create_directories(made);
    const tests::ShellResult python = tests::RunInShell(
        RONDO_SOURCE_DIR,
        "OMP_NUM_THREADS=1 /usr/bin/python3 tests/tools/script_models.py '" + made + "'");
    EXPECT_EQ(python.exit_code, 0)
        << python.err << "\n(python3-torch comes by: deploy/install-packages test)";
    return made;
  }();
  return folder;
}

std::string PathOf(const std::string& name) { return ModelFolder() + "/" + name + ".pt"; }

TrainingOptions OptionsOf(const std::string& name) {
  TrainingOptions options;
  options.model.name = PathOf(name);
  return options;
}

std::shared_ptr<const Dataset> SomeDigits() {
  static const auto digits = std::make_shared<const Dataset>(
      Dataset{DrawDigits(0, 2000), DrawDigits(kDigitsTrain, kImages)});
  return digits;
}

std::unique_ptr<Trainer> TrainerOf(const std::string& name) {
  absl::StatusOr<std::unique_ptr<Trainer>> trainer =
      MakeTorchTrainer(OptionsOf(name), SomeDigits());
  EXPECT_OK(trainer);
  return trainer.ok() ? *std::move(trainer) : nullptr;
}

void Train(Trainer& trainer, std::uint64_t steps, std::uint64_t first = 1) {
  for (std::uint64_t step = first; step < first + steps; ++step) {
    ASSERT_OK(trainer.Step(step, 1e-3));
  }
}

std::vector<float> Copy(Trainer& trainer) {
  return {trainer.local().begin(), trainer.local().end()};
}

const LayoutEntry& EntryOf(const Layout& layout, const std::string& name) {
  for (const LayoutEntry& entry : layout.entries) {
    if (entry.name == name) return entry;
  }
  ADD_FAILURE() << "no entry " << name;
  return layout.entries.front();
}

float First(Trainer& trainer, const std::string& name) {
  return trainer.local()[EntryOf(trainer.layout(), name).offset];
}

class GoodScript : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(EveryModel, GoodScript,
                         testing::Values("net", "traced", "tied", "frozen_layer", "mean"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(GoodScript, LearnsAndPredictsInPythonWhatItDoesHere) {
  const auto trainer = TrainerOf(GetParam());
  ASSERT_NE(trainer, nullptr);
  const auto before = trainer->Evaluate(trainer->local(), 0, 1);
  ASSERT_OK(before);
  Train(*trainer, 60);
  const auto counts = trainer->Evaluate(trainer->local(), 0, 1);
  ASSERT_OK(counts);
  EXPECT_LT(counts->loss_sum, before->loss_sum);
  EXPECT_GT(counts->correct, kImages / 4);  // Chance names a tenth.

  const std::string saved = testing::TempDir() + "rondo_script_" + GetParam() + ".pt";
  ASSERT_OK(trainer->Save(trainer->local(), saved));
  const tests::PythonCounts python = tests::CountInPython(saved, SomeDigits()->test);
  EXPECT_EQ(python.correct, counts->correct);
  EXPECT_NEAR(python.loss_sum / kImages, counts->loss_sum / kImages, 1e-5);
  // And it is a model like any other file, whose values are those that were saved.
  TrainingOptions options;
  options.model.name = saved;
  const auto again = MakeTorchTrainer(options, SomeDigits());
  ASSERT_OK(again);
  EXPECT_EQ(Copy(**again), Copy(*trainer));
  EXPECT_EQ((*again)->layout().trainable, trainer->layout().trainable);
}

TEST_P(GoodScript, RepeatsARunBitForBit) {
  const auto one = TrainerOf(GetParam());
  const auto other = TrainerOf(GetParam());
  ASSERT_TRUE(one != nullptr && other != nullptr);
  Train(*one, 10);
  // A test of another model in between moves nothing: neither masks nor the graph depend on it.
  Train(*other, 4);
  const std::vector<float> zeros(other->layout().total, 0.0f);
  ASSERT_OK(other->Evaluate(zeros, 0, 1));
  Train(*other, 6, /*first=*/5);
  EXPECT_EQ(Copy(*one), Copy(*other));
}

TEST(ScriptModel, BuffersStandBehindWhatIsTrainedAndCountersStayBehind) {
  const auto trainer = TrainerOf("net");
  ASSERT_NE(trainer, nullptr);
  const Layout& layout = trainer->layout();
  // Convolution 8 x 9 + 8, norm 2 x 8, 1568 x 10 + 10; running mean and variance.
  EXPECT_EQ(layout.trainable, 72U + 8 + 16 + 15690);
  EXPECT_EQ(layout.total, layout.trainable + 16);
  EXPECT_EQ(layout.entries.size(), 8U);  // num_batches_tracked is an integer.
  EXPECT_EQ(EntryOf(layout, "norm.running_var").offset, layout.trainable + 8);
  EXPECT_EQ(First(*trainer, "norm.running_var"), 1);  // The file's.
  Train(*trainer, 2);
  EXPECT_NE(First(*trainer, "norm.running_var"), 1);
}

TEST(ScriptModel, ATestLeavesBuffersAlone) {
  const auto trainer = TrainerOf("mean");
  ASSERT_NE(trainer, nullptr);
  Train(*trainer, 3);
  const std::vector<float> before = Copy(*trainer);
  const std::vector<float> zeros(trainer->layout().total, 0.0f);
  ASSERT_OK(trainer->Evaluate(zeros, 0, 1));
  ASSERT_OK(trainer->Evaluate(trainer->local(), 0, 1));
  EXPECT_EQ(Copy(*trainer), before);
}

TEST(ScriptModel, WhatForwardAssignsToABufferComesIntoTheVector) {
  const auto trainer = TrainerOf("mean");
  ASSERT_NE(trainer, nullptr);
  const LayoutEntry& mean = EntryOf(trainer->layout(), "mean");
  Train(*trainer, 3);
  float largest = 0;
  for (std::uint64_t i = 0; i < mean.count; ++i) {
    largest = std::max(largest, trainer->local()[mean.offset + i]);
  }
  // After three batches 1 - 0.9^3 of the mean pixel, which is below 1.
  EXPECT_GT(largest, 0.01f);
  EXPECT_LT(largest, 0.28f);
}

TEST(ScriptModel, TiedWeightsAreThereOnce) {
  const auto trainer = TrainerOf("tied");
  ASSERT_NE(trainer, nullptr);
  EXPECT_EQ(trainer->layout().total, 784U * 32 + 32 + 32 * 32 + 32 + 32 + 330);
  EXPECT_EQ(trainer->layout().entries.size(), 7U);
}

TEST(ScriptModel, AFrozenParameterIsNotTrained) {
  const auto trainer = TrainerOf("frozen_layer");
  ASSERT_NE(trainer, nullptr);
  EXPECT_GE(EntryOf(trainer->layout(), "conv.weight").offset, trainer->layout().trainable);
  const float before = First(*trainer, "conv.weight");
  const float bias_before = First(*trainer, "conv.bias");
  Train(*trainer, 3);
  EXPECT_EQ(First(*trainer, "conv.weight"), before);
  EXPECT_NE(First(*trainer, "conv.bias"), bias_before);
}

TEST(ScriptModel, DropoutFollowsFromSeedSlotAndStep) {
  const auto loss = [](std::uint64_t seed, std::uint32_t slot, std::uint64_t step) {
    RandomStream random(seed, Purpose::kDropout, slot, step);
    const auto file = ReadModelFile(PathOf("net"));
    EXPECT_OK(file);
    const auto model = ScriptModel::Load(*file);
    EXPECT_OK(model);
    FlatVector values((*model)->layout().total);
    (*model)->SetInitial(values.span());
    return (*model)
        ->Train(torch::ones({4, 1, 28, 28}), TensorsOver((*model)->layout(), values.data()), random)
        .sum()
        .item<float>();
  };
  EXPECT_EQ(loss(1, 2, 3), loss(1, 2, 3));
  EXPECT_NE(loss(1, 2, 3), loss(2, 2, 3));
  EXPECT_NE(loss(1, 2, 3), loss(1, 3, 3));
  EXPECT_NE(loss(1, 2, 3), loss(1, 2, 4));
}

TEST(ScriptModel, FilesOfOneShapeButOtherBytesHaveOtherLayouts) {
  const auto layout = [](const std::string& name) {
    const auto found = LayoutOfModelFile(OptionsOf(name));
    EXPECT_OK(found);
    return *found;
  };
  const Layout net = layout("net");
  EXPECT_EQ(net.Hash(), layout("net").Hash());
  const auto trainer = TrainerOf("net");
  TrainingOptions saved = OptionsOf("net");
  saved.model.name = testing::TempDir() + "rondo_script_other.pt";
  Train(*trainer, 1);
  ASSERT_OK(trainer->Save(trainer->local(), saved.model.name));
  const auto other = LayoutOfModelFile(saved);
  ASSERT_OK(other);
  EXPECT_EQ(other->total, net.total);
  EXPECT_NE(other->Hash(), net.Hash());
}

TEST(ScriptModel, TestsAFileOnTheWholeTestSet) {
  TrainingOptions options = OptionsOf("net");
  const auto counts = EvaluateModelFile(options);
  ASSERT_OK(counts);
  EXPECT_EQ(counts->samples, kDigitsTest);
}

TEST(ScriptModel, IsLookedUpBelowRondoData) {
  ASSERT_EQ(setenv("RONDO_DATA", ModelFolder().c_str(), 1), 0);
  const auto found = ReadModelFile("net.pt");
  ASSERT_EQ(unsetenv("RONDO_DATA"), 0);
  ASSERT_OK(found);
  EXPECT_EQ(found->path, PathOf("net"));
  const runtime::UserError error = runtime::ToUserError(ReadModelFile("no-such/net.pt").status());
  EXPECT_EQ(error.code, "MODEL_NOT_FOUND");
  EXPECT_EQ(error.exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(error.message, HasSubstr("no-such/net.pt"));
}

struct BrokenFile {
  const char* name;
  const char* reason;  // Part of the message.
};

const BrokenFile kBrokenFiles[] = {
    {"empty", "is empty"},
    {"truncated_early", "cannot be read as TorchScript: "},
    {"truncated_half", "cannot be read as TorchScript: "},
    {"truncated_late", "cannot be read as TorchScript: "},
    {"random", "cannot be read as TorchScript: "},
    {"no_code", "cannot be read as TorchScript: "},
    {"no_zip_content", "cannot be read as TorchScript: "},
    {"bad_code", "cannot be read as TorchScript: "},
    {"unknown_operator", "the operator aten::flattem"},
    {"new_version", "version 99"},
    {"state_dict", "cannot be read as TorchScript: "},
    {"old_state_dict", "cannot be read as TorchScript: "},
    {"float64", "the parameter conv.weight of Double"},
    {"half", "the parameter conv.weight of Half"},
    {"nan", "the parameter fc.bias, which holds values that are no finite numbers"},
    {"overlapping", "the parameter other, a part of one"},
    {"no_parameters", "has no parameters to train"},
    {"two_arguments", "missing value for argument 'y'"},
    {"wrong_shape", "shapes cannot be multiplied"},
    {"wrong_classes", "forward gives [2, 12] for 2 samples in 10 classes"},
    {"pair", "forward gives Tuple, not a tensor"},
    {"raises", "three channels are needed"},
    {"detached", "follows from no parameter"},
    {"assigns", "forward assigns to the parameter weight"},
};

class BrokenScript : public testing::TestWithParam<BrokenFile> {};
INSTANTIATE_TEST_SUITE_P(EveryFile, BrokenScript, testing::ValuesIn(kBrokenFiles),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(BrokenScript, IsRefusedWithFileAndReason) {
  const auto trainer = MakeTorchTrainer(OptionsOf(GetParam().name), SomeDigits());
  ASSERT_FALSE(trainer.ok());
  const runtime::UserError error = runtime::ToUserError(trainer.status());
  EXPECT_EQ(error.exit, runtime::Exit::kUnreadable) << error.message;
  EXPECT_THAT(error.message, HasSubstr(PathOf(GetParam().name)));
  EXPECT_THAT(error.message, HasSubstr(GetParam().reason));
  EXPECT_LT(error.message.size(), 700U) << error.message;
}

TEST(ScriptModel, AFolderIsNoModel) {
  const std::string folder = testing::TempDir() + "rondo_script_folder.pt";
  std::filesystem::create_directories(folder);
  TrainingOptions options;
  options.model.name = folder;
  const runtime::UserError error =
      runtime::ToUserError(MakeTorchTrainer(options, SomeDigits()).status());
  EXPECT_EQ(error.exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(error.message, HasSubstr("is no regular file"));
}

}  // namespace
}  // namespace actors
