#include "actors/averaging/ams_sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "tests/actors/averaging/vectors.h"

namespace actors {
namespace {

constexpr std::size_t kLenet = 61'706;

std::vector<float> SketchOf(AmsSketch& sketch, const std::vector<float>& values) {
  const std::vector<float> zeros(values.size());
  std::vector<float> out(sketch.values());
  sketch.Sketch(values, zeros, out);
  return out;
}

// Every coordinate alone must land as +1 or -1 in exactly one bucket per row.
TEST(AmsSketch, OneCoordinateFillsOneBucketOfEachRow) {
  AmsSketch sketch({.rows = 3, .columns = 20, .seed = 4}, 100);
  for (std::size_t i = 0; i < 100; ++i) {
    std::vector<float> values(100);
    values[i] = 1;
    const std::vector<float> out = SketchOf(sketch, values);
    for (std::size_t row = 0; row < 3; ++row) {
      int filled = 0;
      for (std::size_t column = 0; column < 20; ++column) {
        const float bucket = out[row * 20 + column];
        if (bucket == 0) continue;
        ++filled;
        EXPECT_EQ(std::abs(bucket), 1);
      }
      EXPECT_EQ(filled, 1) << "coordinate " << i << ", row " << row;
    }
  }
}

TEST(AmsSketch, CoordinatesOfOneBlockNeverShareABucket) {
  AmsSketch sketch({.rows = 5, .columns = 250, .seed = 4}, 2 * 240);
  for (const std::size_t first : {std::size_t{0}, std::size_t{240}}) {
    std::vector<float> values(2 * 240);
    std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(first), 240, 1.0f);
    const std::vector<float> out = SketchOf(sketch, values);
    for (const float bucket : out) EXPECT_LE(std::abs(bucket), 1);
    EXPECT_EQ(tests::SquaredNorm(out), 5 * 240);
  }
}

TEST(AmsSketch, TwoBlocksShareABucketWithProbabilityOneInColumns) {
  // Coordinate 7 of block 0 and coordinate 30 of block 1: the sketch of their sum has one filled
  // bucket less, or none, when they meet. 5 rows x 2,000 seeds, expected 40 of 10,000.
  constexpr int kSeeds = 2000;
  int meetings = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    AmsSketch sketch({.rows = 5, .columns = 250, .seed = static_cast<std::uint64_t>(seed)}, 480);
    std::vector<float> values(480);
    values[7] = 1;
    values[240 + 30] = 1;
    const std::vector<float> out = SketchOf(sketch, values);
    for (std::size_t row = 0; row < 5; ++row) {
      const auto begin = out.begin() + static_cast<std::ptrdiff_t>(row * 250);
      if (std::count_if(begin, begin + 250, [](float bucket) { return bucket != 0; }) != 2) {
        ++meetings;
      }
    }
  }
  EXPECT_GE(meetings, 20);
  EXPECT_LE(meetings, 65);
}

TEST(AmsSketch, ReturnsTheSquaredNormOfTheDrift) {
  const std::vector<float> local = tests::GaussianVector(kLenet, 1);
  const std::vector<float> base = tests::GaussianVector(kLenet, 2);
  double expected = 0;
  for (std::size_t i = 0; i < kLenet; ++i) {
    const float drift = local[i] - base[i];
    expected += static_cast<double>(drift) * drift;
  }
  AmsSketch sketch({}, kLenet);
  std::vector<float> out(sketch.values());
  EXPECT_NEAR(sketch.Sketch(local, base, out), expected, 1e-6 * expected);
}

