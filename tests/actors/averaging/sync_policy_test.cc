#include "actors/averaging/sync_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::tests::HasCode;
using ::tests::IsOk;

const SyncPolicyOptions kFda = {
    .strategy = Strategy::kFda,
    .estimator = {.kind = EstimatorKind::kNaive, .parameters = 10},
    .theta = 2,
    .max_steps = 1000,
};
const SyncPolicyOptions kLocal = {
    .strategy = Strategy::kLocal, .tau = 5, .max_steps = 1000, .evaluate_every = 8};

std::vector<LocalState> StatesOf(std::vector<float> squared_norms) {
  std::vector<LocalState> states;
  for (const float norm : squared_norms) states.push_back({.squared_norm = norm});
  return states;
}

Verdict Decide(const SyncPolicyOptions& options, const Boundary& boundary,
               const std::vector<LocalState>& states, bool ending = false) {
  const std::vector<float> weights(states.size(), 1);
  return MakeMonitorPolicy(options).value()->Decide(
      {.boundary = boundary, .ending = ending, .states = states, .weights = weights});
}

BoundaryAction Act(const SyncPolicyOptions& options, std::uint64_t step, std::uint64_t since) {
  return MakeWorkerPolicy(options).value()->AtBoundary(
      {.step = step, .steps_since_synchronization = since});
}

TEST(FdaPolicy, WorkerReportsAtEveryBoundary) {
  for (const std::uint64_t step : {0, 1, 7, 1000}) {
    EXPECT_EQ(Act(kFda, step, step), BoundaryAction::kReport);
  }
  EXPECT_TRUE(MakeWorkerPolicy(kFda).value()->Reports());
}

TEST(FdaPolicy, SynchronizesOnlyAboveTheta) {
  const Boundary boundary = {.step = 10, .steps_since_synchronization = 4};
  const Verdict below = Decide(kFda, boundary, StatesOf({1, 3}));
  EXPECT_EQ(below.decision, SyncDecision::kContinue);
  EXPECT_EQ(below.variance_estimate, 2);
  const Verdict above = Decide(kFda, boundary, StatesOf({1, 3.01f}));
  EXPECT_EQ(above.decision, SyncDecision::kSynchronize);
  EXPECT_NEAR(above.variance_estimate, 2.005, 1e-6);
  EXPECT_THAT(above.reason, HasSubstr("> theta 2"));
}

TEST(FdaPolicy, WeighsTheStatesAsTheRingDoes) {
  const std::vector<LocalState> states = StatesOf({1, 5});
  const std::vector<float> weights = {3, 1};
  const Verdict verdict = MakeMonitorPolicy(kFda).value()->Decide(
      {.boundary = {.step = 1, .steps_since_synchronization = 1},
       .states = states,
       .weights = weights});
  EXPECT_EQ(verdict.variance_estimate, 2);
  EXPECT_EQ(verdict.decision, SyncDecision::kContinue);
}

TEST(FdaPolicy, ThetaZeroSynchronizesAfterEveryStepByRule) {
  SyncPolicyOptions options = kFda;
  options.theta = 0;
  // The drifts are 0, and with one member so is H: only the rule can synchronize.
  EXPECT_EQ(
      Decide(options, {.step = 1, .steps_since_synchronization = 1}, StatesOf({0, 0})).decision,
      SyncDecision::kSynchronize);
  EXPECT_EQ(Decide(options, {.step = 1, .steps_since_synchronization = 1}, StatesOf({4})).decision,
            SyncDecision::kSynchronize);
  // An opening report without a step has nothing to average.
  EXPECT_EQ(
      Decide(options, {.step = 0, .steps_since_synchronization = 0}, StatesOf({0, 0})).decision,
      SyncDecision::kContinue);
}

