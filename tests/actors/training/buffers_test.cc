// Models with buffers, and with images in colour, in the trainer: DenseNet-121 on noise.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "actors/training/dataset.h"
#include "actors/training/random.h"
#include "actors/training/torch_trainer.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

ImageSet Noise(std::uint32_t slot, std::size_t samples) {
  RandomStream random(1, Purpose::kDigitNoise, slot);
  ImageSet set;
  set.shape = kCifar10Shape;
  for (std::size_t i = 0; i < samples; ++i) {
    set.labels.push_back(static_cast<std::uint8_t>(i % kImageClasses));
  }
  set.pixels.resize(samples * set.shape.pixels());
  for (std::uint8_t& pixel : set.pixels) pixel = static_cast<std::uint8_t>(random.NextWord());
  return set;
}

std::unique_ptr<Trainer> MakeDenseNet() {
  static const auto set = std::make_shared<const Dataset>(Dataset{Noise(0, 40), Noise(1, 20)});
  TrainingOptions options;
  options.model.name = "densenet121";
  options.model.init = "he_normal";
  options.model.dropout = 0.2;
  options.data.source = "cifar10";
  options.optimizer.name = "sgd";
  options.optimizer.batch = 4;
  auto trainer = MakeTorchTrainer(options, set);
  EXPECT_OK(trainer);
  return *std::move(trainer);
}

using Floats = std::vector<float>;

Floats Parameters(Trainer& trainer) {
  const absl::Span<float> trainable = trainer.local().first(trainer.layout().trainable);
  return {trainable.begin(), trainable.end()};
}

Floats Buffers(Trainer& trainer) {
  const absl::Span<float> buffers = trainer.local().subspan(trainer.layout().trainable);
  return {buffers.begin(), buffers.end()};
}

bool SameBits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(DenseNetTrainer, OneSeedGivesTheSameBitsBuffersIncluded) {
  const auto one = MakeDenseNet(), same = MakeDenseNet();
  const Floats parameters = Parameters(*one), buffers = Buffers(*one);
  EXPECT_EQ(buffers.size(), 83648u);
  for (Trainer* const trainer : {one.get(), same.get()}) {
    for (std::uint64_t step = 1; step <= 2; ++step) ASSERT_OK(trainer->Step(step, 0.1));
  }
  EXPECT_FALSE(SameBits(Parameters(*one), parameters));
  EXPECT_FALSE(SameBits(Buffers(*one), buffers));
  EXPECT_TRUE(SameBits(Parameters(*one), Parameters(*same)));
  EXPECT_TRUE(SameBits(Buffers(*one), Buffers(*same)));
}

TEST(DenseNetTrainer, ALossThatIsNotFiniteLeavesTheBuffersAlone) {
  const auto trainer = MakeDenseNet();
  ASSERT_OK(trainer->Step(1, 0.1));
  trainer->local()[trainer->layout().trainable - 1] = std::numeric_limits<float>::quiet_NaN();
  const Floats parameters = Parameters(*trainer), buffers = Buffers(*trainer);
  EXPECT_THAT(trainer->Step(2, 0.1), tests::HasCode(absl::StatusCode::kDataLoss));
  EXPECT_TRUE(SameBits(Parameters(*trainer), parameters));
  EXPECT_TRUE(SameBits(Buffers(*trainer), buffers));
}

TEST(DenseNetTrainer, TestsWithTheBuffersOfTheModelItIsGiven) {
  const auto trainer = MakeDenseNet();
  ASSERT_OK(trainer->Step(1, 0.1));
  const Floats before(trainer->local().begin(), trainer->local().end());
  const auto own = trainer->Evaluate(before, 0, 1);
  ASSERT_OK(own);
  EXPECT_EQ(own->samples, 20u);
  Floats other = before;
  for (std::size_t i = trainer->layout().trainable; i < other.size(); ++i) other[i] += 1;
  const auto shifted = trainer->Evaluate(other, 0, 1);
  ASSERT_OK(shifted);
  EXPECT_NE(own->loss_sum, shifted->loss_sum);
  EXPECT_TRUE(SameBits(before, Floats(trainer->local().begin(), trainer->local().end())));
}

TEST(DenseNetTrainer, NamesTheShapeOfItsSamples) {
  EXPECT_THAT(MakeDenseNet()->Data().sample_shape, testing::ElementsAre(3u, 32u, 32u));
}

}  // namespace
}  // namespace actors
