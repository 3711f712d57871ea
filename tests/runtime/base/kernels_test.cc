#include "runtime/base/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
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
  std::vector<float> drift, sum, mean;
};

Outputs RunAll(const KernelTable& table, std::size_t count) {
  const std::vector<float> local = Normal(count, 1), base = Normal(count, 2);
  const std::vector<float> received = Normal(count, 3);
  Outputs out;
  out.drift = out.sum = out.mean = std::vector<float>(count);
  table.weighted_drift(local.data(), base.data(), 0.3F, out.drift.data(), count);
  table.add_weighted_drift(received.data(), local.data(), base.data(), 0.3F, out.sum.data(), count);
  table.finalize(base.data(), out.sum.data(), 2.1F, out.mean.data(), count);
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

}  // namespace
}  // namespace runtime
