#include "actors/averaging/drift_telemetry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "actors/averaging/drift.h"
#include "tests/actors/averaging/vectors.h"

namespace actors {
namespace {

using testing::Contains;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;
using Vector = std::vector<float>;

constexpr std::uint64_t kSteps = 50;

runtime::NodeId NodeIn(std::size_t k) { return {.high = k + 1, .low = 1}; }

// What members with these drifts and weights read, whoever is in the mean.
std::vector<DriftSample> Read(const std::vector<Vector>& drifts,
                              const std::vector<float>& weights) {
  const Vector base(drifts[0].size());
  Vector mean = base;
  float total = 0;
  for (const float weight : weights) total += weight;
  for (std::size_t k = 0; k < drifts.size(); ++k) {
    if (weights[k] == 0) continue;
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += weights[k] / total * drifts[k][i];
  }
  std::vector<DriftSample> samples;
  for (std::size_t k = 0; k < drifts.size(); ++k) {
    samples.push_back(
        {.node = NodeIn(k), .weight = weights[k], .reading = ReadDrift(drifts[k], base, mean)});
  }
  return samples;
}

std::vector<DriftSample> Read(const std::vector<Vector>& drifts) {
  return Read(drifts, std::vector<float>(drifts.size(), 1));
}

// K drifts of which all but the last share `common` of one direction and have noise of their own;
// the last has `odd` of that direction. All times `length` for the last.
std::vector<Vector> Drifts(std::size_t members, float common, float odd, std::uint64_t seed,
                           float length = 1) {
  constexpr std::size_t kFloats = 1000;
  const Vector direction = tests::GaussianVector(kFloats, 1000 + seed);
  std::vector<Vector> drifts;
  for (std::size_t k = 0; k < members; ++k) {
    Vector& drift = drifts.emplace_back(tests::GaussianVector(kFloats, 100 * seed + k));
    const bool is_odd = k + 1 == members;
    for (std::size_t i = 0; i < kFloats; ++i) {
      drift[i] = (is_odd ? length : 1) * (drift[i] + (is_odd ? odd : common) * direction[i]);
    }
  }
  return drifts;
}

// ------------------------------------------------------------------------------ comparisons ----

TEST(CompareDrifts, TellsTheCosineToTheMeanOfTheOthersByTheWeights) {
  // Exactly representable: (3, 0), (0, 4), (0, -1) with weights 1, 2, 1.
  const auto drifts = CompareDrifts(Read({{3, 0}, {0, 4}, {0, -1}}, {1, 2, 1}));
  // m = (0.75, 1.75); the others' parts are (0, 1.75), (0.75, -0.25) and (0.75, 2).
  EXPECT_THAT(drifts[0].norm, Optional(3.0));
  EXPECT_THAT(drifts[0].cosine, Optional(DoubleNear(0.75 / std::hypot(0.75, 1.75), 1e-12)));
  EXPECT_THAT(drifts[0].cosine_to_others, Optional(DoubleNear(0, 1e-12)));
  EXPECT_THAT(drifts[1].norm, Optional(4.0));
  EXPECT_THAT(drifts[1].cosine_to_others,
              Optional(DoubleNear(-0.25 / std::hypot(0.75, 0.25), 1e-12)));
  EXPECT_THAT(drifts[2].cosine_to_others, Optional(DoubleNear(-2 / std::hypot(0.75, 2.0), 1e-12)));
  EXPECT_EQ(drifts[2].node, NodeIn(2));
}

TEST(CompareDrifts, AMemberThatAddedNothingIsComparedToTheWholeMean) {
  const auto drifts = CompareDrifts(Read({{2, 0}, {2, 0}, {-1, 0}}, {1, 1, 0}));
  EXPECT_EQ(drifts[2].cosine, -1);
  EXPECT_EQ(drifts[2].cosine_to_others, -1);
  EXPECT_EQ(drifts[0].cosine_to_others, 1);
}

TEST(CompareDrifts, OfTwoNobodyIsTheOddOne) {
  const auto drifts = CompareDrifts(Read({{1, 0}, {-1, 0.5}}));
  for (const MemberDrift& drift : drifts) {
    EXPECT_TRUE(drift.norm.has_value());
    EXPECT_LT(drift.cosine_to_others, -0.8);
    EXPECT_FALSE(drift.z().has_value());
  }
}

TEST(CompareDrifts, OneThatIsFarOffHasALargeZAmongAnyNumberWhereAPlainOneCannot) {
  for (std::size_t members = 3; members <= 8; ++members) {
    SCOPED_TRACE(testing::Message() << members << " members");
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const auto opposed = CompareDrifts(Read(Drifts(members, 2, -2, seed)));
      const auto long_one = CompareDrifts(Read(Drifts(members, 2, 2, seed, 6)));
      for (std::size_t k = 0; k + 1 < members; ++k) {
        EXPECT_LT(opposed[k].z(), 2) << "seed " << seed << ", member " << k;
        EXPECT_LT(long_one[k].z(), 2) << "seed " << seed << ", member " << k;
      }
      EXPECT_GT(opposed.back().cosine_z, 5);
      EXPECT_LT(opposed.back().norm_z, 1);
      EXPECT_GT(long_one.back().norm_z, 3);
      EXPECT_LT(long_one.back().cosine_z, 1);
    }
  }
}

TEST(CompareDrifts, OfEqualDriftsNobodyIsFarOff) {
  for (const MemberDrift& drift : CompareDrifts(Read(std::vector<Vector>(5, {1, 2, 3})))) {
    EXPECT_THAT(drift.cosine, Optional(DoubleNear(1, 1e-7)));
    EXPECT_THAT(drift.z(), Optional(DoubleNear(0, 1e-6)));
  }
}

TEST(CompareDrifts, DriftsOfZeroHaveNoDirection) {
  for (const MemberDrift& drift : CompareDrifts(Read(std::vector<Vector>(4, {0, 0})))) {
    EXPECT_EQ(drift.norm, 0);
    EXPECT_FALSE(drift.cosine.has_value());
    EXPECT_FALSE(drift.cosine_to_others.has_value());
    EXPECT_FALSE(drift.z().has_value());
  }
}

TEST(CompareDrifts, WhatIsNoNumberOrWasNotSaidHidesNobodyElse) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const std::optional<DriftReading>& bad : std::vector<std::optional<DriftReading>>{
           std::nullopt, DriftReading{nan, nan, 1}, DriftReading{infinity, infinity, 1},
           DriftReading{1, nan, 1}, DriftReading{1, 1, nan}, DriftReading{1e300, -1e300, 1e300}}) {
    std::vector<DriftSample> samples = Read(Drifts(5, 2, -2, 7));
    samples[1].reading = bad;
    const auto drifts = CompareDrifts(samples);
    if (!bad.has_value() || !std::isfinite(bad->squared_norm)) {
      EXPECT_FALSE(drifts[1].norm.has_value());
    }
    for (const MemberDrift& drift : drifts) {
      for (const auto& value : {drift.norm, drift.cosine, drift.cosine_to_others, drift.z()}) {
        EXPECT_TRUE(!value.has_value() || std::isfinite(*value));
      }
    }
    EXPECT_GT(drifts[4].cosine_z, 3);
    EXPECT_LT(drifts[0].z(), 2);
  }
}

