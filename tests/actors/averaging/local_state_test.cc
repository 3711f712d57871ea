#include "actors/averaging/local_state.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using absl::StatusCode;
using ::tests::HasCode;
using ::tests::HasMessage;
using ::tests::IsOk;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

XiId Id(std::uint64_t number) { return {.newer_base = {number, 1}, .older_base = {number, 2}}; }

TEST(LocalState, SoundStatesAreAccepted) {
  EXPECT_OK(CheckLocalState({}, 0));
  EXPECT_OK(CheckLocalState({.squared_norm = 4, .projection = -2}, 0));
  EXPECT_OK(CheckLocalState({.squared_norm = 4, .sketch_or_vector = {1, -2}}, 2));
  // The square of a drift this small vanishes in float, its projection does not.
  EXPECT_OK(CheckLocalState({.squared_norm = 0, .projection = 1e-24f}, 0));
}

TEST(LocalState, NumbersThatAreNotFiniteAreDataLoss) {
  for (const float bad : {std::nanf(""), kInfinity, -kInfinity}) {
    EXPECT_THAT(CheckLocalState({.squared_norm = bad}, 0), HasCode(StatusCode::kDataLoss));
    EXPECT_THAT(CheckLocalState({.squared_norm = 1, .projection = bad}, 0),
                HasCode(StatusCode::kDataLoss));
    EXPECT_THAT(CheckLocalState({.squared_norm = 1, .sketch_or_vector = {0, bad}}, 2),
                HasCode(StatusCode::kDataLoss));
  }
}

TEST(LocalState, MalformedStatesAreInvalid) {
  EXPECT_THAT(CheckLocalState({.squared_norm = -1e-9f}, 0), HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(CheckLocalState({.squared_norm = 4, .projection = 2.1f}, 0),
              HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(CheckLocalState({.sketch_or_vector = {1}}, 2), HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(CheckLocalState({.sketch_or_vector = {1}}, 0), HasMessage("1 values instead of 0"));
}

TEST(LocalState, WeightsMustBeOnePerMemberFiniteAndNotAllZero) {
  const auto check = [](std::vector<float> weights) { return CheckWeights(weights, 2); };
  EXPECT_OK(check({1, 1}));
  EXPECT_OK(check({0, 600}));
  for (const std::vector<float>& bad : std::vector<std::vector<float>>{
           {}, {1}, {1, 1, 1}, {0, 0}, {1, -1}, {1, kInfinity}, {1, std::nanf("")}}) {
    EXPECT_THAT(CheckWeights(bad, 2), HasCode(StatusCode::kInvalidArgument));
  }
}

TEST(WeightedMean, WeighsEveryFieldAndNeedsNoNormalisation) {
  const std::vector<LocalState> states = {
      {.squared_norm = 4, .projection = 1, .xi_id = Id(1), .sketch_or_vector = {1, 10}},
      {.squared_norm = 8, .projection = -2, .xi_id = Id(1), .sketch_or_vector = {5, -10}}};
  const GlobalState uniform = WeightedMean(states, std::vector<float>{1, 1});
  EXPECT_EQ(uniform.squared_norm, 6);
  EXPECT_EQ(uniform.projection, -0.5);
  EXPECT_TRUE(uniform.common_direction);
  EXPECT_EQ(uniform.sketch_or_vector, (std::vector<double>{3, 0}));
  const GlobalState weighted = WeightedMean(states, std::vector<float>{300, 100});
  EXPECT_EQ(weighted.squared_norm, 5);
  EXPECT_EQ(weighted.projection, 0.25);
  EXPECT_EQ(weighted.sketch_or_vector, (std::vector<double>{2, 5}));
}

TEST(WeightedMean, SkipsAMemberOfWeightZeroEvenIfItIsNotFinite) {
  const std::vector<LocalState> states = {{.squared_norm = std::nanf("")}, {.squared_norm = 8}};
  EXPECT_EQ(WeightedMean(states, std::vector<float>{0, 2}).squared_norm, 8);
}

TEST(WeightedMean, HasACommonDirectionOnlyIfAllIdsAreEqualAndNotNull) {
  const auto common = [](XiId first, XiId second) {
    const std::vector<LocalState> states = {{.xi_id = first}, {.xi_id = second}};
    return WeightedMean(states, std::vector<float>{1, 1}).common_direction;
  };
  EXPECT_TRUE(common(Id(1), Id(1)));
  EXPECT_FALSE(common(Id(1), Id(2)));
  EXPECT_FALSE(common(Id(1), XiId{}));
  EXPECT_FALSE(common(XiId{}, Id(1)));
  EXPECT_FALSE(common(XiId{}, XiId{}));
  XiId older_differs = Id(1);
  older_differs.older_base.low = 99;
  EXPECT_FALSE(common(Id(1), older_differs));
}

}  // namespace
}  // namespace actors