TEST(FdaPolicy, MaxIntervalAndTheEndOfTheRunSynchronizeBelowTheta) {
  SyncPolicyOptions options = kFda;
  options.max_interval = 50;
  const std::vector<LocalState> calm = StatesOf({0.5f, 0.5f});
  const auto decide = [&](std::uint64_t step, std::uint64_t since, bool ending) {
    return Decide(options, {.step = step, .steps_since_synchronization = since}, calm, ending);
  };
  EXPECT_EQ(decide(49, 49, false).decision, SyncDecision::kContinue);
  EXPECT_EQ(decide(50, 50, false).decision, SyncDecision::kSynchronize);
  EXPECT_THAT(decide(50, 50, false).reason, HasSubstr("max_interval is 50"));
  EXPECT_EQ(decide(999, 9, false).decision, SyncDecision::kContinue);
  EXPECT_EQ(decide(1000, 10, false).decision, SyncDecision::kSynchronize);
  EXPECT_EQ(decide(70, 10, true).decision, SyncDecision::kSynchronize);
  EXPECT_EQ(decide(70, 10, true).variance_estimate, 0.5);
  // Just synchronized: the run has its last synchronization already.
  EXPECT_EQ(decide(1000, 0, true).decision, SyncDecision::kContinue);
}

TEST(FdaPolicy, OneMemberTrainsOnUntilTheEnd) {
  EXPECT_EQ(
      Decide(kFda, {.step = 10, .steps_since_synchronization = 10}, StatesOf({1e6f})).decision,
      SyncDecision::kContinue);
  EXPECT_EQ(
      Decide(kFda, {.step = 1000, .steps_since_synchronization = 1000}, StatesOf({1e6f})).decision,
      SyncDecision::kSynchronize);
}

TEST(FdaPolicy, AReportThatIsNotFiniteIsAnErrorThatNamesTheMember) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    for (const double theta : {0.0, 2.0}) {
      SyncPolicyOptions options = kFda;
      options.theta = theta;
      const Verdict verdict = Decide(options, {.step = 1000, .steps_since_synchronization = 10},
                                     StatesOf({1, bad, 1}), true);
      EXPECT_EQ(verdict.decision, SyncDecision::kError);
      EXPECT_EQ(verdict.culprit, 1u);
      EXPECT_THAT(verdict.error, HasCode(StatusCode::kDataLoss));
      EXPECT_THAT(verdict.reason, HasSubstr("member 1"));
      EXPECT_EQ(verdict.variance_estimate, 0);
    }
  }
}

TEST(FdaPolicy, AMalformedReportIsAnErrorToo) {
  const Verdict verdict =
      Decide(kFda, {.step = 1, .steps_since_synchronization = 1}, StatesOf({1, 1, -1}));
  EXPECT_EQ(verdict.decision, SyncDecision::kError);
  EXPECT_EQ(verdict.culprit, 2u);
  EXPECT_THAT(verdict.error, HasCode(StatusCode::kInvalidArgument));
}

TEST(FixedPolicy, SynchronousIsReadyAfterEveryStep) {
  const SyncPolicyOptions options = {
      .strategy = Strategy::kSynchronous, .max_steps = 100, .evaluate_every = 10};
  EXPECT_EQ(Act(options, 0, 0), BoundaryAction::kTrainOn);
  for (const std::uint64_t step : {1, 10, 100}) {
    EXPECT_EQ(Act(options, step, 1), BoundaryAction::kReadyToSynchronize);
    EXPECT_EQ(Decide(options, {.step = step, .steps_since_synchronization = 1}, {}).decision,
              SyncDecision::kSynchronize);
  }
  EXPECT_FALSE(MakeWorkerPolicy(options).value()->Reports());
}

TEST(FixedPolicy, LocalIsReadyEveryTauStepsAtEvaluationsAndAtTheEnd) {
  struct Case {
    std::uint64_t step, since;
    BoundaryAction action;
  };
  for (const Case& c : std::vector<Case>{
           {0, 0, BoundaryAction::kTrainOn},
           {1, 1, BoundaryAction::kTrainOn},
           {4, 4, BoundaryAction::kTrainOn},
           {5, 5, BoundaryAction::kReadyToSynchronize},
           {8, 3, BoundaryAction::kReadyToEvaluate},
           {40, 5, BoundaryAction::kReadyToSynchronize},  // Both are due: one stop.
           {57, 7, BoundaryAction::kReadyToSynchronize},  // Owed after a cancelled round.
           {999, 4, BoundaryAction::kTrainOn},
           {1000, 3, BoundaryAction::kReadyToSynchronize},
       }) {
    EXPECT_EQ(Act(kLocal, c.step, c.since), c.action) << "step " << c.step;
    const Verdict verdict =
        Decide(kLocal, {.step = c.step, .steps_since_synchronization = c.since}, {});
    EXPECT_EQ(verdict.decision == SyncDecision::kSynchronize,
              c.action == BoundaryAction::kReadyToSynchronize)
        << "step " << c.step;
  }
}