TEST(CompareDrifts, TwoWhoCanBeComparedAreTooFew) {
  std::vector<DriftSample> samples = Read(Drifts(3, 2, -2, 7));
  samples[0].reading.reset();
  for (const MemberDrift& drift : CompareDrifts(samples)) EXPECT_FALSE(drift.z().has_value());
}

// ------------------------------------------------------------------------------- the watch ----

// A round whose last member has this cosine to the others and this z, the others being alike.
std::vector<MemberDrift> Round(double cosine, double z, double norm_z = 0,
                               std::size_t members = 4) {
  std::vector<MemberDrift> drifts;
  for (std::size_t k = 0; k < members; ++k) {
    const bool odd = k + 1 == members;
    drifts.push_back({.node = NodeIn(k),
                      .norm = 1,
                      .cosine = odd ? cosine : 0.8,
                      .cosine_to_others = odd ? cosine : 0.8,
                      .cosine_z = odd ? z : 0,
                      .norm_z = odd ? norm_z : 0});
  }
  return drifts;
}

struct Judgement {
  const char* name;
  std::vector<std::vector<MemberDrift>> rounds;
  std::vector<bool> is_outlier;  // The last member, after each round.
  std::uint64_t steps = kSteps;
};

TEST(OutlierWatch, NamesByTwoRoundsAndLetsGoByThree) {
  const auto bad = Round(-0.6, 9), good = Round(0.5, 0);
  const std::vector<Judgement> cases = {
      {"one round is too few", {bad, good, bad, good}, {false, false, false, false}},
      {"labels shuffled, as measured",
       {Round(0.1, 6), Round(-0.27, 12), Round(-0.63, 13), Round(-0.6, 9)},
       {false, false, true, true}},
      {"a single label, as measured",
       {Round(-0.16, 9), Round(-0.08, 10), Round(-0.2, 5), Round(-0.2, 5)},
       {false, false, false, false}},
      {"far off, but against the others only at first",
       {Round(-0.6, 9), Round(-0.3, 9), Round(-0.3, 9)},
       {false, false, false}},
      {"nobody agrees with anybody", {Round(-0.6, 1), Round(-0.6, 2)}, {false, false}},
      {"another direction alone", {Round(0.1, 9), Round(0, 9)}, {false, false}},
      {"as long as five", {Round(0.8, 0, 3.2), Round(0.8, 0, 3.2)}, {false, true}},
      {"as long as four", {Round(0.8, 0, 2.8), Round(0.8, 0, 2.8)}, {false, false}},
      {"stays one for a while",
       {bad, bad, good, bad, bad, good, good, good, good},
       {false, true, true, true, true, true, true, false, false}},
      {"stays one while it is not near",
       {bad, bad, Round(0, 2.5), Round(0, 2.5), Round(0.2, 0, 2.1), Round(0.2, 2.5), good, good,
        good},
       {false, true, true, true, true, true, true, true, false}},
      {"rounds of a few steps tell nothing", {bad, bad, bad}, {false, false, false}, 7},
      {"rounds of a few more do", {bad, bad}, {false, true}, 8},
  };
  for (const Judgement& one : cases) {
    SCOPED_TRACE(one.name);
    OutlierWatch watch;
    bool before = false;
    for (std::size_t round = 0; round < one.rounds.size(); ++round) {
      SCOPED_TRACE(testing::Message() << "round " << round + 1);
      std::vector<MemberDrift> drifts = one.rounds[round];
      watch.Judge(drifts, one.steps);
      EXPECT_EQ(drifts.back().outlier, one.is_outlier[round]);
      EXPECT_EQ(drifts.back().changed, one.is_outlier[round] != before);
      before = one.is_outlier[round];
      for (std::size_t k = 0; k + 1 < drifts.size(); ++k) EXPECT_FALSE(drifts[k].outlier);
    }
  }
}

