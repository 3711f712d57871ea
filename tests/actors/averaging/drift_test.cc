#include "actors/averaging/drift.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "actors/averaging/ams_sketch.h"
#include "tests/actors/averaging/vectors.h"

namespace actors {
namespace {

constexpr std::size_t kLengths[] = {1, 15, 16, 17, 31, 240, 241, 511, 512, 513, 1031, 61'706};

// As a worker has it.
double SquaredDistance(const std::vector<float>& newer, const std::vector<float>& older) {
  return ReadDrift(newer, older, newer).squared_mean;
}

void ExpectEqualBits(double a, double b) {
  EXPECT_EQ(std::bit_cast<std::uint64_t>(a), std::bit_cast<std::uint64_t>(b)) << a << ' ' << b;
}

TEST(Drift, SumsEqualAPlainLoopInDouble) {
  for (const std::size_t n : kLengths) {
    SCOPED_TRACE(testing::Message() << n << " floats");
    const std::vector<float> local = tests::GaussianVector(n, 1);
    const std::vector<float> base = tests::GaussianVector(n, 2);
    const std::vector<float> direction = tests::GaussianVector(n, 3);
    double squared_norm = 0, projection = 0, scale = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const float drift = local[i] - base[i];
      squared_norm += static_cast<double>(drift) * drift;
      projection += static_cast<double>(drift) * direction[i];
      scale += std::abs(static_cast<double>(drift) * direction[i]);
    }
    EXPECT_NEAR(SquaredDrift(local, base), squared_norm, 1e-6 * squared_norm);
    const DriftSums sums = DriftAlong(local, base, direction);
    ExpectEqualBits(sums.squared_norm, SquaredDrift(local, base));
    EXPECT_NEAR(sums.projection, projection, 1e-6 * scale);
  }
}

TEST(Drift, AReadingEqualsAPlainLoopInDoubleWithoutRounding) {
  for (const std::size_t n : kLengths) {
    SCOPED_TRACE(testing::Message() << n << " floats");
    const std::vector<float> local = tests::GaussianVector(n, 1);
    const std::vector<float> base = tests::GaussianVector(n, 2, 1e-3f);
    const std::vector<float> newer = tests::GaussianVector(n, 3, 30.0f);
    DriftReading expected;
    double scale = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double drift = static_cast<double>(local[i]) - base[i];
      const double mean = static_cast<double>(newer[i]) - base[i];
      expected.squared_norm += drift * drift;
      expected.along_mean += drift * mean;
      expected.squared_mean += mean * mean;
      scale += std::abs(drift * mean);
    }
    const DriftReading reading = ReadDrift(local, base, newer);
    EXPECT_NEAR(reading.squared_norm, expected.squared_norm, 1e-12 * expected.squared_norm);
    EXPECT_NEAR(reading.along_mean, expected.along_mean, 1e-12 * scale);
    EXPECT_NEAR(reading.squared_mean, expected.squared_mean, 1e-12 * expected.squared_mean);
  }
}

TEST(Drift, AReadingOfWhatIsNoNumberIsNone) {
  for (const std::size_t n : {std::size_t{5}, std::size_t{700}}) {
    const std::vector<float> base(n), newer(n, 1);
    std::vector<float> local(n, 1);
    local[n - 1] = std::nanf("");
    const DriftReading reading = ReadDrift(local, base, newer);
    EXPECT_FALSE(std::isfinite(reading.squared_norm));
    EXPECT_FALSE(std::isfinite(reading.along_mean));
    EXPECT_EQ(reading.squared_mean, static_cast<double>(n));
  }
}

TEST(Drift, StoredDriftIsTheFloatDifferenceAndNothingPastIt) {
  for (const std::size_t n : kLengths) {
    SCOPED_TRACE(testing::Message() << n << " floats");
    const std::vector<float> local = tests::GaussianVector(n, 1);
    const std::vector<float> base = tests::GaussianVector(n, 2);
    std::vector<float> out(n + 1, 77);
    const double squared_norm = StoreDrift(local, base, std::span(out).first(n));
    ExpectEqualBits(squared_norm, SquaredDrift(local, base));
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], local[i] - base[i]);
    EXPECT_EQ(out[n], 77);
  }
}

