#include "actors/averaging/polynomial_hash.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>

namespace actors {
namespace {

TEST(PolynomialHash, FieldArithmeticWrapsAtTheMersennePrime) {
  EXPECT_EQ(AddInField(kMersenne61 - 1, 1), 0u);
  EXPECT_EQ(AddInField(kMersenne61 - 1, kMersenne61 - 1), kMersenne61 - 2);
  // (-1)·(-1) = 1, and 2^60 · 2 = 2^61 = 1.
  EXPECT_EQ(MultiplyInField(kMersenne61 - 1, kMersenne61 - 1), 1u);
  EXPECT_EQ(MultiplyInField(std::uint64_t{1} << 60, 2), 1u);
  EXPECT_EQ(MultiplyInField(0, kMersenne61 - 1), 0u);
}

TEST(PolynomialHash, CubicIsEvaluatedInTheField) {
  const CubicHash hash = {.coefficients = {7, 5, 3, 2}};
  EXPECT_EQ(hash.At(0), 7u);
  EXPECT_EQ(hash.At(10), 7u + 50u + 300u + 2000u);
  const LinearHash line = {.coefficients = {7, kMersenne61 - 1}};
  EXPECT_EQ(line.At(8), kMersenne61 - 1);
}

TEST(PolynomialHash, ForwardDifferencesEqualDirectEvaluation) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    FieldRandom random(seed);
    const CubicHash hash = CubicHash::Draw(random);
    CubicSequence sequence(hash);
    for (std::uint64_t key = 0; key < 10'000; ++key) ASSERT_EQ(sequence.Next(), hash.At(key));
  }
}

TEST(PolynomialHash, SequencesOfExtremeCoefficientsStayInTheField) {
  for (const std::uint64_t coefficient : {std::uint64_t{0}, kMersenne61 - 1}) {
    const CubicHash hash = {.coefficients = {coefficient, coefficient, coefficient, coefficient}};
    CubicSequence sequence(hash);
    for (std::uint64_t key = 0; key < 100; ++key) {
      const std::uint64_t value = sequence.Next();
      ASSERT_LT(value, kMersenne61);
      ASSERT_EQ(value, hash.At(key));
    }
  }
}

TEST(PolynomialHash, ProductsOfFourSignsAverageToZero) {
  // 4-wise independence, seen over the choice of the polynomial: 20,000 draws, standard error
  // 0.007.
  constexpr int kDraws = 20'000;
  FieldRandom random(1);
  int sum = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    const CubicHash hash = CubicHash::Draw(random);
    int product = 1;
    for (const std::uint64_t key : {0, 1, 2, 3}) product *= hash.At(key) & 1 ? -1 : 1;
    sum += product;
  }
  EXPECT_LT(std::abs(sum), 0.03 * kDraws);
}

TEST(PolynomialHash, EqualSeedsDrawEqualHashesAndOthersDoNot) {
  FieldRandom first(42), second(42), other(43);
  EXPECT_EQ(CubicHash::Draw(first).coefficients, CubicHash::Draw(second).coefficients);
  EXPECT_NE(CubicHash::Draw(first).coefficients, CubicHash::Draw(other).coefficients);
}

}  // namespace
}  // namespace actors
