// The round machine without a barrier: members at different steps, polls, marks, and who is late.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "actors/round.h"
#include "tests/actors/free_table.h"

namespace actors {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(RoundWithoutBarrier, AllAreAskedWhenTheMarksThatWerePassedCouldSumUpToMoreThanTheta) {
  FreeTable table;
  table.Begin();
  EXPECT_THAT(Lines(table.Drifts(0, 6)), IsEmpty());   // Marks 10, 5, 5.
  EXPECT_THAT(Lines(table.Drifts(1, 11)), IsEmpty());  // 10, 15, 5: 10 on average.
  EXPECT_THAT(Lines(table.Drifts(2, 6)), ElementsAre("poll at step 1"));
  // Within theta: on with smaller marks, half of what is left.
  table.Drifts(0, 6, 0);
  table.Drifts(1, 9, 0);
  EXPECT_THAT(Lines(table.Drifts(2, 6, 0)), ElementsAre("marks every 1.5"));
  EXPECT_EQ(table.round->variance_estimate(), 7);
}

TEST(RoundWithoutBarrier, MembersAtDifferentStepsSynchronizeAndTheRunsStepIsTheirMean) {
  FreeTable table;
  table.Prepare();
  table.SayReady(0, 5);
  table.SayReady(1);
  EXPECT_THAT(Lines(table.SayReady(2, 2)), ElementsAre("start synchronize"));
  EXPECT_THAT(Lines(table.Hear(table.AllDone())),
              ElementsAre("commit", "synchronized round 1 at step 3"));
  EXPECT_EQ(table.quantum, 5);
  // On from the new base, without another word.
  EXPECT_THAT(Lines(table.Drifts(0, 6)), IsEmpty());
  EXPECT_THAT(Lines(table.Drifts(1, 6)), IsEmpty());
  EXPECT_THAT(Lines(table.Drifts(2, 11)), ElementsAre("poll at step 4"));
}

TEST(RoundWithoutBarrier, WhoIsNotReadyInTimeIsPassedOver) {
  FreeTable table;
  table.Begin();
  table.StepsTake(0.1);
  table.Drifts(0, 11);
  table.Drifts(1, 11);
  EXPECT_THAT(Lines(table.AllDrift(11, 0)), ElementsAre("prepare synchronize"));
  table.SayReady(0);
  table.SayReady(1);
  EXPECT_THAT(Lines(table.Tick(milliseconds(449))), IsEmpty());  // Two steps, and 250 ms.
  const RoundActions late = table.Tick(milliseconds(2));
  ASSERT_THAT(Lines(late), ElementsAre("passed over 1"));
  EXPECT_THAT(std::get<PassedOver>(late[0]).nodes, ElementsAre(Table::NodeIn(12)));
  // It strays, and the others are asked again; the synchronization is owed.
  table.Hear(
      table.round->OnStrayed({Table::NodeIn(12)}, absl::UnavailableError("late"), table.now));
  EXPECT_THAT(Lines(table.AllDrift(0, 0)), ElementsAre("prepare synchronize"));
}

TEST(RoundWithoutBarrier, IfTooFewAreReadyItWaitsAndThenLetsGoOfWhoIsStuck) {
  FreeTable table({.min_workers = 3, .max_steps = 100});
  table.Prepare();
  table.SayReady(0);
  table.StepsTake(0.1);
  EXPECT_THAT(Lines(table.Tick(seconds(11))), IsEmpty());
  EXPECT_THAT(Lines(table.Tick(seconds(18))), IsEmpty());
  EXPECT_THAT(Lines(table.Tick(seconds(2))), ElementsAre("stuck 2"));
}

TEST(RoundWithoutBarrier, AnAnswerThatIsMissingAtTheDeadlineSynchronizes) {
  FreeTable table;
  table.Begin();
  table.StepsTake(0.1);
  table.Drifts(0, 11);
  table.Drifts(1, 11);
  table.Drifts(0, 1, 0);
  table.Drifts(1, 1, 0);
  EXPECT_THAT(Lines(table.Tick(milliseconds(449))), IsEmpty());
  EXPECT_THAT(Lines(table.Tick(milliseconds(2))), ElementsAre("prepare synchronize"));
}

TEST(RoundWithoutBarrier, TheLastStepIsReachedWhenTheMeanOfAllReachesIt) {
  FreeTable table({.max_steps = 10});
  table.Begin();
  // By the count of one the run is over: all are asked, and it is not.
  EXPECT_THAT(Lines(table.Drifts(0, 1, 10, /*due=*/true)), ElementsAre("poll at step 3"));
  table.Drifts(0, 1, 0);
  table.Drifts(1, 1, 6);
  EXPECT_THAT(Lines(table.Drifts(2, 1, 6)), ElementsAre("marks every 4.5"));
  EXPECT_EQ(table.round->step(), 7u);
  EXPECT_THAT(Lines(table.Drifts(1, 1, 4, /*due=*/true)), ElementsAre("poll at step 8"));
  table.Drifts(0, 1, 3);
  table.Drifts(1, 1, 0);
  EXPECT_THAT(Lines(table.Drifts(2, 1, 1)), ElementsAre("prepare synchronize"));
  table.AllReadyAtTheirs();
  EXPECT_THAT(Lines(table.AllDone()),
              ElementsAre("commit, then evaluate", "synchronized round 1 at step 10, the last"));
}

TEST(RoundWithoutBarrier, WhatIsAskedOfTheRunMeanwhileIsSeenToWithinATick) {
  for (const bool leaver : {false, true}) {
    FreeTable table;
    table.Begin();
    EXPECT_THAT(Lines(table.Tick(milliseconds(100))), IsEmpty());
    if (leaver) {
      EXPECT_THAT(Lines(table.Leave(11)), IsEmpty());
    } else {
      table.round->RequestStop();
    }
    EXPECT_THAT(Lines(table.Tick(milliseconds(100))), ElementsAre("poll at step 0"));
    EXPECT_THAT(Lines(table.AllDrift(1)), ElementsAre("prepare synchronize"));
  }
}

TEST(RoundWithoutBarrier, AfterARoundThatFailedNobodyIsAskedInVain) {
  FreeTable table;
  table.Prepare();
  RoundActions actions;
  for (int attempt = 0; attempt < 5; ++attempt) {
    table.AllReadyAtTheirs();
    actions = table.Hear(table.Say(0, BrokenEdge()));
  }
  // Whoever waits is released by a poll.
  EXPECT_THAT(Lines(actions), ElementsAre("aborted", "abort", "poll at step 0"));
  EXPECT_THAT(Lines(table.AllDrift(12)), IsEmpty());  // Above theta, but it is too soon.
  EXPECT_THAT(Lines(table.Tick(milliseconds(900))), IsEmpty());
  EXPECT_THAT(Lines(table.Tick(milliseconds(200))), ElementsAre("poll at step 1"));
  EXPECT_THAT(Lines(table.AllDrift(12)), ElementsAre("prepare synchronize"));
}

TEST(RoundWithoutBarrier, WhoeverIsToWaitForANewcomerWaitsAtABoundary) {
  FreeTable table;
  table.Begin();
  table.round->WaitForNewcomer(2, table.now);
  table.Drifts(0, 11);
  table.Drifts(1, 11);
  EXPECT_THAT(Lines(table.Hear(table.AllDrift(11, 0))), ElementsAre("opened 10 11 12", "view"));
  EXPECT_THAT(Lines(table.AllDrift(11, 1)), IsEmpty());
  EXPECT_EQ(table.round->phase(), Round::Phase::kHolding);
  EXPECT_THAT(Lines(table.Tick(seconds(4))), ElementsAre("prepare synchronize"));
}

}  // namespace
}  // namespace actors