TEST(Drift, EveryVariantGivesTheSameBits) {
  const std::vector<runtime::CpuLevel> levels = runtime::SupportedCpuLevels();
  const DriftKernels& reference = DriftKernelsFor(runtime::CpuLevel::kBaseline);
  for (const std::size_t n : kLengths) {
    const std::vector<float> local = tests::GaussianVector(n, 1);
    const std::vector<float> base = tests::GaussianVector(n, 2);
    const std::vector<float> direction = tests::GaussianVector(n, 3);
    const DriftSums along = reference.along(local.data(), base.data(), direction.data(), n);
    const DriftReading read = reference.read(local.data(), base.data(), direction.data(), n);
    std::vector<float> stored(n);
    reference.store(local.data(), base.data(), n, stored.data());
    for (const runtime::CpuLevel level : levels) {
      const DriftKernels& kernels = DriftKernelsFor(level);
      SCOPED_TRACE(testing::Message()
                   << "level " << static_cast<int>(level) << ", " << n << " floats");
      ExpectEqualBits(kernels.squared_norm(local.data(), base.data(), n), along.squared_norm);
      const DriftSums sums = kernels.along(local.data(), base.data(), direction.data(), n);
      ExpectEqualBits(sums.squared_norm, along.squared_norm);
      ExpectEqualBits(sums.projection, along.projection);
      std::vector<float> out(n);
      ExpectEqualBits(kernels.store(local.data(), base.data(), n, out.data()), along.squared_norm);
      EXPECT_EQ(out, stored);
      const DriftReading reading = kernels.read(local.data(), base.data(), direction.data(), n);
      ExpectEqualBits(reading.squared_norm, read.squared_norm);
      ExpectEqualBits(reading.along_mean, read.along_mean);
      ExpectEqualBits(reading.squared_mean, read.squared_mean);
    }
  }
}

TEST(Drift, TheNormOfTwentyFiveMillionFloatsIsExactToAMillionth) {
  // local and base are one buffer shifted by a float: the drift is +c, -c, +c, ..., and all squares
  // round in the same direction, which is the worst case for float sums.
  constexpr std::size_t kFloats = 25'000'000;
  for (const float c : {0.01f, 0.3f, 1.0f / 3}) {
    std::vector<float> buffer(kFloats + 1);
    for (std::size_t i = 0; i <= kFloats; i += 2) buffer[i] = c;
    const std::span<const float> local(buffer.data(), kFloats);
    const std::span<const float> base(buffer.data() + 1, kFloats);
    const double expected = static_cast<double>(kFloats) * c * c;
    EXPECT_NEAR(SquaredDrift(local, base), expected, 1e-6 * expected);
  }
}

TEST(Drift, OneValueThatIsNotFiniteMakesTheNormNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const std::size_t n : {std::size_t{5}, std::size_t{700}}) {
    for (const float bad : {std::nanf(""), infinity, -infinity, 3e38f}) {
      for (const std::size_t place : {std::size_t{0}, n / 2, n - 1}) {
        std::vector<float> local(n, 1), base(n);
        local[place] = bad;
        EXPECT_FALSE(std::isfinite(SquaredDrift(local, base))) << bad << " at " << place;
        base[place] = bad;  // inf - inf is no number either; 3e38 - 3e38 is 0.
        EXPECT_EQ(std::isfinite(SquaredDrift(local, base)), bad == 3e38f);
      }
    }
  }
}

TEST(UpdateDirection, HasANormJustBelowOne) {
  for (const std::size_t n :
       {std::size_t{1}, std::size_t{3}, std::size_t{1000}, std::size_t{61'706}}) {
    for (const float scale : {1e-18f, 1e-4f, 1.0f, 1e18f}) {
      SCOPED_TRACE(testing::Message() << n << " floats, scale " << scale);
      for (std::uint64_t seed = 0; seed < 5; ++seed) {
        const std::vector<float> newer = tests::GaussianVector(n, 2 * seed, scale);
        const std::vector<float> older = tests::GaussianVector(n, 2 * seed + 1, scale);
        std::vector<float> direction(n);
        ASSERT_TRUE(ComputeUpdateDirection(newer, older, SquaredDistance(newer, older), direction));
        const double norm = std::sqrt(tests::SquaredNorm(direction));
        EXPECT_LE(norm, 1.0);
        EXPECT_GE(norm, 1.0 - 3e-7);
        const std::size_t last = n - 1;
        EXPECT_EQ(std::signbit(direction[last]), newer[last] < older[last]);
      }
    }
  }
}

TEST(UpdateDirection, DoesNotExistBetweenEqualOrBrokenBases) {
  const std::vector<float> base = tests::GaussianVector(100, 1);
  std::vector<float> direction(100, 5);
  EXPECT_FALSE(ComputeUpdateDirection(base, base, SquaredDistance(base, base), direction));
  EXPECT_EQ(direction, std::vector<float>(100, 0));
  std::vector<float> broken = base;
  broken[50] = std::nanf("");
  direction.assign(100, 5);
  EXPECT_FALSE(ComputeUpdateDirection(broken, base, SquaredDistance(broken, base), direction));
  EXPECT_EQ(direction, std::vector<float>(100, 0));
}

}  // namespace
}  // namespace actors