TEST(AmsSketch, EveryVariantGivesTheSameBits) {
  const std::vector<runtime::CpuLevel> levels = runtime::SupportedCpuLevels();
  for (const AmsSketchOptions& options :
       {AmsSketchOptions{}, AmsSketchOptions{.rows = 1, .columns = 16},
        AmsSketchOptions{.rows = 3, .columns = 500},
        AmsSketchOptions{.rows = 5, .columns = 1100}}) {
    for (const std::size_t n : {std::size_t{1}, std::size_t{239}, std::size_t{241},
                                std::size_t{479}, std::size_t{1057}, std::size_t{40'000}}) {
      AmsSketch sketch(options, n);
      const std::vector<float> local = tests::GaussianVector(n, 1);
      const std::vector<float> base = tests::GaussianVector(n, 2);
      std::vector<float> expected(sketch.values());
      const double norm =
          sketch.Sketch(DriftKernelsFor(runtime::CpuLevel::kBaseline), local, base, expected);
      for (const runtime::CpuLevel level : levels) {
        std::vector<float> out(sketch.values());
        EXPECT_EQ(sketch.Sketch(DriftKernelsFor(level), local, base, out), norm);
        EXPECT_EQ(std::memcmp(out.data(), expected.data(), out.size() * sizeof(float)), 0)
            << "level " << static_cast<int>(level) << ", " << n << " floats, " << options.columns
            << " columns";
      }
    }
  }
}

TEST(AmsSketch, EqualSeedsGiveEqualSketchesAndOthersDoNot) {
  const std::vector<float> values = tests::GaussianVector(5000, 9);
  AmsSketch first({.seed = 3}, 5000), second({.seed = 3}, 5000), other({.seed = 4}, 5000);
  EXPECT_EQ(SketchOf(first, values), SketchOf(second, values));
  EXPECT_EQ(SketchOf(first, values), SketchOf(first, values));
  EXPECT_NE(SketchOf(first, values), SketchOf(other, values));
}

TEST(AmsSketch, TheWeightedMeanOfSketchesIsTheSketchOfTheWeightedMean) {
  constexpr std::size_t kMembers = 4;
  const double weights[kMembers] = {0.1, 0.2, 0.3, 0.4};
  AmsSketch sketch({.seed = 11}, kLenet);
  std::vector<double> mean_of_sketches(sketch.values());
  std::vector<double> mean(kLenet);
  for (std::size_t k = 0; k < kMembers; ++k) {
    const std::vector<float> values = tests::GaussianVector(kLenet, 100 + k);
    const std::vector<float> out = SketchOf(sketch, values);
    for (std::size_t i = 0; i < out.size(); ++i) mean_of_sketches[i] += weights[k] * out[i];
    for (std::size_t i = 0; i < kLenet; ++i) mean[i] += weights[k] * values[i];
  }
  const std::vector<float> sketch_of_mean =
      SketchOf(sketch, std::vector<float>(mean.begin(), mean.end()));
  // Buckets are about sqrt(d / columns) = 16 in size; float rounding of 250 terms is far smaller.
  for (std::size_t i = 0; i < sketch_of_mean.size(); ++i) {
    ASSERT_NEAR(mean_of_sketches[i], sketch_of_mean[i], 2e-5) << "bucket " << i;
  }
}

struct NamedVector {
  std::string name;
  std::vector<float> values;
};

// What the guarantee of `sketch` rests on, for vectors that strain a hash in different ways.
TEST(AmsSketch, RowsAndMedianKeepTheirErrorBoundsOverTwoHundredSeeds) {
  constexpr int kSeeds = 200;
  const std::vector<NamedVector> vectors = {
      {"gaussian", tests::GaussianVector(kLenet, 5)},
      {"all ones", std::vector<float>(kLenet, 1)},
      {"sparse", tests::SparseVector(kLenet)},
      {"heavy-tailed", tests::HeavyTailedVector(kLenet, 6)},
  };
  const AmsSketchOptions defaults;
  const double row_bound = 1.1 * std::sqrt(2.0 / static_cast<double>(defaults.columns));
  const double epsilon = 1.0 / std::sqrt(static_cast<double>(defaults.columns));
  std::vector<double> squared_errors(vectors.size());
  std::vector<int> excesses(vectors.size());
  for (int seed = 1; seed <= kSeeds; ++seed) {
    AmsSketch sketch({.seed = static_cast<std::uint64_t>(seed)}, kLenet);
    for (std::size_t v = 0; v < vectors.size(); ++v) {
      const double norm = tests::SquaredNorm(vectors[v].values);
      const std::vector<float> out = SketchOf(sketch, vectors[v].values);
      const std::vector<double> buckets(out.begin(), out.end());
      for (std::size_t row = 0; row < defaults.rows; ++row) {
        const double estimate =
            tests::SquaredNorm(std::span(out).subspan(row * defaults.columns, defaults.columns));
        squared_errors[v] += (estimate / norm - 1) * (estimate / norm - 1);
      }
      if (MedianSquaredNorm(buckets, defaults.rows) > (1 + epsilon) * norm) ++excesses[v];
    }
  }
  for (std::size_t v = 0; v < vectors.size(); ++v) {
    const double error =
        std::sqrt(squared_errors[v] / (kSeeds * static_cast<double>(defaults.rows)));
    const double excess = static_cast<double>(excesses[v]) / kSeeds;
    std::printf("%s: row error %.4f (bound %.4f), P(M2 > (1 + eps) norm) %.3f\n",
                vectors[v].name.c_str(), error, row_bound, excess);
    EXPECT_LE(error, row_bound) << vectors[v].name;
    EXPECT_GT(error, 0) << vectors[v].name;
    EXPECT_LE(excess, 0.15) << vectors[v].name;
  }
}

TEST(AmsSketch, MedianTakesTheMiddleRow) {
  const std::vector<double> sketch = {3, 4, 1, 0, 0, 10};  // Squared norms 25, 1, 100.
  EXPECT_EQ(MedianSquaredNorm(sketch, 3), 25);
  EXPECT_EQ(MedianSquaredNorm(sketch, 1), 126);
}

}  // namespace
}  // namespace actors
