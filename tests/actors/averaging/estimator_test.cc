#include "actors/averaging/estimator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "actors/averaging/drift.h"
#include "tests/actors/averaging/vectors.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using absl::StatusCode;
using ::tests::HasCode;
using ::tests::HasMessage;
using ::tests::IsOk;

XiId Id(std::uint64_t number) { return {.newer_base = {number, 1}, .older_base = {number, 2}}; }

// Both halves of one estimator, with what a round of workers holds.
struct Halves {
  explicit Halves(const EstimatorOptions& options)
      : summarizer(MakeSummarizer(options).value()), estimator(MakeEstimator(options).value()) {}

  double Estimate(std::span<const std::vector<float>> locals, std::span<const float> base,
                  std::span<const UpdateDirection> directions, std::span<const float> weights) {
    states.resize(locals.size());
    for (std::size_t k = 0; k < locals.size(); ++k) {
      summarizer->Summarize(locals[k], base, directions[k], states[k]);
    }
    return estimator->EstimateVariance(states, weights).value();
  }

  std::unique_ptr<Summarizer> summarizer;
  std::unique_ptr<Estimator> estimator;
  std::vector<LocalState> states;
};

// The bound for states in float32.
double LowerBound(std::span<const std::vector<float>> locals, std::span<const float> base,
                  std::span<const float> weights) {
  return tests::ExactVariance(locals, base, weights) * (1 - 1e-5) -
         1e-6 * tests::MeanSquaredDrift(locals, base, weights);
}

enum class Directions { kCommon, kMissing, kOneMissing, kUnequal };

class BoundTest : public testing::TestWithParam<Directions> {
 protected:
  // Directions of `members` workers; the vectors live in `values_`.
  std::vector<UpdateDirection> MakeDirections(std::size_t members, std::size_t d,
                                              std::uint64_t seed) {
    values_.assign(members, std::vector<float>(d));
    std::vector<UpdateDirection> directions(members);
    const std::vector<float> zeros(d);
    for (std::size_t k = 0; k < members; ++k) {
      const bool own = GetParam() == Directions::kUnequal;
      const std::vector<float> update = tests::GaussianVector(d, seed + (own ? k : 0));
      EXPECT_TRUE(ComputeUpdateDirection(update, zeros, SquaredDrift(update, zeros), values_[k]));
      const bool missing =
          GetParam() == Directions::kMissing || (GetParam() == Directions::kOneMissing && k == 1);
      if (!missing) directions[k] = {.id = Id(own ? k + 1 : 1), .values = values_[k]};
    }
    return directions;
  }

  std::vector<std::vector<float>> values_;
};

TEST_P(BoundTest, LinearBoundsTheVarianceOnEveryStepOfRandomWalks) {
  constexpr std::size_t kParameters = 611;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const std::size_t members = 2 + seed % 7;
    const std::vector<float> base = tests::GaussianVector(kParameters, 1000 * seed);
    const std::vector<UpdateDirection> directions =
        MakeDirections(members, kParameters, 2000 * seed);
    std::mt19937_64 random(seed);
    std::normal_distribution<float> noise(0, 1e-3f);
    std::vector<float> weights(members, 1);
    if (seed % 2 == 0) {
      for (std::size_t k = 0; k < members; ++k) weights[k] = static_cast<float>(k + 1);
    }
    std::vector<std::vector<float>> locals(members, base);
    Halves linear({.kind = EstimatorKind::kLinear, .parameters = kParameters});
    Halves naive({.kind = EstimatorKind::kNaive, .parameters = kParameters});
    for (int step = 0; step < 200; ++step) {
      for (std::size_t k = 0; k < members; ++k) {
        // All drift along the first direction too, at their own pace.
        const float pull = 5e-3f * static_cast<float>(1 + k % 2);
        for (std::size_t i = 0; i < kParameters; ++i) {
          locals[k][i] += noise(random) + pull * values_[0][i];
        }
      }
      const double bound = LowerBound(locals, base, weights);
      const double h = linear.Estimate(locals, base, directions, weights);
      const double v = naive.Estimate(locals, base, directions, weights);
      ASSERT_GE(h, bound) << "step " << step;
      ASSERT_GE(v, bound) << "step " << step;
      if (GetParam() == Directions::kCommon) {
        ASSERT_LT(h, v) << "step " << step;
      } else {
        ASSERT_EQ(h, v) << "step " << step;
      }
    }
  }
}

