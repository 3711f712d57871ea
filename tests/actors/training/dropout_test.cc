#include "actors/training/dropout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace actors {
namespace {

using Mask = std::vector<float>;

Mask Draw(RandomStream random, double rate, std::size_t count) {
  Mask mask(count, 7.0f);
  DrawDropoutMask(random, rate, absl::MakeSpan(mask));
  return mask;
}

TEST(DropoutMask, DropsTheRateAndKeepsTheMean) {
  constexpr std::size_t kCount = 100003;
  for (const double rate : {0.2, 0.5, 0.9}) {
    const Mask mask = Draw(RandomStream(1, Purpose::kDropout), rate, kCount);
    const auto dropped = static_cast<double>(std::count(mask.begin(), mask.end(), 0.0f));
    // Five standard deviations of a binomial count.
    EXPECT_NEAR(dropped, rate * kCount, 5 * std::sqrt(kCount * rate * (1 - rate)));
    const auto kept = static_cast<float>(1 / (1 - rate));
    EXPECT_EQ(std::count(mask.begin(), mask.end(), kept), kCount - dropped);
  }
  EXPECT_THAT(Draw(RandomStream(1, Purpose::kDropout), 0, 10), testing::Each(1.0f));
}

TEST(DropoutMask, IsAPureFunctionOfSeedSlotAndStep) {
  const Mask mask = Draw(RandomStream(1, Purpose::kDropout, 2, 3), 0.5, 1000);
  EXPECT_EQ(Draw(RandomStream(1, Purpose::kDropout, 2, 3), 0.5, 1000), mask);
  EXPECT_NE(Draw(RandomStream(2, Purpose::kDropout, 2, 3), 0.5, 1000), mask);
  EXPECT_NE(Draw(RandomStream(1, Purpose::kDropout, 1, 3), 0.5, 1000), mask);
  EXPECT_NE(Draw(RandomStream(1, Purpose::kDropout, 2, 4), 0.5, 1000), mask);
}

TEST(DropoutMask, OfTheNextLayerIsAnother) {
  RandomStream random(1, Purpose::kDropout);
  Mask first(1001), second(1001);
  DrawDropoutMask(random, 0.5, absl::MakeSpan(first));
  DrawDropoutMask(random, 0.5, absl::MakeSpan(second));
  EXPECT_NE(first, second);
}

}  // namespace
}  // namespace actors
