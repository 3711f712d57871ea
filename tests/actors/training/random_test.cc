#include "actors/training/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace actors {
namespace {

// The known answers that the authors of Philox publish with it.
TEST(Philox, GivesItsAuthorsKnownAnswers) {
  EXPECT_EQ(Philox({0, 0, 0, 0}, {0, 0}),
            (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, DiffersInSeedPurposeSlotAndStepOnly) {
  const std::uint64_t high = std::uint64_t{1} << 40;
  std::set<std::uint32_t> first_words;
  for (RandomStream stream :
       {RandomStream(1, Purpose::kBatch, 2, 3), RandomStream(2, Purpose::kBatch, 2, 3),
        RandomStream(1 + high, Purpose::kBatch, 2, 3), RandomStream(1, Purpose::kDigit, 2, 3),
        RandomStream(1, Purpose::kBatch, 3, 3), RandomStream(1, Purpose::kBatch, 2, 4),
        RandomStream(1, Purpose::kBatch, 2, 3 + high)}) {
    first_words.insert(stream.NextWord());
  }
  EXPECT_EQ(first_words.size(), 7u);
  RandomStream one(1, Purpose::kBatch, 2, 3), same(1, Purpose::kBatch, 2, 3);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(one.NextWord(), same.NextWord());
}

TEST(RandomStream, NumbersBelowABoundAreUniform) {
  RandomStream random(7, Purpose::kBatch);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) {
    const std::uint32_t value = random.NextBelow(7);
    ASSERT_LT(value, 7u);
    ++counts[value];
  }
  // Standard deviation 93; the seed is fixed, so this does not flicker.
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);
  EXPECT_EQ(random.NextBelow(1), 0u);
}

TEST(RandomStream, UnitsAndSymmetricNumbersFillTheirIntervals) {
  RandomStream random(8, Purpose::kInitialModel);
  double unit_sum = 0, symmetric_sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const float unit = random.NextUnit();
    const float symmetric = random.NextSymmetric();
    ASSERT_TRUE(unit >= 0 && unit < 1) << unit;
    ASSERT_TRUE(symmetric >= -1 && symmetric < 1) << symmetric;
    unit_sum += unit;
    symmetric_sum += symmetric;
  }
  EXPECT_NEAR(unit_sum / 10000, 0.5, 0.02);
  EXPECT_NEAR(symmetric_sum / 10000, 0, 0.03);
}

TEST(RandomStream, NormalNumbersHaveMeanZeroAndVarianceOne) {
  RandomStream random(9, Purpose::kQuadraticNoise);
  double sum = 0, squares = 0, fourths = 0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const double value = random.NextNormal();
    sum += value;
    squares += value * value;
    fourths += value * value * value * value;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.02);
  EXPECT_NEAR(squares / kCount, 1, 0.02);
  EXPECT_NEAR(fourths / kCount, 2.85, 0.1);
}

}  // namespace
}  // namespace actors