TEST_P(BoundTest, LinearBoundsTheVarianceOfNearlyParallelDrifts) {
  constexpr std::size_t kParameters = 5000;
  constexpr std::size_t kMembers = 4;
  const std::vector<float> weights(kMembers, 1);
  const std::vector<float> base(kParameters);
  Halves linear({.kind = EstimatorKind::kLinear, .parameters = kParameters});
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<UpdateDirection> directions =
        MakeDirections(kMembers, kParameters, 30 * seed);
    for (const float spread : {0.0f, 1e-6f, 1e-4f, 1e-2f}) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", spread " << spread);
      std::vector<std::vector<float>> locals(kMembers);
      for (std::size_t k = 0; k < kMembers; ++k) {
        locals[k] = tests::GaussianVector(kParameters, 7 * seed + k, spread * 0.01f);
        for (std::size_t i = 0; i < kParameters; ++i) locals[k][i] += 0.7f * values_[0][i];
      }
      EXPECT_GE(linear.Estimate(locals, base, directions, weights),
                LowerBound(locals, base, weights));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Directions, BoundTest,
                         testing::Values(Directions::kCommon, Directions::kMissing,
                                         Directions::kOneMissing, Directions::kUnequal),
                         [](const testing::TestParamInfo<Directions>& info) {
                           switch (info.param) {
                             case Directions::kCommon: return "Common";
                             case Directions::kMissing: return "Missing";
                             case Directions::kOneMissing: return "OneMissing";
                             case Directions::kUnequal: return "Unequal";
                           }
                           return "";
                         });

TEST(LinearEstimator, ParallelDriftsAlongTheDirectionHaveNoVariance) {
  constexpr std::size_t kParameters = 1000;
  const std::vector<float> base(kParameters);
  const std::vector<float> update = tests::GaussianVector(kParameters, 3);
  std::vector<float> direction(kParameters);
  ASSERT_TRUE(ComputeUpdateDirection(update, base, SquaredDrift(update, base), direction));
  const std::vector<std::vector<float>> locals(3, update);
  const std::vector<UpdateDirection> directions(3, {.id = Id(1), .values = direction});
  Halves linear({.kind = EstimatorKind::kLinear, .parameters = kParameters});
  EXPECT_NEAR(linear.Estimate(locals, base, directions, std::vector<float>(3, 1)), 0,
              2e-6 * tests::SquaredNorm(update));
}

TEST(LinearEstimator, OppositeDriftsOnUnequalDirectionsAreNotTakenForParallel) {
  const std::vector<float> base = {0, 0};
  const std::vector<std::vector<float>> locals = {{1, 0}, {-1, 0}};
  const std::vector<float> plus = {1, 0}, minus = {-1, 0};
  const std::vector<float> weights = {1, 1};
  Halves linear({.kind = EstimatorKind::kLinear, .parameters = 2});
  // Both project to 1: with one id for both, H would be 0 while the variance is 1.
  const std::vector<UpdateDirection> unequal = {{.id = Id(1), .values = plus},
                                                {.id = Id(2), .values = minus}};
  EXPECT_EQ(linear.Estimate(locals, base, unequal, weights), 1);
  EXPECT_EQ(tests::ExactVariance(locals, base, weights), 1);
}