TEST(FixedPolicy, ARunThatEndsEarlySynchronizesFirst) {
  const Boundary boundary = {.step = 8, .steps_since_synchronization = 3};
  EXPECT_EQ(Decide(kLocal, boundary, {}).decision, SyncDecision::kContinue);
  EXPECT_EQ(Decide(kLocal, boundary, {}, true).decision, SyncDecision::kSynchronize);
}

TEST(FixedPolicy, BothHalvesTogetherSynchronizeOnSchedule) {
  const auto worker = MakeWorkerPolicy(kLocal).value();
  const auto monitor = MakeMonitorPolicy(kLocal).value();
  Boundary at;
  int synchronizations = 0, evaluations = 0;
  while (at.step < kLocal.max_steps) {
    ++at.step;
    ++at.steps_since_synchronization;
    const BoundaryAction action = worker->AtBoundary(at);
    if (EvaluationDue(kLocal, at)) ++evaluations;
    if (action == BoundaryAction::kTrainOn) continue;
    const Verdict verdict = monitor->Decide({.boundary = at});
    if (verdict.decision == SyncDecision::kSynchronize) {
      ++synchronizations;
      at.steps_since_synchronization = 0;
    }
  }
  EXPECT_EQ(synchronizations, 200);
  EXPECT_EQ(evaluations, 125);
  EXPECT_EQ(at.steps_since_synchronization, 0u);
}

// ------------------------------------------------------------------------------------- clock ----

SyncPolicyOptions Clock(std::uint64_t tau, std::uint64_t max_steps,
                        LearningRateSchedule schedule = {}) {
  schedule.max_steps = max_steps;
  return {.strategy = Strategy::kClock, .tau = tau, .schedule = schedule, .max_steps = max_steps};
}

// Of a whole run. Both halves have to agree at every step, and so has a worker that comes only now.
std::vector<std::uint64_t> SynchronizedSteps(const SyncPolicyOptions& options) {
  const auto worker = MakeWorkerPolicy(options).value();
  std::vector<std::uint64_t> steps;
  for (Boundary at; at.step < options.max_steps;) {
    ++at.step;
    ++at.steps_since_synchronization;
    const BoundaryAction action = worker->AtBoundary(at);
    const bool is_due = action == BoundaryAction::kReadyToSynchronize;
    EXPECT_EQ(Act(options, at.step, at.steps_since_synchronization), action) << at.step;
    EXPECT_EQ(Decide(options, at, {}).decision == SyncDecision::kSynchronize, is_due) << at.step;
    if (!is_due) continue;
    steps.push_back(at.step);
    at.steps_since_synchronization = 0;
  }
  return steps;
}

// --------------------------------------------------------------------------------------- qsr ----

TEST(QsrPolicy, ItsRoundsGrowAsTheRateFallsAndAreTauStepsAtLeast) {
  SyncPolicyOptions options = Clock(
      3, 60,
      {.name = Schedule::kStep, .learning_rate = 0.1, .decay_every = 20, .decay_factor = 0.5});
  options.strategy = Strategy::kQsr;
  // (0.21 / 0.1)² is 4.41, and (0.21 / 0.05)² 17.64: by the rate of a round's first step.
  options.qsr_alpha = 0.21;
  EXPECT_THAT(SynchronizedSteps(options), ElementsAre(4, 8, 12, 16, 20, 37, 54, 60));
  options.qsr_alpha = 0.1;
  EXPECT_THAT(SynchronizedSteps(options),
              ElementsAre(3, 6, 9, 12, 15, 18, 21, 25, 29, 33, 37, 41, 57, 60));
}

