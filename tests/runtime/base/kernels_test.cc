#include "runtime/base/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace runtime {
namespace {

// Around every border of a vector register, of the stride of the sums and of a leaf.
const std::size_t kLengths[] = {0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 65, 127, 4095, 4097, 16411};

std::vector<float> Normal(std::size_t count, std::uint32_t seed, float scale = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// Everything that one variant makes of one input.
struct Outputs {
  std::vector<float> drift, sum, mean, parameters, moment1, moment2, sgd, buffer;
  double norm = 0;
  SquaredNormAndDot both;
};

Outputs RunAll(const KernelTable& table, std::size_t count) {
  const std::vector<float> local = Normal(count, 1), base = Normal(count, 2);
  const std::vector<float> received = Normal(count, 3), gradient = Normal(count, 4);
  Outputs out;
  out.drift = out.sum = out.mean = std::vector<float>(count);
  table.weighted_drift(local.data(), base.data(), 0.3F, out.drift.data(), count);
  table.add_weighted_drift(received.data(), local.data(), base.data(), 0.3F, out.sum.data(), count);
  table.finalize(base.data(), out.sum.data(), 2.1F, out.mean.data(), count);
  out.norm = table.squared_norm(local.data(), base.data(), count);
  out.both = table.squared_norm_and_dot(local.data(), base.data(), received.data(), count);
  out.parameters = out.sgd = local;
  out.moment1 = Normal(count, 5);
  out.moment2 = std::vector<float>(count, 0.25F);
  out.buffer = Normal(count, 6);
  table.adam({.weight_decay = 1e-2, .bias_correction1 = 0.1, .bias_correction2 = 0.001},
             out.parameters.data(), gradient.data(), out.moment1.data(), out.moment2.data(), count);
  table.sgd({.momentum = 0.9, .weight_decay = 1e-4, .nesterov = true}, out.sgd.data(),
            gradient.data(), out.buffer.data(), count);
  return out;
}

TEST(Kernels, EveryVariantGivesTheSameBits) {
  for (const std::size_t count : kLengths) {
    const Outputs expected = RunAll(KernelsFor(CpuLevel::kBaseline), count);
    for (const CpuLevel level : SupportedCpuLevels()) {
      SCOPED_TRACE(testing::Message()
                   << "length " << count << " level " << static_cast<int>(level));
      const Outputs actual = RunAll(KernelsFor(level), count);
      EXPECT_TRUE(SameBits(actual.drift, expected.drift));
      EXPECT_TRUE(SameBits(actual.sum, expected.sum));
      EXPECT_TRUE(SameBits(actual.mean, expected.mean));
      EXPECT_TRUE(SameBits(actual.parameters, expected.parameters));
      EXPECT_TRUE(SameBits(actual.moment1, expected.moment1));
      EXPECT_TRUE(SameBits(actual.moment2, expected.moment2));
      EXPECT_TRUE(SameBits(actual.sgd, expected.sgd));
      EXPECT_TRUE(SameBits(actual.buffer, expected.buffer));
      EXPECT_EQ(actual.norm, expected.norm);
      EXPECT_EQ(actual.both.squared_norm, expected.both.squared_norm);
      EXPECT_EQ(actual.both.dot, expected.both.dot);
    }
  }
}

TEST(Kernels, ReductionRoundsAfterEveryOperation) {
  for (const std::size_t count : kLengths) {
    const std::vector<float> local = Normal(count, 1), base = Normal(count, 2);
    const std::vector<float> received = Normal(count, 3);
    std::vector<float> drift(count), sum(count), mean(count);
    WeightedDrift(local, base, 0.3F, drift);
    AddWeightedDrift(received, local, base, 0.3F, sum);
    Finalize(base, sum, 3, mean);
    for (std::size_t i = 0; i < count; ++i) {
      // volatile keeps the compiler from folding two roundings into one.
      volatile float difference = local[i] - base[i];
      volatile float weighted = 0.3F * difference;
      volatile float quotient = sum[i] / 3.0F;
      ASSERT_EQ(drift[i], weighted);
      ASSERT_EQ(sum[i], received[i] + weighted);
      ASSERT_EQ(mean[i], base[i] + quotient);
    }
  }
}

TEST(Kernels, OutputMayBeAnInput) {
  const std::size_t count = 1001;
  const std::vector<float> local = Normal(count, 1), base = Normal(count, 2);
  const std::vector<float> received = Normal(count, 3);
  std::vector<float> apart(count), in_place = received;
  AddWeightedDrift(received, local, base, 2, apart);
  AddWeightedDrift(in_place, local, base, 2, in_place);
  EXPECT_TRUE(SameBits(apart, in_place));
  Finalize(base, apart, 7, apart);
  Finalize(base, in_place, 7, in_place);
  EXPECT_TRUE(SameBits(apart, in_place));
}

TEST(Kernels, NormsAreExactToAMillionth) {
  for (const std::size_t count : {1UL, 33UL, 61706UL, 2592202UL}) {
    const std::vector<float> local = Normal(count, 1, 1e-3F), base = Normal(count, 2);
    const std::vector<float> direction = Normal(count, 3);
    long double norm = 0, dot = 0, absolute = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const long double drift = static_cast<long double>(local[i]) - base[i];
      norm += drift * drift;
      dot += direction[i] * drift;
      absolute += std::abs(direction[i] * drift);
    }
    const SquaredNormAndDot both = NormAndDot(local, base, direction);
    EXPECT_NEAR(both.squared_norm, norm, 1e-6 * norm) << count;
    EXPECT_NEAR(both.dot, dot, 1e-6 * absolute) << count;
    EXPECT_EQ(SquaredNorm(local, base), both.squared_norm) << count;
  }
}

TEST(Kernels, ASingleNonFiniteValueIsFoundAnywhere) {
  for (const std::size_t count : kLengths) {
    std::vector<float> values(count, std::numeric_limits<float>::max());
    EXPECT_TRUE(AllFinite(values)) << count;
    for (const std::size_t at : {std::size_t{0}, count / 2, count - 1}) {
      if (at >= count) continue;
      for (const float bad :
           {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
        values[at] = bad;
        EXPECT_FALSE(AllFinite(values)) << count << " at " << at;
        values[at] = 0;
      }
    }
  }
}

TEST(Kernels, NanReachesTheNorm) {
  std::vector<float> local(100, 1.0F);
  const std::vector<float> base(100, 0.5F);
  local[57] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(SquaredNorm(local, base)));
}

TEST(Kernels, AdamFollowsTheFormulaInDouble) {
  const std::size_t count = 1003;
  std::vector<float> parameters = Normal(count, 1), moment1(count), moment2(count);
  std::vector<double> p(parameters.begin(), parameters.end()), m(count), v(count);
  double power1 = 1, power2 = 1;
  for (std::uint32_t t = 1; t <= 20; ++t) {
    const std::vector<float> gradient = Normal(count, 100 + t);
    power1 *= 0.9;
    power2 *= 0.999;
    const AdamStep step{.learning_rate = 1e-2,
                        .epsilon = 1e-7,
                        .bias_correction1 = 1 - power1,
                        .bias_correction2 = 1 - power2};
    TakeAdamStep(step, parameters, gradient, moment1, moment2);
    for (std::size_t i = 0; i < count; ++i) {
      m[i] = 0.9 * m[i] + 0.1 * gradient[i];
      v[i] = 0.999 * v[i] + 0.001 * gradient[i] * gradient[i];
      p[i] -= 1e-2 * (m[i] / (1 - power1)) / (std::sqrt(v[i] / (1 - power2)) + 1e-7);
    }
  }
  for (std::size_t i = 0; i < count; ++i) ASSERT_NEAR(parameters[i], p[i], 1e-5) << i;
}

TEST(Kernels, SgdFollowsTheFormulaInDouble) {
  const std::size_t count = 1003;
  for (const bool nesterov : {false, true}) {
    for (const double momentum : {0.0, 0.9}) {
      std::vector<float> parameters = Normal(count, 1), buffer(count);
      std::vector<double> p(parameters.begin(), parameters.end()), b(count);
      for (std::uint32_t t = 1; t <= 10; ++t) {
        const std::vector<float> gradient = Normal(count, 100 + t);
        TakeSgdStep({.learning_rate = 0.1,
                     .momentum = momentum,
                     .weight_decay = 1e-3,
                     .nesterov = nesterov},
                    parameters, gradient, buffer);
        for (std::size_t i = 0; i < count; ++i) {
          const double g = gradient[i] + 1e-3 * p[i];
          b[i] = momentum * b[i] + g;
          p[i] -= 0.1 * (nesterov ? g + momentum * b[i] : b[i]);
        }
      }
      for (std::size_t i = 0; i < count; ++i) ASSERT_NEAR(parameters[i], p[i], 1e-4) << i;
    }
  }
}

}  // namespace
}  // namespace runtime