TEST(ExactEstimator, EqualsTheVariance) {
  constexpr std::size_t kParameters = 777;
  const std::vector<float> base = tests::GaussianVector(kParameters, 1);
  Halves exact({.kind = EstimatorKind::kExact, .parameters = kParameters});
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::vector<std::vector<float>> locals;
    std::vector<float> weights;
    for (std::size_t k = 0; k < 2 + seed; ++k) {
      locals.push_back(tests::GaussianVector(kParameters, 100 * seed + k));
      weights.push_back(seed % 2 == 0 ? 1 : static_cast<float>(k));
    }
    const std::vector<UpdateDirection> none(locals.size());
    EXPECT_NEAR(exact.Estimate(locals, base, none, weights),
                tests::ExactVariance(locals, base, weights),
                1e-6 * tests::MeanSquaredDrift(locals, base, weights));
  }
}

TEST(SketchEstimator, BoundsTheVarianceInNineTestsOfTen) {
  constexpr std::size_t kParameters = 5000;
  constexpr std::size_t kMembers = 5;
  const std::vector<float> base(kParameters);
  const std::vector<float> weights(kMembers, 1);
  const std::vector<float> common = tests::GaussianVector(kParameters, 1);
  int broken = 0;
  double ratio = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Halves sketch(
        {.kind = EstimatorKind::kSketch, .parameters = kParameters, .sketch = {.seed = seed}});
    std::vector<std::vector<float>> locals;
    for (std::size_t k = 0; k < kMembers; ++k) {
      locals.push_back(tests::GaussianVector(kParameters, 10 * seed + k));
      for (std::size_t i = 0; i < kParameters; ++i) locals[k][i] += common[i];
    }
    const double variance = tests::ExactVariance(locals, base, weights);
    const double h = sketch.Estimate(locals, base, std::vector<UpdateDirection>(kMembers), weights);
    if (h < variance) ++broken;
    ratio += h / variance / 100;
  }
  EXPECT_LE(broken, 15);
  // Half of the squared drift is common here; the estimate removes nearly all of it.
  EXPECT_LT(ratio, 1.15);
}

TEST(Estimator, OneMemberHasNoVariance) {
  for (const EstimatorKind kind : {EstimatorKind::kNaive, EstimatorKind::kLinear,
                                   EstimatorKind::kSketch, EstimatorKind::kExact}) {
    Halves halves({.kind = kind, .parameters = 100});
    const std::vector<std::vector<float>> locals = {tests::GaussianVector(100, 1)};
    EXPECT_EQ(halves.Estimate(locals, std::vector<float>(100), std::vector<UpdateDirection>(1),
                              std::vector<float>{3}),
              0)
        << "estimator " << static_cast<int>(kind);
  }
}

TEST(Estimator, ADriftThatIsNotFiniteIsDataLossAndNamesTheMember) {
  for (const EstimatorKind kind : {EstimatorKind::kNaive, EstimatorKind::kLinear,
                                   EstimatorKind::kSketch, EstimatorKind::kExact}) {
    SCOPED_TRACE(testing::Message() << "estimator " << static_cast<int>(kind));
    const EstimatorOptions options = {.kind = kind, .parameters = 100};
    Halves halves(options);
    const std::vector<float> base(100);
    std::vector<LocalState> states(3);
    for (std::size_t k = 0; k < 3; ++k) {
      std::vector<float> local = tests::GaussianVector(100, k);
      if (k == 2) local[37] = std::nanf("");
      halves.summarizer->Summarize(local, base, {}, states[k]);
    }
    const auto result = halves.estimator->EstimateVariance(states, std::vector<float>{1, 1, 1});
    EXPECT_THAT(result, HasCode(StatusCode::kDataLoss));
    EXPECT_THAT(result, HasMessage("member 2"));
    // A run of one member diverges just as well.
    EXPECT_THAT(
        halves.estimator->EstimateVariance(std::span(states).subspan(2), std::vector<float>{1}),
        HasCode(StatusCode::kDataLoss));
  }
}

