// What a trainer makes of its data: streams that drift, predictions before each step, and samples
// that are no images.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/training/batch_sampler.h"
#include "actors/training/digits.h"
#include "actors/training/libsvm.h"
#include "actors/training/partition.h"
#include "actors/training/random.h"
#include "actors/training/text.h"
#include "actors/training/torch_trainer.h"
#include "tests/actors/training/small_set.h"
#include "tests/support/data_folder.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

// Tested first, then trained on: what the step says is what the model before it gets right.
TEST(TrainerData, AStepCountsWhatTheModelBeforeItGotRight) {
  TrainingOptions options;
  options.optimizer.batch = 300;
  const auto trainer = Make(options);
  Train(*trainer, 1, 20);
  const ImageSet& digits = SmallSet()->train;
  BatchSampler sampler(
      Partition(PartitionRule(),
                std::vector<std::uint32_t>(digits.labels.begin(), digits.labels.end()), 1,
                options.data.seed)
          .value()[0],
      300, BatchOrder::kUniform, options.model.seed, 0);
  Dataset batch{digits, ImageSet()};
  for (const std::uint32_t sample : sampler.Draw(21)) {
    batch.test.labels.push_back(digits.labels[sample]);
    batch.test.pixels.insert(batch.test.pixels.end(), digits.image(sample),
                             digits.image(sample) + kImagePixels);
  }
  const auto tester = Make(options, std::make_shared<const Dataset>(batch));
  const auto tested = tester->Evaluate(trainer->local(), 0, 1);
  ASSERT_OK(tested);
  const auto step = trainer->Step(21, kLearningRate);
  ASSERT_OK(step);
  EXPECT_EQ(step->predictions.all, 300u);
  EXPECT_EQ(step->predictions.correct, tested->correct);
  EXPECT_GT(tested->correct, 60u);  // Chance names 30.
}

double ErrorOfSteps(Trainer& trainer, std::uint64_t first, std::uint64_t last) {
  PredictionCounts counts;
  for (std::uint64_t step = first; step <= last; ++step) {
    trainer.AtRunStep(step);
    const auto outcome = trainer.Step(step, kLearningRate);
    EXPECT_OK(outcome);
    counts += outcome->predictions;
  }
  return *counts.Error();
}

TEST(TrainerData, ADriftIsSeenInThePredictionsAndInTheTestAtOnce) {
  for (const char* const drift : {"labels:300", "rotate:300"}) {
    SCOPED_TRACE(drift);
    TrainingOptions options;
    options.data.drift = drift;
    const auto trainer = Make(options);
    EXPECT_GT(ErrorOfSteps(*trainer, 1, 10), 0.6);
    ErrorOfSteps(*trainer, 11, 280);
    const double learned = ErrorOfSteps(*trainer, 281, 300);
    const double tested = Accuracy(*trainer);
    EXPECT_LT(learned, 0.35);
    EXPECT_GT(tested, 0.6);
    trainer->AtRunStep(301);
    EXPECT_LT(Accuracy(*trainer), 0.45);
    EXPECT_GT(ErrorOfSteps(*trainer, 301, 310), learned + 0.2);
    ErrorOfSteps(*trainer, 311, 580);
    EXPECT_GT(Accuracy(*trainer), 0.6);
    trainer->AtRunStep(300);
    EXPECT_LT(Accuracy(*trainer), tested);
  }
}

TEST(TrainerData, AStreamThatDoesNotDriftTrainsTheSameBitsAsEver) {
  TrainingOptions options;
  const auto plain = Make(options);
  options.data.drift = "rotate:1000";
  const auto drifting = Make(options);
  Train(*plain, 1, 5);
  ErrorOfSteps(*drifting, 1, 5);
  EXPECT_EQ(Values(*plain), Values(*drifting));
}

TEST(TrainerData, TheTransformerLearnsATextByHeart) {
  const tests::DataFolder folder;
  std::string text;
  for (int i = 0; i < 300; ++i) text += "how much wood would a woodchuck chuck? ";
  folder.Write("it.txt", text);
  const auto data = ReadText(folder.path(), 16);
  ASSERT_OK(data);
  TrainingOptions options;
  options.data.source = "text";
  options.data.context = 16;
  options.model.name = "transformer";
  options.optimizer.batch = 8;
  auto made = MakeTorchTrainer(options, *data);
  ASSERT_OK(made);
  Trainer& trainer = **made;
  EXPECT_LT(Accuracy(trainer), 0.3);
  const auto first = trainer.Step(1, kLearningRate);
  ASSERT_OK(first);
  EXPECT_EQ(first->samples, 8u);
  EXPECT_EQ(first->predictions.all, 8u * 16);
  Train(trainer, 2, 150);
  EXPECT_GT(Accuracy(trainer), 0.8);
  const auto counts = trainer.Evaluate(trainer.local(), 0, 1);
  ASSERT_OK(counts);
  EXPECT_EQ(counts->samples, trainer.Data().test_samples * 16);
  EXPECT_EQ(trainer.Data().samples_by_class.size(), data->shape.classes);
}

TEST(TrainerData, LogisticRegressionLearnsSparseRows) {
  const tests::DataFolder folder;
  const auto rows = [](int count, std::uint64_t seed) {
    RandomStream random(seed, Purpose::kDigit);
    std::string text;
    for (int i = 0; i < count; ++i) {
      const std::uint32_t label = random.NextBelow(3);
      absl::StrAppend(&text, label, " ", 1 + label, ":1 ", 10 + random.NextBelow(90), ":0.5\n");
    }
    return text;
  };
  folder.Write("train.svm", rows(600, 1));
  folder.Write("test.svm", rows(100, 2));
  const auto data = ReadLibsvm(folder.path());
  ASSERT_OK(data);
  TrainingOptions options;
  options.data.source = "libsvm";
  options.model.name = "logistic";
  auto made = MakeTorchTrainer(options, *data);
  ASSERT_OK(made);
  EXPECT_EQ((*made)->layout().total, 3u * data->shape.input.columns + 3);
  for (std::uint64_t step = 1; step <= 100; ++step) ASSERT_OK((*made)->Step(step, 0.05));
  EXPECT_GT(Accuracy(**made), 0.99);
  options.model.name = "lenet5";
  EXPECT_THAT(MakeTorchTrainer(options, *data), tests::HasMessage("does not fit"));
  options.model.name = "logistic";
  options.data.drift = "rotate:5";
  EXPECT_THAT(MakeTorchTrainer(options, *data), tests::HasMessage("as high as wide"));
}

TEST(TrainerData, DirichletShardsAreTheWorkersOwnInSize) {
  TrainingOptions options;
  options.data.partition = "dirichlet:0.5";
  const auto trainer = Make(options);
  const PartitionRule rule = ParsePartition("dirichlet:0.5", 32).value();
  const auto sizes = ShardSizes(rule, trainer->Data().samples_by_class, 4, options.data.seed);
  ASSERT_OK(sizes);
  EXPECT_NE((*sizes)[0], (*sizes)[1]);
  Placement placement;
  placement.world_size = 4;
  for (placement.rank = 0; placement.rank < 4; ++placement.rank) {
    ASSERT_OK(trainer->Place(placement));
  }
  options.data.partition = "dirichlet:0.001";
  const auto few = Make(options);
  placement.rank = 0;
  placement.world_size = 31;
  EXPECT_THAT(few->Place(placement), tests::HasMessage("fewer than 64 samples"));
}

}  // namespace
}  // namespace actors
