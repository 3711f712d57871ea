#include "actors/training/concept_drift.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "runtime/base/error.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

constexpr ImageShape kSmall{2, 3, 3};

ConceptDrift Make(const char* rule, std::uint64_t seed = 0, std::uint32_t classes = 10) {
  return ConceptDrift(ParseDrift(rule).value(), {.input = kSmall, .classes = classes}, seed);
}

std::vector<std::uint32_t> LabelsAt(ConceptDrift& drift, std::uint64_t step) {
  drift.MoveTo(step);
  std::vector<std::uint32_t> labels;
  for (std::uint32_t label = 0; label < 10; ++label) labels.push_back(drift.LabelOf(label));
  return labels;
}

TEST(DriftRule, ChangesTheConceptBehindEachNthStep) {
  const DriftRule rule = ParseDrift("labels:1500").value();
  EXPECT_EQ(rule.ConceptAt(0), 0u);
  EXPECT_EQ(rule.ConceptAt(1), 0u);
  EXPECT_EQ(rule.ConceptAt(1500), 0u);
  EXPECT_EQ(rule.ConceptAt(1501), 1u);
  EXPECT_EQ(rule.ConceptAt(3000), 1u);
  EXPECT_EQ(rule.ConceptAt(3001), 2u);
  EXPECT_EQ(ParseDrift("none").value().ConceptAt(1000000), 0u);
}

TEST(ConceptDrift, EachConceptGivesEveryLabelAnotherNameUntilTheFirstRecurs) {
  ConceptDrift drift = Make("labels:10");
  std::set<std::vector<std::uint32_t>> concepts;
  std::vector<std::uint32_t> before;
  for (std::uint64_t number = 0; number < 10; ++number) {
    const std::vector<std::uint32_t> labels = LabelsAt(drift, 10 * number + 1);
    EXPECT_EQ(labels, LabelsAt(drift, 10 * number + 10));
    EXPECT_EQ(std::set<std::uint32_t>(labels.begin(), labels.end()).size(), 10u);
    for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NE(labels[i], before[i]);
    before = labels;
    concepts.insert(labels);
  }
  EXPECT_EQ(concepts.size(), 10u);
  EXPECT_THAT(LabelsAt(drift, 101), testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(ConceptDrift, FollowsFromSeedAndStepAlone) {
  ConceptDrift through = Make("labels:10", 5), newcomer = Make("labels:10", 5);
  ConceptDrift other = Make("labels:10", 6);
  for (std::uint64_t step = 1; step < 35; ++step) through.MoveTo(step);
  EXPECT_EQ(LabelsAt(through, 35), LabelsAt(newcomer, 35));
  EXPECT_NE(LabelsAt(other, 35), LabelsAt(newcomer, 35));
  // A step that is done again finds the concept that it had.
  EXPECT_THAT(LabelsAt(through, 0), testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(ConceptDrift, TwoClassesSwapTheirNames) {
  ConceptDrift drift = Make("labels:1", 3, 2);
  drift.MoveTo(2);
  EXPECT_EQ(drift.LabelOf(0), 1u);
  drift.MoveTo(3);
  EXPECT_EQ(drift.LabelOf(0), 0u);
}

TEST(ConceptDrift, TurnsEachChannelLeftByQuarterTurns) {
  ConceptDrift drift = Make("rotate:100");
  drift.MoveTo(100);
  EXPECT_EQ(drift.sources(), nullptr);
  EXPECT_EQ(drift.LabelOf(3), 3u);
  const auto sources = [&](std::uint64_t step) {
    drift.MoveTo(step);
    return std::vector<std::uint32_t>(drift.sources(), drift.sources() + kSmall.pixels());
  };
  // 0 1 2      2 5 8
  // 3 4 5  ->  1 4 7
  // 6 7 8      0 3 6
  EXPECT_THAT(sources(101), testing::ElementsAre(2, 5, 8, 1, 4, 7, 0, 3, 6,  //
                                                 11, 14, 17, 10, 13, 16, 9, 12, 15));
  EXPECT_THAT(sources(201), testing::ElementsAre(8, 7, 6, 5, 4, 3, 2, 1, 0,  //
                                                 17, 16, 15, 14, 13, 12, 11, 10, 9));
  EXPECT_THAT(sources(301), testing::ElementsAre(6, 3, 0, 7, 4, 1, 8, 5, 2,  //
                                                 15, 12, 9, 16, 13, 10, 17, 14, 11));
  drift.MoveTo(401);
  EXPECT_EQ(drift.sources(), nullptr);
}

TEST(ParseDrift, RefusesWhatItDoesNotKnow) {
  for (const char* const text : {"", "labels", "labels:", "labels:0", "labels:-1", "rotate:x",
                                 "None", "turn:5", "labels:2000000000000"}) {
    const absl::Status status = ParseDrift(text).status();
    ASSERT_FALSE(status.ok()) << text;
    EXPECT_EQ(runtime::ToUserError(status).exit, runtime::Exit::kUsage);
    EXPECT_THAT(status, tests::HasMessage("data.drift"));
  }
}

TEST(CheckDrift, WantsImagesToTurnAndLabelsToChange) {
  const DriftRule rotate = ParseDrift("rotate:5").value(), labels = ParseDrift("labels:5").value();
  const SampleShape row{.input = {1, 1, 123}, .classes = 2}, image{.input = {3, 8, 8}};
  const SampleShape text{.input = {1, 1, 64}, .classes = 65, .targets = 64};
  EXPECT_OK(CheckDrift(rotate, image));
  EXPECT_OK(CheckDrift(labels, row));
  EXPECT_OK(CheckDrift(DriftRule(), text));
  EXPECT_THAT(CheckDrift(rotate, row),
              tests::HasMessage("as high as wide, and a sample is 1 x 1 x 123"));
  EXPECT_THAT(CheckDrift(labels, text), tests::HasMessage("one sample each"));
}

}  // namespace
}  // namespace actors
