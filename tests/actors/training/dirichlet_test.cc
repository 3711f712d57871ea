#include "actors/training/dirichlet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace actors {
namespace {

TEST(Logarithm, AgreesWithTheLibrary) {
  for (double x = 1e-300; x < 1e300; x *= 1.7) {
    EXPECT_NEAR(Logarithm(x), std::log(x), 1e-14 * std::max(1.0, std::fabs(std::log(x)))) << x;
  }
  EXPECT_EQ(Logarithm(1), 0);
}

TEST(Exponential, AgreesWithTheLibrary) {
  for (double x = 0; x > -700; x -= 0.37) {
    EXPECT_NEAR(Exponential(x) / std::exp(x), 1, 1e-13) << x;
  }
  EXPECT_EQ(Exponential(0), 1);
  EXPECT_EQ(Exponential(-1e9), 0);
}

// The mean and the variance of a gamma distribution of scale 1 are its shape.
TEST(LogOfGamma, HasTheMomentsOfItsShape) {
  for (const double shape : {0.1, 0.5, 1.0, 2.5, 40.0}) {
    RandomStream random(11, Purpose::kDirichlet);
    constexpr int kDraws = 40000;
    double sum = 0, squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double value = std::exp(LogOfGamma(shape, random));
      sum += value;
      squares += value * value;
    }
    const double mean = sum / kDraws;
    // Four standard deviations of the mean; the variance's are larger.
    EXPECT_NEAR(mean, shape, 4 * std::sqrt(shape / kDraws)) << shape;
    EXPECT_NEAR(squares / kDraws - mean * mean, shape, 0.12 * shape + 0.005) << shape;
  }
}

// P(X > 1) of the exponential distribution, which is that of shape 1, is 1/e.
TEST(LogOfGamma, OfShapeOneIsExponential) {
  RandomStream random(12, Purpose::kDirichlet);
  int above = 0;
  for (int i = 0; i < 40000; ++i) above += LogOfGamma(1, random) > 0 ? 1 : 0;
  EXPECT_NEAR(above / 40000.0, std::exp(-1.0), 0.01);
}

TEST(DrawDirichletShares, GivesAllOfEachClassAwayHoweverSmallTheConcentration) {
  const std::vector<std::uint64_t> by_class = {1000, 0, 1, 70000};
  for (const double concentration : {1e-3, 0.5, 1e6}) {
    DirichletOptions options;
    options.concentration = concentration;
    options.world_size = 7;
    options.least_samples = 0;
    const auto shares = DrawDirichletShares(options, by_class);
    ASSERT_TRUE(shares.has_value());
    for (std::size_t label = 0; label < by_class.size(); ++label) {
      std::uint64_t sum = 0;
      for (const auto& shard : *shares) sum += shard[label];
      EXPECT_EQ(sum, by_class[label]) << concentration;
    }
  }
}

// A share of Dir(A, ..., A) over K ranks has the variance (K - 1) / (K² (K A + 1)).
TEST(DrawDirichletShares, SharesVaryAsTheConcentrationSays) {
  const std::vector<std::uint64_t> by_class(400, 1000000);
  DirichletOptions options;
  options.concentration = 0.5;
  options.world_size = 4;
  options.least_samples = 0;
  const auto shares = DrawDirichletShares(options, by_class);
  ASSERT_TRUE(shares.has_value());
  double squares = 0;
  for (const auto& shard : *shares) {
    for (const std::uint64_t samples : shard) {
      const double off = static_cast<double>(samples) / 1e6 - 0.25;
      squares += off * off / 1600;
    }
  }
  EXPECT_NEAR(squares, 3.0 / 16 / 3, 0.006);
}

TEST(DrawDirichletShares, GivesUpWhereThereIsNotEnoughForAll) {
  DirichletOptions options;
  options.world_size = 3;
  options.least_samples = 4;
  EXPECT_FALSE(DrawDirichletShares(options, {11}).has_value());
}

}  // namespace
}  // namespace actors
