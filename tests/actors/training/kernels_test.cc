#include "actors/training/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "actors/training/random.h"

namespace actors {
namespace {

using Floats = std::vector<float>;

// Odd, so that every vector loop has a remainder.
constexpr std::size_t kCount = 1003;

Floats RandomFloats(std::size_t count, float scale, std::uint32_t slot) {
  RandomStream random(11, Purpose::kInitialModel, slot);
  Floats floats(count);
  for (float& value : floats) value = scale * random.NextSymmetric();
  return floats;
}

bool SameBits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

Floats AdamResult(const TrainingKernels& kernels, float retained) {
  const AdamScalars scalars = {0.9f, 0.1f, 0.999f, 0.001f, 1e-3f, 1.5f, 1e-7f, 1e-2f, retained};
  const Floats gradient = RandomFloats(kCount, 1, 1);
  Floats first = RandomFloats(kCount, 1, 2), second(kCount, 0.25f), w = RandomFloats(kCount, 1, 3);
  kernels.adam_step(scalars, kCount, gradient.data(), first.data(), second.data(), w.data());
  first.insert(first.end(), second.begin(), second.end());
  first.insert(first.end(), w.begin(), w.end());
  return first;
}

Floats SgdResult(const TrainingKernels& kernels, bool nesterov) {
  const SgdScalars scalars = {0.1f, 0.9f, 1e-3f, nesterov};
  const Floats gradient = RandomFloats(kCount, 1, 1);
  Floats velocity = RandomFloats(kCount, 1, 2), w = RandomFloats(kCount, 1, 3);
  kernels.sgd_step(scalars, kCount, gradient.data(), velocity.data(), w.data());
  velocity.insert(velocity.end(), w.begin(), w.end());
  return velocity;
}

constexpr std::size_t kPlanes = 3, kRows = 10, kColumns = 14;
constexpr std::size_t kPixels = kPlanes * kRows * kColumns;

Floats TanhPoolResult(const TrainingKernels& kernels) {
  const Floats input = RandomFloats(kPixels, 6, 4);
  const Floats of_pooled = RandomFloats(kPixels / 4, 1, 5);
  Floats tanh(kPixels), pooled(kPixels / 4), of_input(kPixels);
  kernels.tanh_pool_forward(kPlanes, kRows, kColumns, input.data(), tanh.data(), pooled.data());
  kernels.tanh_pool_backward(kPlanes, kRows, kColumns, tanh.data(), of_pooled.data(),
                             of_input.data());
  tanh.insert(tanh.end(), pooled.begin(), pooled.end());
  tanh.insert(tanh.end(), of_input.begin(), of_input.end());
  return tanh;
}

TEST(TrainingKernels, AllVariantsGiveTheSameBits) {
  const TrainingKernels& best = BestTrainingKernels();
  const TrainingKernels& baseline = BaselineTrainingKernels();
  EXPECT_TRUE(SameBits(AdamResult(best, 1), AdamResult(baseline, 1)));
  EXPECT_TRUE(SameBits(AdamResult(best, 0.99f), AdamResult(baseline, 0.99f)));
  EXPECT_TRUE(SameBits(SgdResult(best, false), SgdResult(baseline, false)));
  EXPECT_TRUE(SameBits(SgdResult(best, true), SgdResult(baseline, true)));
  EXPECT_TRUE(SameBits(TanhPoolResult(best), TanhPoolResult(baseline)));
}

// tanh of each value, by a plane of equal pixels.
Floats TanhOf(const Floats& values) {
  Floats padded = values;
  padded.resize((values.size() + 3) / 4 * 4);
  Floats tanh(padded.size()), pooled(padded.size() / 4);
  BestTrainingKernels().tanh_pool_forward(1, 2, padded.size() / 2, padded.data(), tanh.data(),
                                          pooled.data());
  tanh.resize(values.size());
  return tanh;
}

TEST(TanhPool, TanhIsWithinTwoTenMillionthsOfTheTrueValue) {
  Floats values;
  for (float x = -12; x <= 12; x += 1.0f / 1024) values.push_back(x);
  for (float x = 1e-30f; x < 1; x *= 1.7f) values.push_back(-x);
  const Floats tanh = TanhOf(values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double truth = std::tanh(double{values[i]});
    ASSERT_NEAR(tanh[i], truth, 2e-7) << "x = " << values[i];
    // Near zero too, where an absolute bound would say nothing.
    ASSERT_NEAR(tanh[i], truth, 4e-7 * std::fabs(truth)) << "x = " << values[i];
  }
}

TEST(TanhPool, TanhKeepsZerosLimitsAndNaN) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const Floats tanh =
      TanhOf({0.0f, -0.0f, kInfinity, -kInfinity, 1e30f, std::nanf(""), -std::nanf("")});
  EXPECT_EQ(tanh[0], 0);
  EXPECT_TRUE(std::signbit(tanh[1]));
  EXPECT_EQ(tanh[2], 1);
  EXPECT_EQ(tanh[3], -1);
  EXPECT_EQ(tanh[4], 1);
  EXPECT_TRUE(std::isnan(tanh[5]));
  EXPECT_TRUE(std::isnan(tanh[6]));
}

TEST(TanhPool, PoolsAndSpreadsOverTwoByTwoSquares) {
  const Floats input = RandomFloats(kPixels, 2, 4);
  const Floats of_pooled = RandomFloats(kPixels / 4, 1, 5);
  Floats tanh(kPixels), pooled(kPixels / 4), of_input(kPixels);
  const TrainingKernels& kernels = BestTrainingKernels();
  kernels.tanh_pool_forward(kPlanes, kRows, kColumns, input.data(), tanh.data(), pooled.data());
  kernels.tanh_pool_backward(kPlanes, kRows, kColumns, tanh.data(), of_pooled.data(),
                             of_input.data());
  for (std::size_t plane = 0; plane < kPlanes; ++plane) {
    for (std::size_t row = 0; row < kRows; ++row) {
      for (std::size_t column = 0; column < kColumns; ++column) {
        const std::size_t pixel = (plane * kRows + row) * kColumns + column;
        const std::size_t corner = (plane * kRows + row / 2 * 2) * kColumns + column / 2 * 2;
        const std::size_t square = (plane * kRows / 2 + row / 2) * kColumns / 2 + column / 2;
        const double mean =
            (std::tanh(double{input[corner]}) + std::tanh(double{input[corner + 1]}) +
             std::tanh(double{input[corner + kColumns]}) +
             std::tanh(double{input[corner + kColumns + 1]})) /
            4;
        ASSERT_NEAR(pooled[square], mean, 3e-7);
        const double t = std::tanh(double{input[pixel]});
        ASSERT_NEAR(of_input[pixel], of_pooled[square] / 4 * (1 - t * t), 3e-7);
      }
    }
  }
}

}  // namespace
}  // namespace actors
