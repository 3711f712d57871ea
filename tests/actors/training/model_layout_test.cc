#include "actors/training/model_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "runtime/base/hash.h"

namespace actors {
namespace {

TEST(LayoutHash, CoversNamesShapesAndOffsets) {
  const Layout layout = Lenet5Layout();
  EXPECT_EQ(layout.Hash(), Lenet5Layout().Hash());
  EXPECT_NE(layout.Hash(), QuadraticLayout(61706).Hash());
  Layout renamed = layout, reshaped = layout, moved = layout, frozen = layout;
  renamed.entries[3].name = "other";
  std::swap(reshaped.entries[4].shape[0], reshaped.entries[4].shape[1]);
  moved.entries[5].offset += 1;
  frozen.trainable -= 10;
  for (const Layout& other : {renamed, reshaped, moved, frozen}) {
    EXPECT_NE(layout.Hash(), other.Hash());
  }
}

TEST(InitialModel, WeightsAreGlorotUniformAndBiasesZero) {
  const Layout layout = Lenet5Layout();
  std::vector<float> w(layout.total);
  DrawInitialModel(layout, {.seed = 42}, absl::MakeSpan(w));
  const double limits[] = {std::sqrt(6.0 / (7 * 25)), 0, std::sqrt(6.0 / (22 * 25)), 0,
                           std::sqrt(6.0 / 520),      0, std::sqrt(6.0 / 204),       0,
                           std::sqrt(6.0 / 94),       0};
  for (std::size_t i = 0; i < layout.entries.size(); ++i) {
    const LayoutEntry& entry = layout.entries[i];
    const auto begin = w.begin() + static_cast<std::ptrdiff_t>(entry.offset);
    const auto [low, high] =
        std::minmax_element(begin, begin + static_cast<std::ptrdiff_t>(entry.count));
    EXPECT_GE(*low, -limits[i] * 1.000001) << entry.name;
    EXPECT_LE(*high, limits[i] * 1.000001) << entry.name;
    EXPECT_LE(*low, -limits[i] * 0.9) << entry.name;
    EXPECT_GE(*high, limits[i] * 0.9) << entry.name;
  }
}

// The bits that the first version drew: a run that is repeated starts where it did.
TEST(InitialModel, IsWhatItWas) {
  const Layout layout = Lenet5Layout();
  std::vector<float> w(layout.total);
  DrawInitialModel(layout, {.seed = 42}, absl::MakeSpan(w));
  EXPECT_EQ(runtime::HashBytes(w.data(), w.size() * sizeof(float)), 0xFA6C6516A0415CB3u);
}

TEST(InitialModel, HeNormalHasTheVarianceThatKeepsThatOfARelu) {
  const Layout layout = Lenet5Layout();
  std::vector<float> w(layout.total, 1.0f);
  DrawInitialModel(layout, {.init = "he_normal", .seed = 5}, absl::MakeSpan(w));
  const double fan_in[] = {25, 0, 6 * 25, 0, 400, 0, 120, 0, 84, 0};
  for (std::size_t i = 0; i < layout.entries.size(); ++i) {
    const LayoutEntry& entry = layout.entries[i];
    double sum = 0, squares = 0;
    for (const float value : absl::MakeSpan(w).subspan(entry.offset, entry.count)) {
      sum += value;
      squares += double{value} * value;
    }
    const auto count = static_cast<double>(entry.count);
    if (fan_in[i] == 0) {
      EXPECT_EQ(squares, 0) << entry.name;
      continue;
    }
    // Within four standard errors of the mean and of the variance.
    const double variance = 2 / fan_in[i];
    EXPECT_NEAR(sum / count, 0, 4 * std::sqrt(variance / count)) << entry.name;
    EXPECT_NEAR(squares / count, variance, 4 * variance * std::sqrt(2 / count)) << entry.name;
  }
}

TEST(InitialModel, FollowsTheSeed) {
  const Layout layout = Lenet5Layout();
  std::vector<float> one(layout.total), same(layout.total), other(layout.total);
  DrawInitialModel(layout, {.seed = 1}, absl::MakeSpan(one));
  DrawInitialModel(layout, {.seed = 1}, absl::MakeSpan(same));
  DrawInitialModel(layout, {.seed = 2}, absl::MakeSpan(other));
  EXPECT_EQ(one, same);
  EXPECT_NE(one, other);
}

}  // namespace
}  // namespace actors