// At step 1 of the warm-up the rate is a hundredth of the full one, which would make 40,000 steps.
TEST(QsrPolicy, InAWarmUpItsRoundsAreThoseOfTheFullRate) {
  SyncPolicyOptions options;
  options.strategy = Strategy::kQsr;
  options.qsr_alpha = 0.2;
  options.max_steps = 1000;
  options.schedule = {.learning_rate = 0.1, .warmup = 100, .max_steps = 1000};
  const auto policy = MakeWorkerPolicy(options);
  ASSERT_OK(policy);
  for (const std::uint64_t step : {4, 8, 200}) {
    EXPECT_EQ((*policy)->AtBoundary({.step = step - 1, .steps_since_synchronization = 3}),
              BoundaryAction::kTrainOn);
    EXPECT_EQ((*policy)->AtBoundary({.step = step, .steps_since_synchronization = 4}),
              BoundaryAction::kReadyToSynchronize);
  }
}

TEST(QsrPolicy, AtARateOfZeroTheRestIsOneRound) {
  SyncPolicyOptions options = Clock(
      2, 12, {.name = Schedule::kStep, .learning_rate = 1, .decay_every = 4, .decay_factor = 0});
  options.strategy = Strategy::kQsr;
  options.qsr_alpha = 1;
  EXPECT_THAT(SynchronizedSteps(options), ElementsAre(2, 4, 12));
}

// ------------------------------------------------------------------------------------- epochs ---

TEST(EpochsPolicy, ARoundIsSoManyEpochsOfTheLargestShard) {
  SyncPolicyOptions options = {.strategy = Strategy::kFedAvg,
                               .epochs = 1,
                               .samples = 1001,  // Shards of 251 and 250.
                               .shards = 4,
                               .batch = 50,
                               .max_steps = 20};
  EXPECT_THAT(SynchronizedSteps(options), ElementsAre(6, 12, 18, 20));
  options.strategy = Strategy::kFedAdam;
  options.epochs = 1.5;
  EXPECT_THAT(SynchronizedSteps(options), ElementsAre(9, 18, 20));
  options.epochs = 1e-9;
  options.max_steps = 3;
  EXPECT_THAT(SynchronizedSteps(options), ElementsAre(1, 2, 3));
  for (auto spoil : {+[](SyncPolicyOptions& bad) { bad.epochs = 0; },
                     +[](SyncPolicyOptions& bad) { bad.samples = 0; },
                     +[](SyncPolicyOptions& bad) { bad.shards = 0; },
                     +[](SyncPolicyOptions& bad) { bad.batch = 0; }}) {
    SyncPolicyOptions bad = options;
    spoil(bad);
    EXPECT_FALSE(CheckSyncPolicyOptions(bad).ok());
  }
}

TEST(ClockPolicy, AtAConstantRateItIsLocalStepForStep) {
  for (const double rate : {1e-3, 0.1, 0.3, 7.0}) {
    for (const std::uint64_t tau : {1, 2, 3, 7, 76, 2000}) {
      SyncPolicyOptions clock = Clock(tau, 1000, {.learning_rate = rate});
      SyncPolicyOptions local = clock;
      local.strategy = Strategy::kLocal;
      EXPECT_EQ(SynchronizedSteps(clock), SynchronizedSteps(local)) << rate << ", " << tau;
    }
  }
}

TEST(ClockPolicy, ItsIntervalsGrowAsTheSquareOfTheRateFalls) {
  const SyncPolicyOptions options =
      Clock(4, 60, {.name = Schedule::kStep, .decay_every = 20, .decay_factor = 0.5});
  // Four steps at the full rate, 16 at half of it; the 24 that are left are worth 2.25.
  EXPECT_THAT(SynchronizedSteps(options), ElementsAre(4, 8, 12, 16, 20, 36, 60));
}

TEST(ClockPolicy, OnACosineTheEndIsRare) {
  // Squares of (1 + cos(s pi / 8)) / 2: 1, 0.925, 0.729 are 2.65; the other five are 0.85.
  EXPECT_THAT(SynchronizedSteps(Clock(2, 8, {.name = Schedule::kCosine})), ElementsAre(3, 8));
}

