#include "actors/round.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/actors/round_table.h"

namespace actors {
namespace {

using testing::ElementsAre;

// ---------------------------------------------------------------------------------- decisions ----

TEST(Round, OpensWithAReportOfTheDriftAsItIs) {
  Table table;
  EXPECT_THAT(Lines(table.opened), ElementsAre("opened 10 11 12", "view"));
  EXPECT_EQ(Number(table.round->fence().view), 1u);
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("decision 0 at step 0"));
  EXPECT_EQ(table.round->step(), 0u);
  EXPECT_THAT(Lines(table.AllReport(3)), ElementsAre("decision 1 at step 1"));
  EXPECT_EQ(table.round->step(), 1u);
  EXPECT_EQ(table.round->variance_estimate(), 3);
}

TEST(Round, SynchronizesWhenTheEstimatePassesTheta) {
  Table table;
  table.AllReport(0);
  EXPECT_THAT(Lines(table.AllReport(10)), ElementsAre("decision 1 at step 1"));
  EXPECT_THAT(Lines(table.AllReport(11)), ElementsAre("prepare synchronize"));
  EXPECT_EQ(table.round->fence().attempt, 1u);
  EXPECT_THAT(Lines(table.AllReady(RingPurpose::kSynchronize, 2)),
              ElementsAre("start synchronize"));
  EXPECT_THAT(Lines(table.AllDone()), ElementsAre("commit", "synchronized round 1 at step 2"));
  EXPECT_EQ(table.round->root(), kNewRoot);
  EXPECT_EQ(table.round->phase(), Round::Phase::kTraining);
  // COMMIT was the answer to sequence 2.
  EXPECT_THAT(Lines(table.AllReport(1)), ElementsAre("decision 3 at step 3"));
  EXPECT_EQ(table.round->stale(), 0u);
}

TEST(Round, WithAThetaOfZeroEveryStepIsSynchronizedAndTheOpeningIsNot) {
  SyncPolicyOptions policy = Table::Fda();
  policy.theta = 0;
  Table table({.max_steps = 100}, policy);
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("decision 0 at step 0"));
  for (std::uint64_t step = 1; step <= 3; ++step) {
    EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("prepare synchronize"));
    table.AllReady(RingPurpose::kSynchronize, step);
    table.AllDone();
  }
  EXPECT_EQ(table.round->synchronizations(), 3u);
}

TEST(Round, EndsWithASynchronizationATestAndTheLastWords) {
  SyncPolicyOptions policy = Table::Fda();
  policy.max_steps = 1;
  Table table({.max_steps = 1}, policy);
  table.AllReport(0);
  EXPECT_THAT(Lines(table.AllReport(1)), ElementsAre("prepare synchronize"));
  table.AllReady(RingPurpose::kSynchronize, 1);
  EXPECT_THAT(Lines(table.AllDone()),
              ElementsAre("commit, then evaluate", "synchronized round 1 at step 1, the last"));
  EXPECT_THAT(Lines(table.AllEvaluated(5)),
              ElementsAre("tested the base at step 1: 0.5", "finish to rank 0, save",
                          "finish to rank 1", "finish to rank 2"));
  EXPECT_THAT(Lines(table.AllFinished()), ElementsAre("ended"));
  EXPECT_EQ(table.round->WaitsFor(), "nothing");
}

TEST(Round, AFixedScheduleNeedsNeitherReportsNorPrepare) {
  Table table({.max_steps = 100}, Table::Local());
  EXPECT_THAT(Lines(table.AllReady(RingPurpose::kSynchronize, 5, /*asked=*/false)),
              ElementsAre("start synchronize"));
  EXPECT_EQ(table.round->step(), 5u);
  EXPECT_EQ(table.round->fence().attempt, 1u);
  EXPECT_THAT(Lines(table.AllDone()), ElementsAre("commit", "synchronized round 1 at step 5"));
  EXPECT_THAT(Lines(table.AllReady(RingPurpose::kSynchronize, 10, /*asked=*/false)),
              ElementsAre("start synchronize"));
}

TEST(Round, AStopIsObeyedAtTheNextBoundaryWithASynchronization) {
  Table table;
  table.AllReport(0);
  table.round->RequestStop();
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("prepare synchronize"));
  table.AllReady(RingPurpose::kSynchronize, 1);
  EXPECT_THAT(Lines(table.AllDone()),
              ElementsAre("commit, then evaluate", "synchronized round 1 at step 1, the last"));
}

TEST(Round, AStopBeforeTheFirstStepWaitsForIt) {
  Table table;
  table.round->RequestStop();
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("decision 0 at step 0"));
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("prepare synchronize"));
}

// -------------------------------------------------------------------------------- evaluation ----

TEST(Round, TheBaseIsTestedAtTheFirstSynchronizationAfterEachInterval) {
  Table table({.max_steps = 100, .evaluate_every = 3});
  table.AllReport(0);
  table.AllReport(0);
  table.AllReport(11);  // Step 2: not due.
  table.AllReady(RingPurpose::kSynchronize, 2);
  EXPECT_THAT(Lines(table.AllDone()), ElementsAre("commit", "synchronized round 1 at step 2"));
  table.AllReport(0);
  table.AllReport(11);  // Step 4: due since step 3.
  table.AllReady(RingPurpose::kSynchronize, 4);
  EXPECT_THAT(Lines(table.AllDone()),
              ElementsAre("commit, then evaluate", "synchronized round 2 at step 4"));
  EXPECT_THAT(Lines(table.AllEvaluated(1)),
              ElementsAre("tested the base at step 4: 0.1", "decision 4 at step 4"));
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("decision 5 at step 5"));
}

