// theta = "auto": what the round machine measures, and from when on its choice holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <optional>
#include <string>

#include "tests/actors/free_table.h"
#include "tests/actors/round_table.h"

namespace actors {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr double kGrowth = 0.5;  // Of the variance, a step.
constexpr milliseconds kStep(10);
constexpr milliseconds kStop(150);  // 15 % of the time of 85 steps.

struct TuningTable : Table {
  explicit TuningTable(std::uint64_t test_every = 0)
      : Table({.max_steps = 100'000,
               .tune_theta = ThetaTunerOptions{.longest_interval = 1000},
               .evaluate_every = test_every,
               .evaluate_mean = true},
              Policy()) {
    AllReport(0);
  }
  static SyncPolicyOptions Policy() {
    SyncPolicyOptions options = Fda();
    options.max_steps = 100'000;
    return options;
  }

  // Steps until a synchronization is asked for.
  std::uint64_t TrainToPrepare(milliseconds step = kStep) {
    for (std::uint64_t steps = 1;; ++steps) {
      now += step;
      const RoundActions actions = AllReport(static_cast<float>(kGrowth * steps));
      if (Line(actions.front()) == "prepare synchronize") return steps;
      if (Line(actions.front()) == "prepare evaluate") TestTheMean();
    }
  }
  void TestTheMean() {
    now += std::chrono::minutes(1);
    AllReady(RingPurpose::kEvaluate, round->step());
    AllDone();
    now += std::chrono::minutes(1);
    AllEvaluated(1);
  }
  Synchronized FinishRing(milliseconds stop = kStop) {
    AllReady(RingPurpose::kSynchronize, round->step());
    now += stop;
    const RoundActions actions = AllDone();
    if (Line(actions.front()) == "commit, then evaluate") {
      now += std::chrono::minutes(1);
      AllEvaluated(1);
    }
    for (const RoundAction& action : actions) {
      if (const auto* event = std::get_if<Synchronized>(&action)) return *event;
    }
    ADD_FAILURE() << "nothing was committed";
    return {};
  }
  // Rounds until theta is chosen; the last.
  Synchronized RunToChoice() {
    for (int i = 0; i < 10; ++i) {
      TrainToPrepare();
      const Synchronized event = FinishRing();
      if (!event.choice.empty()) return event;
    }
    ADD_FAILURE() << "no theta was chosen";
    return {};
  }
};

TEST(RoundTuning, ARoundHasALengthUntilThetaIsChosenAndThenATheta) {
  TuningTable table;
  EXPECT_EQ(table.round->theta(), std::nullopt);
  EXPECT_EQ(table.TrainToPrepare(), ThetaTuner::kFirstInterval);
  EXPECT_EQ(table.FinishRing().theta, std::nullopt);
  const Synchronized event = table.RunToChoice();
  EXPECT_THAT(event.choice, HasSubstr("one in 85 steps takes 15 % of the time"));
  EXPECT_EQ(event.theta, std::nullopt) << "the round that ended had none";
  EXPECT_NEAR(table.round->theta().value_or(0), 85 * kGrowth, 0.5);
  EXPECT_NEAR(static_cast<double>(table.TrainToPrepare()), 86, 1);
  EXPECT_EQ(table.FinishRing().theta, table.round->theta());
}

TEST(RoundTuning, CommitTellsTheLongestInterval) {
  TuningTable table;
  // The first round of a view is not measured.
  for (const std::uint64_t interval : {1, 4}) {
    table.TrainToPrepare();
    table.AllReady(RingPurpose::kSynchronize, table.round->step());
    table.now += kStop;
    const RoundActions actions = table.AllDone();
    const Commit& commit = std::get<Commit>(std::get<SendOrder>(actions.front()).order.body);
    EXPECT_EQ(commit.max_interval, interval * ThetaTuner::kFirstInterval);
  }
}

// A change of the members, and a second attempt, take time that no theta changes.
TEST(RoundTuning, WhatIsDisturbedIsNotMeasured) {
  TuningTable table;
  table.RunToChoice();
  const std::optional<double> theta = table.round->theta();
  for (int i = 0; i < 5; ++i) {
    table.now += std::chrono::minutes(1);
    table.Lose({12});
    table.AllReport(0);
    table.TrainToPrepare();
    EXPECT_THAT(table.FinishRing(std::chrono::minutes(1)).choice, IsEmpty());
    table.Admit(12);
    table.AllReport(0);
    table.TrainToPrepare();
    EXPECT_THAT(table.FinishRing(std::chrono::minutes(1)).choice, IsEmpty());
  }
  for (int i = 0; i < 5; ++i) {
    table.TrainToPrepare();
    table.AllReady(RingPurpose::kSynchronize, table.round->step());
    table.now += std::chrono::minutes(1);
    table.Say(0, BrokenEdge());
    EXPECT_THAT(table.FinishRing().choice, IsEmpty());
  }
  EXPECT_EQ(table.round->theta(), theta);
}

// Where each round is interrupted by one there would be no theta, ever.
TEST(RoundTuning, TestsOfTheMeanAreNoPartOfWhatARoundTakes) {
  TuningTable table(/*test_every=*/20);
  EXPECT_THAT(table.RunToChoice().choice, HasSubstr("one in 85 steps takes 15 % of the time"));
}

TEST(RoundTuning, ASlowerLinkIsNoticed) {
  TuningTable table;
  table.RunToChoice();
  std::string choice;
  int rounds = 0;
  while (choice.empty() && rounds < 10) {
    table.TrainToPrepare();
    choice = table.FinishRing(10 * kStop).choice;
    ++rounds;
  }
  EXPECT_THAT(choice, HasSubstr("chosen again"));
  EXPECT_LE(rounds, 3);
  EXPECT_EQ(table.round->theta(), std::nullopt);
}

// theta is 10 and the estimate the mean of the squared norms; the rate is halved from step 3 on.
RoundOptions Falling(double exponent) {
  return {.max_steps = 100,
          .theta_lr_exponent = exponent,
          .schedule = {.name = Schedule::kStep, .decay_every = 2, .decay_factor = 0.5}};
}

TEST(ThetaThatFollowsTheRate, FallsWithThatPowerOfIt) {
  for (const double exponent : {0.0, 1.0, 2.0}) {
    Table table(Falling(exponent));
    const double falls_to = 10 * std::pow(0.5, exponent);
    table.AllReport(0);
    EXPECT_THAT(Lines(table.AllReport(9)), ElementsAre("decision 1 at step 1"));
    EXPECT_THAT(Lines(table.AllReport(9)), ElementsAre("decision 2 at step 2"));
    EXPECT_EQ(table.round->theta(), 10);
    EXPECT_THAT(Lines(table.AllReport(static_cast<float>(falls_to))),
                ElementsAre("decision 3 at step 3"));
    EXPECT_EQ(table.round->theta(), falls_to);
    EXPECT_THAT(Lines(table.AllReport(static_cast<float>(falls_to) + 0.1F)),
                ElementsAre("prepare synchronize"));
  }
}

TEST(ThetaThatFollowsTheRate, DoesSoWithoutABarrierFromOneRoundToTheNext) {
  FreeTable table(Falling(1));
  table.Begin();
  table.Drifts(0, 11, 4);
  EXPECT_THAT(Lines(table.Drifts(1, 11, 5)), ElementsAre("poll at step 3"));
  EXPECT_THAT(Lines(table.AllDrift(11, 0)), ElementsAre("prepare synchronize"));
  table.AllReadyAtTheirs();
  table.Hear(table.AllDone());
  EXPECT_EQ(table.quantum, 2.5);  // Half of 5.
}

}  // namespace
}  // namespace actors