TEST(Estimator, StatesOfAnotherEstimatorAreInvalid) {
  Halves sketch({.kind = EstimatorKind::kSketch, .parameters = 100});
  Halves linear({.kind = EstimatorKind::kLinear, .parameters = 100});
  LocalState state;
  sketch.summarizer->Summarize(std::vector<float>(100), std::vector<float>(100), {}, state);
  EXPECT_OK(sketch.estimator->CheckState(state));
  EXPECT_THAT(linear.estimator->CheckState(state), HasCode(StatusCode::kInvalidArgument));
  linear.summarizer->Summarize(std::vector<float>(100), std::vector<float>(100), {}, state);
  EXPECT_OK(linear.estimator->CheckState(state));
  EXPECT_THAT(sketch.estimator->CheckState(state), HasCode(StatusCode::kInvalidArgument));
  EXPECT_THAT(sketch.estimator->EstimateVariance({}, {}), HasCode(StatusCode::kInvalidArgument));
}

TEST(Estimator, SummarizeUsesTheMemoryOfItsStateAgain) {
  for (const EstimatorKind kind : {EstimatorKind::kSketch, EstimatorKind::kExact}) {
    Halves halves({.kind = kind, .parameters = 100});
    LocalState state;
    const std::vector<float> zeros(100);
    halves.summarizer->Summarize(zeros, zeros, {}, state);
    const float* const memory = state.sketch_or_vector.data();
    halves.summarizer->Summarize(tests::GaussianVector(100, 1), zeros, {}, state);
    EXPECT_EQ(state.sketch_or_vector.data(), memory);
  }
}

TEST(Estimator, StateBytesAreThePapers) {
  const auto bytes = [](EstimatorKind kind) {
    return StateBytes({.kind = kind, .parameters = 61'706});
  };
  EXPECT_EQ(bytes(EstimatorKind::kNaive), 4u);
  EXPECT_EQ(bytes(EstimatorKind::kLinear), 8u);
  EXPECT_EQ(bytes(EstimatorKind::kSketch), 5004u);
  EXPECT_EQ(bytes(EstimatorKind::kExact), 246'828u);
}

TEST(Estimator, OptionsOutOfRangeAreRefused) {
  const auto check = [](EstimatorKind kind, std::size_t d, std::size_t rows, std::size_t columns) {
    return CheckEstimatorOptions(
        {.kind = kind, .parameters = d, .sketch = {.rows = rows, .columns = columns}});
  };
  EXPECT_OK(check(EstimatorKind::kSketch, 1, 1, 16));
  EXPECT_OK(check(EstimatorKind::kSketch, 1, 63, 65'535));
  EXPECT_OK(check(EstimatorKind::kLinear, 1, 0, 0));
  EXPECT_OK(check(EstimatorKind::kExact, 200'000, 5, 250));
  const auto invalid = HasCode(StatusCode::kInvalidArgument);
  EXPECT_THAT(check(EstimatorKind::kLinear, 0, 5, 250), invalid);
  EXPECT_THAT(check(EstimatorKind::kSketch, 1, 4, 250), invalid);
  EXPECT_THAT(check(EstimatorKind::kSketch, 1, 65, 250), invalid);
  EXPECT_THAT(check(EstimatorKind::kSketch, 1, 5, 15), invalid);
  EXPECT_THAT(check(EstimatorKind::kSketch, 1, 5, 65'536), invalid);
  EXPECT_THAT(check(EstimatorKind::kExact, 200'001, 5, 250), invalid);
  EXPECT_THAT(MakeSummarizer({}), invalid);
  EXPECT_THAT(MakeEstimator({}), invalid);
}

TEST(Estimator, OnlyLinearAsksForADirection) {
  for (const EstimatorKind kind : {EstimatorKind::kNaive, EstimatorKind::kLinear,
                                   EstimatorKind::kSketch, EstimatorKind::kExact}) {
    EXPECT_EQ(Halves({.kind = kind, .parameters = 10}).summarizer->UsesDirection(),
              kind == EstimatorKind::kLinear);
  }
}

}  // namespace
}  // namespace actors