TEST(ClockPolicy, AWarmUpBeginsWithLongIntervals) {
  // (1 + 4 + 9 + 16) / 16 are 1.875.
  EXPECT_THAT(SynchronizedSteps(Clock(2, 12, {.warmup = 4})), ElementsAre(5, 7, 9, 11, 12));
}

TEST(ClockPolicy, WhatARateIsRoundedToCostsNoStep) {
  for (std::uint64_t k = 2; k < 60; ++k) {
    const std::uint64_t decay = 10'000;
    const SyncPolicyOptions options = Clock(2, 2 * decay,
                                            {.name = Schedule::kStep,
                                             .decay_every = decay,
                                             .decay_factor = 1 / static_cast<double>(k)});
    const std::uint64_t interval = 2 * k * k;
    const auto worker = MakeWorkerPolicy(options).value();
    for (std::uint64_t since = 1; since <= interval; ++since) {
      const auto action =
          worker->AtBoundary({.step = decay + since, .steps_since_synchronization = since});
      ASSERT_EQ(action == BoundaryAction::kReadyToSynchronize, since == interval)
          << since << " steps at 1/" << k;
    }
  }
}

TEST(ClockPolicy, StaysDueAfterACancelledRoundAndIsCappedByMaxInterval) {
  SyncPolicyOptions options = Clock(5, 1000);
  const auto worker = MakeWorkerPolicy(options).value();
  for (std::uint64_t since = 5; since < 9; ++since) {
    EXPECT_EQ(worker->AtBoundary({.step = since, .steps_since_synchronization = since}),
              BoundaryAction::kReadyToSynchronize);
  }
  // Another round began meanwhile, or the steps were taken back by another head.
  EXPECT_EQ(worker->AtBoundary({.step = 10, .steps_since_synchronization = 2}),
            BoundaryAction::kTrainOn);
  EXPECT_EQ(worker->AtBoundary({.step = 4, .steps_since_synchronization = 4}),
            BoundaryAction::kTrainOn);
  options.max_interval = 3;
  EXPECT_THAT(SynchronizedSteps(options), testing::Contains(999));
  EXPECT_THAT(SynchronizedSteps(options), testing::SizeIs(334));
}

TEST(SyncPolicy, EvaluationIsDueAtMultiplesButNotBeforeTheFirstStep) {
  EXPECT_FALSE(EvaluationDue(kLocal, {.step = 0}));
  EXPECT_FALSE(EvaluationDue(kLocal, {.step = 7}));
  EXPECT_TRUE(EvaluationDue(kLocal, {.step = 8}));
  EXPECT_TRUE(EvaluationDue(kLocal, {.step = 16}));
  EXPECT_FALSE(EvaluationDue(kFda, {.step = 8}));
}

TEST(SyncPolicy, OptionsOutOfRangeAreRefused) {
  const auto invalid = HasCode(StatusCode::kInvalidArgument);
  SyncPolicyOptions options = kFda;
  EXPECT_OK(CheckSyncPolicyOptions(options));
  for (const double theta : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    options.theta = theta;
    EXPECT_THAT(MakeMonitorPolicy(options), invalid);
    EXPECT_THAT(MakeWorkerPolicy(options), invalid);
  }
  options = kFda;
  options.max_steps = 0;
  EXPECT_THAT(CheckSyncPolicyOptions(options), invalid);
  options = kFda;
  options.estimator.parameters = 0;
  EXPECT_THAT(CheckSyncPolicyOptions(options), invalid);
  options = kLocal;
  EXPECT_OK(CheckSyncPolicyOptions(options));
  options.tau = 0;
  EXPECT_THAT(CheckSyncPolicyOptions(options), invalid);
  options.strategy = Strategy::kClock;
  EXPECT_THAT(CheckSyncPolicyOptions(options), invalid);
}

TEST(SyncPolicy, GuidelineThetaScalesWithParametersAndTheSquareOfTheLearningRate) {
  EXPECT_NEAR(GuidelineTheta(61'706, 1e-3), 3.02976, 1e-4);
  EXPECT_NEAR(GuidelineTheta(61'706, 2e-3), 4 * 3.02976, 1e-3);
}

}  // namespace
}  // namespace actors
