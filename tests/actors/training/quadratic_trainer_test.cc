#include "actors/training/quadratic_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "actors/training/model_layout.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

TrainingOptions Bowl(std::uint64_t dimension = 24) {
  TrainingOptions options;
  options.model.name = "quadratic";
  options.model.seed = 5;
  options.optimizer.name = "sgd";
  options.quadratic.dimension = dimension;
  return options;
}

std::vector<float> Values(Trainer& trainer) {
  return {trainer.local().begin(), trainer.local().end()};
}

void Train(Trainer& trainer, std::uint64_t steps) {
  for (std::uint64_t step = 1; step <= steps; ++step) ASSERT_OK(trainer.Step(step, 0.5));
}

Placement At(std::uint32_t rank, std::uint32_t world_size) {
  Placement placement;
  placement.slot = rank;
  placement.rank = rank;
  placement.world_size = world_size;
  return placement;
}

TEST(QuadraticTrainer, ASingleWorkerReachesTheOptimumAsTheFormulaSays) {
  QuadraticTrainer trainer(Bowl());
  const std::vector<float> start = Values(trainer);
  Train(trainer, 10);
  for (std::size_t i = 0; i < start.size(); ++i) {
    const double optimum = trainer.optimum()[i];
    const double rate = std::pow(1 - 0.5 * static_cast<double>(1 + i % 8) / 8, 10);
    EXPECT_NEAR(trainer.local()[i], optimum + rate * (start[i] - optimum), 1e-5) << i;
  }
}

TEST(QuadraticTrainer, AStepGoesAsFarAsItsLearningRateSays) {
  QuadraticTrainer trainer(Bowl());
  const std::vector<float> start = Values(trainer);
  ASSERT_OK(trainer.Step(1, 0));
  EXPECT_EQ(Values(trainer), start);
  ASSERT_OK(trainer.Step(2, 1));  // Curvature 1: all the way down.
  EXPECT_NEAR(trainer.local()[7], trainer.optimum()[7], 1e-6);
}

TEST(QuadraticTrainer, RanksPullApartAndTheirMeanIsTheOptimum) {
  for (const std::uint32_t size : {2u, 3u, 4u, 7u}) {
    std::vector<double> mean(24);
    std::vector<std::vector<float>> results;
    for (std::uint32_t rank = 0; rank < size; ++rank) {
      QuadraticTrainer trainer(Bowl());
      ASSERT_OK(trainer.Place(At(rank, size)));
      Train(trainer, 300);
      results.push_back(Values(trainer));
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += double{results[rank][i]} / size;
    }
    for (std::uint32_t rank = 1; rank < size; ++rank) EXPECT_NE(results[rank], results[0]);
    const QuadraticTrainer any(Bowl());
    for (std::size_t i = 0; i < mean.size(); ++i) {
      EXPECT_NEAR(mean[i], any.optimum()[i], 1e-5) << "K = " << size << ", coordinate " << i;
    }
  }
}

TEST(QuadraticTrainer, OneSeedGivesTheSameBitsAndSlotsHaveTheirOwnNoise) {
  TrainingOptions options = Bowl();
  options.quadratic.noise = 0.1;
  QuadraticTrainer one(options), same(options), other_slot(options);
  Placement placement;
  placement.slot = 1;
  ASSERT_OK(other_slot.Place(placement));
  EXPECT_EQ(Values(one), Values(other_slot));
  for (QuadraticTrainer* const trainer : {&one, &same, &other_slot}) Train(*trainer, 50);
  EXPECT_EQ(Values(one), Values(same));
  EXPECT_NE(Values(one), Values(other_slot));
}

TEST(QuadraticTrainer, IntegerModeAddsExactly840PerStep) {
  TrainingOptions options = Bowl();
  options.quadratic.integer = true;
  QuadraticTrainer trainer(options);
  EXPECT_THAT(Values(trainer), testing::Each(0.0f));
  Train(trainer, 19972);  // The last before 2^24.
  EXPECT_THAT(Values(trainer), testing::Each(19972.0f * 840.0f));
}

TEST(QuadraticTrainer, EvaluationMeasuresTheDistanceToTheOptimum) {
  QuadraticTrainer trainer(Bowl());
  std::vector<float> model(trainer.optimum().begin(), trainer.optimum().end());
  const auto perfect = trainer.Evaluate(model, 0, 2);
  ASSERT_OK(perfect);
  EXPECT_EQ(perfect->samples, 1u);
  EXPECT_EQ(perfect->correct, 1u);
  EXPECT_EQ(perfect->loss_sum, 0);
  model[3] += 2;
  const auto off = trainer.Evaluate(model, 0, 2);
  ASSERT_OK(off);
  EXPECT_EQ(off->correct, 0u);
  EXPECT_NEAR(off->loss_sum, 4, 1e-5);
  const auto other_part = trainer.Evaluate(model, 1, 2);
  ASSERT_OK(other_part);
  EXPECT_EQ(other_part->samples, 0u);
}

TEST(QuadraticTrainer, AStepTakesItsTimeByThePauseItWasGiven) {
  TrainingOptions options = Bowl();
  std::vector<runtime::Duration> pauses;
  const auto record = [&pauses](runtime::Duration duration) { pauses.push_back(duration); };
  QuadraticTrainer fast(options, record);
  Train(fast, 3);
  EXPECT_THAT(pauses, testing::IsEmpty());
  options.quadratic.step_time_seconds = 0.25;
  QuadraticTrainer slow(options, record);
  Train(slow, 2);
  EXPECT_THAT(pauses,
              testing::ElementsAre(std::chrono::milliseconds(250), std::chrono::milliseconds(250)));
}

TEST(PauseThread, LetsAtLeastTheDurationPass) {
  const auto start = std::chrono::steady_clock::now();
  PauseThread(std::chrono::milliseconds(2));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(2));
}

TEST(QuadraticTrainer, DivergenceIsDataLossAndLeavesTheModelAlone) {
  QuadraticTrainer trainer(Bowl());
  trainer.local()[0] = std::nanf("");
  const std::vector<float> before = Values(trainer);
  EXPECT_THAT(trainer.Step(1, 0.5), tests::HasCode(absl::StatusCode::kDataLoss));
  EXPECT_EQ(std::memcmp(before.data(), trainer.local().data(), before.size() * sizeof(float)), 0);
}

TEST(QuadraticTrainer, ItsVectorIsAlignedAndStaysInPlace) {
  QuadraticTrainer trainer(Bowl(1001));
  const float* const address = trainer.local().data();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(address) % 64, 0u);
  EXPECT_EQ(trainer.local().size(), trainer.layout().total);
  Train(trainer, 2);
  ASSERT_OK(trainer.Place(At(1, 3)));
  trainer.optimizer().Reset();
  EXPECT_EQ(trainer.local().data(), address);
}

TEST(QuadraticTrainer, SavesItsFloatsOrNamesThePath) {
  QuadraticTrainer trainer(Bowl());
  const std::string path = testing::TempDir() + "quadratic-model.bin";
  ASSERT_OK(trainer.Save(trainer.local(), path));
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  ASSERT_EQ(bytes.size(), trainer.local().size() * sizeof(float));
  EXPECT_EQ(std::memcmp(bytes.data(), trainer.local().data(), bytes.size()), 0);
  std::filesystem::remove(path);
  const absl::Status status = trainer.Save(trainer.local(), "/no/such/folder/model.pt");
  EXPECT_THAT(status, tests::HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(status, tests::HasMessage("/no/such/folder/model.pt"));
}

}  // namespace
}  // namespace actors
