// The round machine without a barrier: members at different steps, polls, marks, and who is late.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "actors/averaging/quantum_monitor.h"
#include "actors/round.h"
#include "tests/actors/round_table.h"

namespace actors {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

// Three members who each count their own steps. theta is 10, and the estimate the mean of the
// squared norms: a first quantum is 5.
struct FreeTable : Table {
  explicit FreeTable(const RoundOptions& round_options = {.max_steps = 100})
      : Table(round_options) {
    round = std::make_unique<Round>(options, *policy, *QuantumMonitor::Make(Fda()));
    opened = round->Begin(view, now);
  }

  // The drift of a member, after `more` steps of its own. `poll` is the last one that was heard of.
  RoundActions Drifts(std::uint32_t rank, float squared_norm, std::uint64_t more = 1,
                      bool due = false) {
    steps[rank] += more;
    return Hear(round->OnReport(rank,
                                {.fence = Fence(false),
                                 .number = ++number,
                                 .sequence = poll,
                                 .step = steps[rank],
                                 .state = {.squared_norm = squared_norm},
                                 .due = due},
                                now));
  }
  RoundActions AllDrift(float squared_norm, std::uint64_t more = 1) {
    return All([&](std::uint32_t rank) { return Drifts(rank, squared_norm, more); });
  }
  RoundActions SayReady(std::uint32_t rank, std::uint64_t more = 0) {
    steps[rank] += more;
    return Say(rank, Ready{.step = steps[rank], .root = round->root()});
  }
  RoundActions AllReadyAtTheirs() {
    return All([&](std::uint32_t rank) { return SayReady(rank); });
  }
  RoundActions Tick(runtime::Duration later) {
    now += later;
    return Hear(round->OnTick(now));
  }
  // Of all members: a step takes so long.
  void StepsTake(double seconds) {
    for (std::uint32_t rank = 0; rank < 3; ++rank) {
      round->OnStatus(rank, {.fence = Fence(false), .step = steps[rank], .step_seconds = seconds},
                      now);
    }
  }
  // What the members do when they hear it: they note which poll to answer, whose marks to hold.
  RoundActions Hear(RoundActions actions) {
    for (const RoundAction& action : actions) {
      if (const auto* publish = std::get_if<PublishDecision>(&action)) {
        poll = publish->decision.sequence;
      } else if (const auto* send = std::get_if<SendOrder>(&action)) {
        if (const auto* view_opened = std::get_if<OpenView>(&send->order.body)) {
          poll = view_opened->sequence;
        } else if (const auto* commit = std::get_if<Commit>(&send->order.body)) {
          poll = commit->sequence;
          quantum = commit->quantum;
        }
      }
    }
    return actions;
  }
  void Begin() {
    Hear(opened);
    EXPECT_THAT(Lines(AllDrift(0, 0)), ElementsAre("marks every 5"));
  }
  void Prepare() {
    Begin();
    Drifts(0, 11);
    EXPECT_THAT(Lines(Drifts(1, 11)), ElementsAre("poll at step 0"));
    EXPECT_THAT(Lines(AllDrift(11, 0)), ElementsAre("prepare synchronize"));
  }

  std::vector<std::uint64_t> steps = {0, 0, 0};
  std::uint64_t number = 0;
  std::uint64_t poll = 0;
  double quantum = 0;
};

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
