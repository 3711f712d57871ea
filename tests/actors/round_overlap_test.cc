// The round machine where members train on while the ring runs (strategy.overlap).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <variant>

#include "actors/round.h"
#include "tests/actors/free_table.h"

namespace actors {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

struct OverlapTable : FreeTable {
  OverlapTable() : FreeTable({.overlap = true, .max_steps = 100}) {}

  // What member `rank` has trained meanwhile, as its status tells it.
  void TrainsOn(std::uint32_t rank, std::uint64_t more) {
    steps[rank] += more;
    round->OnStatus(rank, {.fence = Fence(true), .step = steps[rank], .step_seconds = 0.1}, now);
  }
  // Everybody is at a mark that asks for a synchronization; whether they are to train on.
  std::optional<bool> AskForSynchronization(float squared_norm = 11) {
    RoundActions asked = Drifts(0, squared_norm);
    if (asked.empty()) asked = Drifts(1, squared_norm);
    EXPECT_THAT(Lines(asked), ElementsAre(testing::StartsWith("poll")));
    for (const RoundAction& action : AllDrift(squared_norm, 0)) {
      const auto* const send = std::get_if<SendOrder>(&action);
      if (send == nullptr) continue;
      if (const auto* prepare = std::get_if<actors::Prepare>(&send->order.body))
        return prepare->train_on;
    }
    return std::nullopt;
  }
  // READY tells how far each had drifted when the last mean was adopted.
  RoundActions AllReadyAfter(std::uint64_t rounds, double squared_end) {
    return All([&](std::uint32_t rank) {
      return Say(rank, Ready{.step = steps[rank],
                             .root = round->root(),
                             .drift = CommittedDrift{.round = rounds, .squared_end = squared_end}});
    });
  }
  // A commit of its own, that another may follow.
  RoundActions AllDoneAgain() {
    return Hear(AllDone({.high = 3, .low = round->synchronizations()}));
  }
};

TEST(RoundWithOverlap, WhatIsTrainedThroughARingCountsForTheNext) {
  OverlapTable table;
  table.Begin();
  ASSERT_EQ(table.AskForSynchronization(), true);
  table.SayReady(0);
  table.TrainsOn(0, 30);
  table.SayReady(1);
  EXPECT_THAT(Lines(table.SayReady(2, 1)), ElementsAre("start synchronize"));
  table.TrainsOn(1, 30);
  EXPECT_THAT(Lines(table.Hear(table.AllDone())),
              ElementsAre("commit", "synchronized round 1 at step 1"));
  EXPECT_EQ(table.round->step(), 1u);
  table.TrainsOn(0, 0);
  table.TrainsOn(1, 0);
  EXPECT_EQ(table.round->step(), 21u);
}

TEST(RoundWithOverlap, WhoLeavesMeanwhileGoesWithTheNextRingWhichHasAllOfIt) {
  OverlapTable table;
  table.Begin();
  ASSERT_EQ(table.AskForSynchronization(), true);
  table.AllReadyAtTheirs();
  EXPECT_THAT(Lines(table.Leave(11)), IsEmpty());
  EXPECT_THAT(Lines(table.Hear(table.AllDone())),
              ElementsAre("commit", "synchronized round 1 at step 0"));
  EXPECT_THAT(Lines(table.Tick(milliseconds(100))), ElementsAre("poll at step 0"));
  const RoundActions prepare = table.AllDrift(1);
  ASSERT_THAT(Lines(prepare), ElementsAre("prepare synchronize"));
  EXPECT_FALSE(std::get<actors::Prepare>(std::get<SendOrder>(prepare[0]).order.body).train_on);
  table.AllReadyAtTheirs();
  EXPECT_THAT(Lines(table.AllDoneAgain()),
              ElementsAre("commit, then wait", "synchronized round 2 at step 1", "left 101",
                          "opened 10 12", "view"));
}

TEST(RoundWithOverlap, AStopMeanwhileEndsTheRunWithTheNextRing) {
  OverlapTable table;
  table.Begin();
  ASSERT_EQ(table.AskForSynchronization(), true);
  table.AllReadyAtTheirs();
  table.round->RequestStop();
  EXPECT_THAT(Lines(table.Hear(table.AllDone())),
              ElementsAre("commit", "synchronized round 1 at step 0"));
  EXPECT_THAT(Lines(table.Tick(milliseconds(100))), ElementsAre("poll at step 0"));
  EXPECT_THAT(Lines(table.AllDrift(1)), ElementsAre("prepare synchronize"));
  table.AllReadyAtTheirs();
  EXPECT_THAT(Lines(table.AllDoneAgain()),
              ElementsAre("commit, then evaluate", "synchronized round 2 at step 1, the last"));
}

TEST(RoundWithOverlap, ThetaIsLoweredByWhatTheLastRingsAdded) {
  OverlapTable table;
  table.Begin();
  ASSERT_EQ(table.AskForSynchronization(11), true);
  table.AllReadyAtTheirs();
  table.Hear(table.AllDone());
  EXPECT_EQ(table.quantum, 5);  // Half of theta: nothing is known yet.
  ASSERT_EQ(table.AskForSynchronization(12), true);
  table.AllReadyAfter(/*rounds=*/1, /*squared_end=*/15);  // 11 at the decision.
  const RoundActions second = table.AllDoneAgain();
  EXPECT_EQ(table.quantum, 3);  // Of 10 - 4.
  ASSERT_EQ(second.size(), 2u);
  EXPECT_EQ(std::get<Synchronized>(second[1]).variance_added, 4);
  // By more than theta: the least is a quarter of it.
  ASSERT_EQ(table.AskForSynchronization(12), true);
  table.AllReadyAfter(2, 1000);
  table.AllDoneAgain();
  EXPECT_EQ(table.quantum, 1.25);
  EXPECT_EQ(table.round->theta(), 10);
}

// Then nobody knows what the variance was, and the ring may have added any part of what it became.
TEST(RoundWithOverlap, APollThatNotAllAnsweredSaysNothingOfWhatTheRingAdded) {
  OverlapTable table;
  table.Begin();
  table.StepsTake(0.1);
  table.Drifts(0, 11);
  table.Drifts(1, 11);
  table.Drifts(0, 1, 0);
  EXPECT_THAT(Lines(table.Tick(milliseconds(451))), ElementsAre("prepare synchronize"));
  table.AllReadyAtTheirs();
  table.Hear(table.AllDone());
  ASSERT_EQ(table.AskForSynchronization(11), true);
  table.AllReadyAfter(/*rounds=*/1, /*squared_end=*/15);
  const RoundActions second = table.AllDoneAgain();
  EXPECT_EQ(table.quantum, 5);
  EXPECT_EQ(std::get<Synchronized>(second.at(1)).variance_added, std::nullopt);
}

TEST(RoundWithOverlap, WhoDoesNotTellLeavesThetaAsItWas) {
  OverlapTable table;
  table.Begin();
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(table.AskForSynchronization(11), true);
    table.AllReadyAtTheirs();
    table.AllDoneAgain();
    EXPECT_EQ(table.quantum, 5);
  }
}

}  // namespace
}  // namespace actors