TEST(OutlierWatch, ARoundOfAFewStepsBetweenTwoOthersChangesNothing) {
  OutlierWatch watch;
  for (const std::uint64_t steps : {kSteps, std::uint64_t{1}, kSteps}) {
    std::vector<MemberDrift> drifts = Round(-0.6, 9);
    watch.Judge(drifts, steps);
    EXPECT_EQ(drifts.back().outlier, drifts.back().changed);
  }
  std::vector<MemberDrift> drifts = Round(0.9, 0);
  watch.Judge(drifts, 1);
  EXPECT_TRUE(drifts.back().outlier);
  EXPECT_FALSE(drifts.back().changed);
}

TEST(OutlierWatch, WhoWasNotInARoundBeginsAnew) {
  OutlierWatch watch;
  std::vector<MemberDrift> with = Round(-0.6, 9);
  std::vector<MemberDrift> without(with.begin(), with.end() - 1);
  watch.Judge(with, kSteps);
  watch.Judge(without, kSteps);
  watch.Judge(with, kSteps);
  EXPECT_FALSE(with.back().outlier);
}

std::vector<runtime::NodeId> LeftOut(std::size_t members, const std::vector<double>& z) {
  OutlierWatch watch;
  for (int round = 0; round < 2; ++round) {
    std::vector<MemberDrift> drifts = Round(0.9, 0, 0, members);
    for (std::size_t k = 0; k < z.size(); ++k) {
      drifts[k].cosine_to_others = -0.9;
      drifts[k].cosine_z = z[k];
    }
    watch.Judge(drifts, kSteps);
  }
  std::vector<runtime::NodeId> nodes;
  for (std::size_t k = 0; k < members; ++k) nodes.push_back(NodeIn(k));
  return watch.ToLeaveOut(nodes);
}

TEST(OutlierWatch, LeavesOutFewerThanHalfOfTheMembersTheFarthestFirst) {
  EXPECT_THAT(LeftOut(4, {}), IsEmpty());
  EXPECT_THAT(LeftOut(4, {5}), ElementsAre(NodeIn(0)));
  EXPECT_THAT(LeftOut(4, {5, 7}), ElementsAre(NodeIn(1)));
  EXPECT_THAT(LeftOut(5, {5, 7, 6}), ElementsAre(NodeIn(1), NodeIn(2)));
  EXPECT_THAT(LeftOut(2, {5}), IsEmpty());
  EXPECT_THAT(LeftOut(1, {5}), IsEmpty());
  EXPECT_THAT(OutlierWatch().ToLeaveOut({}), IsEmpty());
}

TEST(OutlierWatch, DoesNotNameHonestNoiseInAThousandRounds) {
  for (const std::size_t members : {3, 4, 8}) {
    OutlierWatch watch;
    for (std::uint64_t round = 0; round < 1000; ++round) {
      // From agreeing to going ways of their own, and, with a negative part, against each other.
      const float common = static_cast<float>(1000 - round) / 1000;
      std::vector<MemberDrift> drifts = CompareDrifts(Read(Drifts(members, common, common, round)));
      watch.Judge(drifts, kSteps);
      for (const MemberDrift& drift : drifts) {
        ASSERT_FALSE(drift.outlier) << members << " members, round " << round;
      }
    }
  }
}

}  // namespace
}  // namespace actors