TEST(Round, TheMeanIsTestedByARingThatCommitsNothing) {
  Table table({.max_steps = 100, .evaluate_every = 2, .evaluate_mean = true});
  table.AllReport(0);
  table.AllReport(0);
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("prepare evaluate"));
  EXPECT_THAT(Lines(table.AllReady(RingPurpose::kEvaluate, 2)), ElementsAre("start evaluate"));
  EXPECT_THAT(Lines(table.AllDone()), ElementsAre("evaluate the mean"));
  EXPECT_THAT(Lines(table.AllEvaluated(2)),
              ElementsAre("tested the mean at step 2: 0.2", "decision 2 at step 2"));
  EXPECT_EQ(table.round->synchronizations(), 0u);
  EXPECT_EQ(table.round->root(), kFirstRoot);
  // A synchronization that is due at the same step needs no second ring.
  table.AllReport(0);
  EXPECT_THAT(Lines(table.AllReport(11)), ElementsAre("prepare synchronize"));
  table.AllReady(RingPurpose::kSynchronize, 4);
  EXPECT_THAT(Lines(table.AllDone()),
              ElementsAre("commit, then evaluate", "synchronized round 1 at step 4"));
}

TEST(Round, ATargetReachedByTheMeanEndsTheRunWithItsSynchronizationAndNoSecondTest) {
  Table table(
      {.max_steps = 100, .evaluate_every = 1, .evaluate_mean = true, .target_accuracy = 0.9});
  table.AllReport(0);
  table.AllReport(0);
  table.AllReady(RingPurpose::kEvaluate, 1);
  table.AllDone();
  EXPECT_THAT(Lines(table.AllEvaluated(9)),
              ElementsAre("tested the mean at step 1: 0.9, reached", "prepare synchronize"));
  EXPECT_EQ(table.round->fence().attempt, 2u);
  table.AllReady(RingPurpose::kSynchronize, 1);
  EXPECT_THAT(Lines(table.AllDone()),
              ElementsAre("commit, then wait", "synchronized round 1 at step 1, the last",
                          "finish to rank 0, save", "finish to rank 1", "finish to rank 2"));
  EXPECT_EQ(table.round->reached_step(), 1u);
  EXPECT_THAT(Lines(table.AllFinished()), ElementsAre("ended"));
}

TEST(Round, ATargetReachedByTheBaseEndsTheRunAtOnce) {
  Table table({.max_steps = 100, .evaluate_every = 1, .target_accuracy = 0.5});
  table.RunToRing();
  table.AllDone();
  EXPECT_THAT(Lines(table.AllEvaluated(5)),
              ElementsAre("tested the base at step 1: 0.5, reached", "finish to rank 0, save",
                          "finish to rank 1", "finish to rank 2"));
}

TEST(Round, AFixedScheduleTestsTheMeanUnasked) {
  Table table({.max_steps = 100, .evaluate_every = 2, .evaluate_mean = true}, Table::Local());
  EXPECT_THAT(Lines(table.AllReady(RingPurpose::kEvaluate, 2, /*asked=*/false)),
              ElementsAre("start evaluate"));
  EXPECT_THAT(Lines(table.AllDone()), ElementsAre("evaluate the mean"));
  EXPECT_THAT(Lines(table.AllEvaluated(2)),
              ElementsAre("tested the mean at step 2: 0.2", "decision 0 at step 2"));
}

TEST(Round, AloneAMemberGoesThroughTheSamePhases) {
  Table table({.max_steps = 100}, Table::Fda(), 1);
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("decision 0 at step 0"));
  // The variance of one is 0 whatever its drift.
  EXPECT_THAT(Lines(table.AllReport(1000)), ElementsAre("decision 1 at step 1"));
  table.round->RequestStop();
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("prepare synchronize"));
  table.AllReady(RingPurpose::kSynchronize, 2);
  table.AllDone();
  table.AllEvaluated(1);
  EXPECT_THAT(Lines(table.AllFinished()), ElementsAre("ended"));
}

TEST(Round, OrdersAndDecisionsShareOneSequenceOfNumbers) {
  Table table;
  std::vector<std::uint64_t> numbers;
  const auto note = [&](const RoundActions& actions) {
    for (const RoundAction& action : actions) {
      if (const auto* publish = std::get_if<PublishDecision>(&action)) {
        numbers.push_back(publish->decision.number);
      } else if (const auto* send = std::get_if<SendOrder>(&action)) {
        numbers.push_back(send->order.number);
      }
    }
  };
  note(table.opened);
  note(table.AllReport(0));
  note(table.AllReport(11));
  note(table.AllReady(RingPurpose::kSynchronize, 1));
  note(table.AllDone());
  note(table.AllReport(0));
  EXPECT_THAT(numbers, ElementsAre(1, 2, 3, 4, 5, 6));
}

}  // namespace
}  // namespace actors
