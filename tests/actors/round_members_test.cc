// The round machine when members are lost, come and go, and when a ring has to be tried again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/round.h"
#include "runtime/base/error.h"
#include "tests/actors/round_table.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

// -------------------------------------------------------------------------------- the lost ones --

TEST(RoundMembers, ALossWhileTrainingOpensAViewThatBeginsWithReportsOfTheSurvivors) {
  Table table;
  table.AllReport(0);
  table.AllReport(3);
  table.Report(0, 4);  // Its state is in; that of the dead one, too.
  table.Report(1, 4);
  const runtime::Fence before = table.round->fence();
  EXPECT_THAT(Lines(table.Lose({11})), ElementsAre("opened 10 12", "view"));
  EXPECT_EQ(Number(table.round->fence().view), Number(before.view) + 1);
  // What was reported in the old view decides nothing.
  EXPECT_THAT(Lines(table.Report(0, 5)), IsEmpty());
  EXPECT_THAT(Lines(table.Report(1, 5)), ElementsAre("decision 0 at step 1"));
  EXPECT_EQ(table.round->variance_estimate(), 5);
}

TEST(RoundMembers, ALossInTheRingAbortsItAndTheSynchronizationIsOwed) {
  Table table;
  table.RunToRing();
  table.Say(0, Done{.root = kNewRoot});
  EXPECT_THAT(Lines(table.Lose({12})), ElementsAre("aborted", "abort", "opened 10 11", "view"));
  // Whatever the estimate is.
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("prepare synchronize"));
  EXPECT_EQ(table.round->fence().attempt, 2u);
  table.AllReady(RingPurpose::kSynchronize, 1);
  EXPECT_THAT(Lines(table.AllDone()), ElementsAre("commit", "synchronized round 1 at step 1"));
  // The debt is paid.
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("decision 1 at step 2"));
}

TEST(RoundMembers, ALossBeforeTheRingLeavesTheSynchronizationOwed) {
  Table table;
  table.AllReport(0);
  table.AllReport(11);
  table.Say(0, Ready{.step = 1, .root = kFirstRoot});
  EXPECT_THAT(Lines(table.Lose({11})), ElementsAre("opened 10 12", "view"));
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("prepare synchronize"));
}

TEST(RoundMembers, ALossWhenAllSurvivorsAreDoneIsALateCommit) {
  Table table;
  table.RunToRing();
  table.Say(0, Done{.root = kNewRoot});
  table.Say(2, Done{.root = kNewRoot});
  EXPECT_THAT(
      Lines(table.Lose({11})),
      ElementsAre("commit, then wait", "synchronized round 1 at step 1", "opened 10 12", "view"));
  EXPECT_EQ(table.round->root(), kNewRoot);
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("decision 0 at step 1"));
}

TEST(RoundMembers, ALateCommitNeedsEqualRoots) {
  Table table;
  table.RunToRing();
  table.Say(0, Done{.root = kNewRoot});
  table.Say(2, Done{.root = {.high = 9, .low = 9}});
  EXPECT_THAT(Lines(table.Lose({11})), ElementsAre("aborted", "abort", "opened 10 12", "view"));
  EXPECT_EQ(table.round->root(), kFirstRoot);
}

TEST(RoundMembers, TwoLostAtOnceMakeOneAbort) {
  Table table({.max_steps = 100}, Table::Fda(), 5);
  table.RunToRing();
  EXPECT_THAT(Lines(table.Lose({11, 12})),
              ElementsAre("aborted", "abort", "opened 10 13 14", "view"));
}

TEST(RoundMembers, ALossAtTheEndOfTheRunIsFollowedByAnotherLastSynchronization) {
  SyncPolicyOptions policy = Table::Fda();
  policy.max_steps = 1;
  Table table({.max_steps = 1}, policy);
  table.RunToRing();
  table.AllDone();
  table.Say(0, Evaluated{.correct = 1, .samples = 10});
  EXPECT_THAT(Lines(table.Lose({12})), ElementsAre("opened 10 11", "view"));
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("prepare synchronize"));
  table.AllReady(RingPurpose::kSynchronize, 1);
  EXPECT_THAT(Lines(table.AllDone()),
              ElementsAre("commit, then evaluate", "synchronized round 2 at step 1, the last"));
  EXPECT_THAT(
      Lines(table.AllEvaluated(5)),
      ElementsAre("tested the base at step 1: 0.5", "finish to rank 0, save", "finish to rank 1"));
}

TEST(RoundMembers, AnEvaluationThatALossInterruptedIsRepeated) {
  Table table({.max_steps = 100, .evaluate_every = 1, .evaluate_mean = true});
  table.AllReport(0);
  table.AllReport(0);
  table.AllReady(RingPurpose::kEvaluate, 1);
  EXPECT_THAT(Lines(table.Lose({10})), ElementsAre("aborted", "abort", "opened 11 12", "view"));
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("prepare evaluate"));
}

TEST(RoundMembers, AFixedScheduleGoesOnWithoutTheLostOne) {
  Table table({.max_steps = 100}, Table::Local());
  table.Say(0, Ready{.step = 5, .root = kFirstRoot}, /*with_attempt=*/false);
  EXPECT_THAT(Lines(table.Lose({11})), ElementsAre("opened 10 12", "view"));
  EXPECT_THAT(Lines(table.AllReady(RingPurpose::kSynchronize, 5, /*asked=*/false)),
              ElementsAre("start synchronize"));
  // In its ring: the members stay at their boundary, and are asked again.
  EXPECT_THAT(Lines(table.Lose({12})),
              ElementsAre("aborted", "abort", "opened 10", "view, hold", "prepare synchronize"));
  EXPECT_THAT(Lines(table.AllReady(RingPurpose::kSynchronize, 5)),
              ElementsAre("start synchronize"));
  EXPECT_THAT(Lines(table.AllDone()), ElementsAre("commit", "synchronized round 1 at step 5"));
}

TEST(RoundMembers, WithFewerThanMinWorkersItHoldsUntilOthersCome) {
  for (const bool fixed : {false, true}) {
    SCOPED_TRACE(fixed);
    Table table({.min_workers = 3, .max_steps = 100}, fixed ? Table::Local() : Table::Fda());
    if (!fixed) table.AllReport(0);
    table.Lose({12});
    if (fixed) {
      EXPECT_THAT(Lines(table.AllReady(RingPurpose::kSynchronize, 5, false)), IsEmpty());
    } else {
      EXPECT_THAT(Lines(table.AllReport(100)), IsEmpty());
    }
    EXPECT_EQ(table.round->phase(), Round::Phase::kHolding);
    EXPECT_EQ(table.round->WaitsFor(), "workers: 2 of at least 3");
    EXPECT_THAT(Lines(table.round->OnTick(table.now + seconds(100))), IsEmpty());
    ASSERT_TRUE(table.round->CanAdmit());
    if (fixed) {
      EXPECT_THAT(Lines(table.Admit(15)),
                  ElementsAre("opened 10 11 15", "view, hold", "prepare synchronize"));
      EXPECT_THAT(Lines(table.AllReady(RingPurpose::kSynchronize, 5)),
                  ElementsAre("start synchronize"));
    } else {
      EXPECT_THAT(Lines(table.Admit(15)), ElementsAre("opened 10 11 15", "view"));
      EXPECT_THAT(Lines(table.AllReport(1)), ElementsAre("decision 0 at step 0"));
    }
  }
}

// -------------------------------------------------------------------------- coming and leaving --

TEST(RoundMembers, AStopWaitsForNoMoreMembers) {
  Table table({.min_workers = 3, .max_steps = 100});
  table.AllReport(0);
  table.AllReport(1);
  table.Lose({12});
  EXPECT_THAT(Lines(table.AllReport(1)), IsEmpty());
  EXPECT_EQ(table.round->phase(), Round::Phase::kHolding);
  EXPECT_TRUE(table.round->lacks_workers());
  table.round->RequestStop();
  EXPECT_FALSE(table.round->lacks_workers());
  EXPECT_FALSE(table.round->CanAdmit());
  EXPECT_THAT(Lines(table.round->OnTick(table.now)), ElementsAre("prepare synchronize"));
  table.AllReady(RingPurpose::kSynchronize, 1);
  table.AllDone();
  EXPECT_EQ(table.round->phase(), Round::Phase::kEvaluatingBase);
  table.AllEvaluated(1);
  EXPECT_THAT(Lines(table.AllFinished()), ElementsAre("ended"));
}

TEST(RoundMembers, ANewcomerEntersBetweenTwoRoundsAndOnlyThere) {
  Table table;
  table.AllReport(0);
  ASSERT_TRUE(table.round->CanAdmit());
  EXPECT_THAT(Lines(table.Admit(9)), ElementsAre("opened 9 10 11 12", "view"));
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("decision 0 at step 0"));
  table.AllReport(11);
  EXPECT_FALSE(table.round->CanAdmit());  // Preparing.
  table.AllReady(RingPurpose::kSynchronize, 1);
  EXPECT_FALSE(table.round->CanAdmit());  // Ringing.
  table.AllDone();
  EXPECT_TRUE(table.round->CanAdmit());
}

TEST(RoundMembers, ARoundWaitsForANewcomerThatLostTheRaceTwiceAndNotForLong) {
  for (const bool fixed : {false, true}) {
    for (const bool comes : {false, true}) {
      SCOPED_TRACE(fixed);
      Table table({.max_steps = 100}, fixed ? Table::Local() : Table::Fda());
      if (!fixed) table.AllReport(0);
      table.round->WaitForNewcomer(2, table.now);
      const auto decided =
          fixed ? table.AllReady(RingPurpose::kSynchronize, 5, false) : table.AllReport(100);
      EXPECT_THAT(Lines(decided), IsEmpty());
      EXPECT_EQ(table.round->WaitsFor(), "a newcomer to fetch the model");
      ASSERT_TRUE(table.round->CanAdmit());
      EXPECT_THAT(Lines(table.round->OnTick(table.now + milliseconds(999))), IsEmpty());
      if (comes && fixed) {
        EXPECT_THAT(Lines(table.Admit(15)),
                    ElementsAre("opened 10 11 12 15", "view, hold", "prepare synchronize"));
      } else if (comes) {
        EXPECT_THAT(Lines(table.Admit(15)), ElementsAre("opened 10 11 12 15", "view"));
        EXPECT_THAT(Lines(table.AllReport(100)), ElementsAre("prepare synchronize"));
      } else {
        EXPECT_THAT(Lines(table.round->OnTick(table.now + milliseconds(1001))),
                    ElementsAre("prepare synchronize"));
      }
    }
  }
  Table table;
  table.AllReport(0);
  table.round->WaitForNewcomer(2, table.now);
  table.round->WaitNoMore();
  EXPECT_THAT(Lines(table.AllReport(100)), ElementsAre("prepare synchronize"));
}

TEST(RoundMembers, WeightsBySamplesFollowTheMembership) {
  Table table(
      {.shard_sizes = [](std::uint32_t world_size) -> absl::StatusOr<std::vector<std::uint64_t>> {
         if (world_size == 1) return absl::InvalidArgumentError("too few samples");
         return world_size == 3 ? std::vector<std::uint64_t>{34, 33, 33}
                                : std::vector<std::uint64_t>{20, 80};
       },
       .max_steps = 100});
  EXPECT_THAT(table.round->members()[0].weight, 34);
  EXPECT_THAT(table.round->members()[2].weight, 33);
  table.Lose({11});
  EXPECT_THAT(table.round->members()[0].weight, 20);
  EXPECT_THAT(table.round->members()[1].weight, 80);
}

TEST(RoundMembers, AWeightThatAMemberBringsStaysItsOwn) {
  Table table;
  table.sequence = 0;
  Member newcomer = Table::MemberIn(9);
  newcomer.weight = 300;
  table.round->Admit({newcomer}, table.now);
  EXPECT_EQ(table.round->members()[0].weight, 300);
  EXPECT_EQ(table.round->members()[1].weight, 1);
  table.Lose({11});
  EXPECT_EQ(table.round->members()[0].weight, 300);
  // The estimate is of the weighted mean that the ring forms: (300 * 8 + 302) / 302.
  table.Report(0, 8);
  table.Report(1, 1);
  table.Report(2, 301);
  EXPECT_NEAR(*table.round->variance_estimate(), 2702.0 / 302, 1e-6);
}

TEST(RoundMembers, ALeaverGoesOnceItsDriftIsInACommit) {
  Table table;
  table.AllReport(0);
  EXPECT_THAT(Lines(table.Leave(11)), IsEmpty());
  EXPECT_THAT(Lines(table.Leave(11)), IsEmpty());  // Said twice.
  EXPECT_THAT(Lines(table.AllReport(1)), ElementsAre("prepare synchronize"));
  table.AllReady(RingPurpose::kSynchronize, 1);
  EXPECT_THAT(Lines(table.AllDone()),
              ElementsAre("commit, then wait", "synchronized round 1 at step 1", "left 101",
                          "opened 10 12", "view"));
}

TEST(RoundMembers, ALeaverWaitsForTheEvaluationAfterItsCommit) {
  Table table({.max_steps = 100, .evaluate_every = 1});
  table.AllReport(0);
  table.Leave(11);
  table.AllReport(1);
  table.AllReady(RingPurpose::kSynchronize, 1);
  EXPECT_THAT(Lines(table.AllDone()),
              ElementsAre("commit, then evaluate", "synchronized round 1 at step 1"));
  EXPECT_THAT(Lines(table.AllEvaluated(1)),
              ElementsAre("tested the base at step 1: 0.1", "left 101", "opened 10 12", "view"));
}

TEST(RoundMembers, WithoutASynchronizationALeaverGoesAtOnceBetweenTwoRounds) {
  Table table({.leave_with_synchronization = false, .max_steps = 100});
  table.AllReport(0);
  EXPECT_THAT(Lines(table.Leave(11)), ElementsAre("left 101", "opened 10 12", "view"));
}

TEST(RoundMembers, TheLastToLeaveEndsTheRun) {
  Table table({.max_steps = 100}, Table::Fda(), 2);
  table.AllReport(0);
  table.Leave(10);
  EXPECT_THAT(Lines(table.Leave(11)), IsEmpty());
  EXPECT_THAT(Lines(table.AllReport(0)), ElementsAre("prepare synchronize"));
  table.AllReady(RingPurpose::kSynchronize, 1);
  EXPECT_THAT(Lines(table.AllDone()),
              ElementsAre("commit, then evaluate", "synchronized round 1 at step 1, the last"));
}

TEST(RoundMembers, WhoIsNoMemberMayLeaveAtOnce) {
  Table table;
  EXPECT_THAT(Lines(table.Leave(50)), ElementsAre("left 140"));
}

// --------------------------------------------------------------------------- another attempt ----

TEST(RoundMembers, ABrokenEdgeIsTriedAgainInTheSameView) {
  Table table;
  table.RunToRing();
  const runtime::Fence first = table.round->fence();
  EXPECT_THAT(Lines(table.Say(1, BrokenEdge())),
              ElementsAre("aborted", "abort", "prepare synchronize"));
  EXPECT_EQ(table.round->fence().view, first.view);
  EXPECT_EQ(table.round->fence().attempt, first.attempt + 1);
  // Its neighbour says the same of the same attempt.
  EXPECT_THAT(Lines(table.round->OnAnswer(2, {.fence = first, .body = BrokenEdge()}, table.now)),
              IsEmpty());
  table.AllReady(RingPurpose::kSynchronize, 1);
  EXPECT_THAT(Lines(table.AllDone()), ElementsAre("commit", "synchronized round 1 at step 1"));
}

TEST(RoundMembers, AfterFiveAttemptsTheRoundIsCancelledAndTheNextWaits) {
  Table table;
  const auto fail_five_times = [&](std::uint64_t step) {
    for (int attempt = 1; attempt <= 5; ++attempt) {
      table.AllReady(RingPurpose::kSynchronize, step);
      const std::vector<std::string> lines = Lines(table.Say(0, BrokenEdge()));
      if (attempt < 5) {
        EXPECT_THAT(lines, ElementsAre("aborted", "abort", "prepare synchronize"));
      } else {
        EXPECT_THAT(lines, ElementsAre("aborted", "abort", testing::StartsWith("decision")));
      }
    }
  };
  table.AllReport(0);
  table.AllReport(11);
  fail_five_times(1);
  EXPECT_THAT(Lines(table.AllReport(11)), ElementsAre("decision 2 at step 2"));
  table.now += seconds(1);
  EXPECT_THAT(Lines(table.AllReport(11)), ElementsAre("prepare synchronize"));
  fail_five_times(3);
  table.now += std::chrono::milliseconds(1900);
  EXPECT_THAT(Lines(table.AllReport(11)), ElementsAre("decision 4 at step 4"));
  table.now += std::chrono::milliseconds(200);
  EXPECT_THAT(Lines(table.AllReport(11)), ElementsAre("prepare synchronize"));
  table.AllReady(RingPurpose::kSynchronize, 5);
  EXPECT_THAT(Lines(table.AllDone()), ElementsAre("commit", "synchronized round 1 at step 5"));
}

TEST(RoundMembers, ThePapersBytesCountWhoWasThere) {
  Table table;
  table.RunToRing();
  table.AllDone();
  EXPECT_EQ(table.round->paper_counts().member_steps, 3u);
  table.Lose({12});
  table.AllReport(0);
  table.AllReport(11);
  table.AllReady(RingPurpose::kSynchronize, 2);
  table.AllDone();
  EXPECT_EQ(table.round->paper_counts().member_steps, 3u + 2u);
  EXPECT_EQ(table.round->paper_counts().member_synchronizations, 3u + 2u);
  EXPECT_EQ(table.round->paper_counts().initial_members, 3u);
}

TEST(RoundMembers, ALastSynchronizationThatFailsFiveTimesFailsTheRun) {
  SyncPolicyOptions policy = Table::Fda();
  policy.max_steps = 1;
  Table table({.max_steps = 1}, policy);
  table.RunToRing();
  for (int attempt = 1; attempt < 5; ++attempt) {
    table.Say(0, BrokenEdge());
    table.AllReady(RingPurpose::kSynchronize, 1);
  }
  EXPECT_THAT(Lines(table.Say(0, BrokenEdge())),
              ElementsAre("aborted", "abort", "finish to rank 0, save", "finish to rank 1",
                          "finish to rank 2"));
  EXPECT_THAT(Lines(table.AllFinished()), ElementsAre("ended RING_FAILED"));
}

TEST(RoundMembers, AFixedScheduleTrainsOnAfterACancelledRound) {
  Table table({.max_steps = 100}, Table::Local());
  table.AllReady(RingPurpose::kSynchronize, 5, /*asked=*/false);
  for (int attempt = 1; attempt < 5; ++attempt) {
    table.Say(0, BrokenEdge());
    table.AllReady(RingPurpose::kSynchronize, 5);
  }
  EXPECT_THAT(Lines(table.Say(0, BrokenEdge())),
              ElementsAre("aborted", "abort", "decision 0 at step 5"));
  EXPECT_THAT(Lines(table.AllReady(RingPurpose::kSynchronize, 6, /*asked=*/false)),
              ElementsAre("decision 1 at step 6"));
  table.now += seconds(1);
  EXPECT_THAT(Lines(table.AllReady(RingPurpose::kSynchronize, 7, /*asked=*/false)),
              ElementsAre("start synchronize"));
}

// ------------------------------------------------------------------------------ a stuck member --

// After `steps` steps of `each`, all but rank 1 have taken another one.
void LetOneBeLate(Table& table, int steps, runtime::Duration each) {
  table.AllReport(0);
  for (int step = 0; step < steps; ++step) {
    table.now += each;
    table.AllReport(0);
  }
  table.Report(0, 0);
  table.Report(2, 0);
}

// L2 of protocol.md 6, F12.
TEST(RoundMembers, AMemberWhoseStepDoesNotEndIsNamedAndThenLetGo) {
  Table table;
  LetOneBeLate(table, 3, milliseconds(100));
  EXPECT_EQ(table.round->LatenessOf(1, table.now + milliseconds(900)), 0);
  EXPECT_GT(table.round->LatenessOf(1, table.now + milliseconds(1100)), 1);
  EXPECT_EQ(table.round->LatenessOf(0, table.now + seconds(60)), 0);
  EXPECT_THAT(table.round->OnTick(table.now + seconds(29)), IsEmpty());
  const RoundActions actions = table.round->OnTick(table.now + seconds(31));
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_THAT(std::get<Stuck>(actions[0]).nodes, ElementsAre(table.view[1].node));
}

TEST(RoundMembers, SlowStepsAreJudgedByTheUsualTime) {
  Table table;
  LetOneBeLate(table, 5, seconds(10));
  EXPECT_EQ(table.round->LatenessOf(1, table.now + seconds(49)), 0);
  EXPECT_THAT(table.round->OnTick(table.now + seconds(199)), IsEmpty());
  EXPECT_EQ(table.round->OnTick(table.now + seconds(201)).size(), 1u);
}

TEST(RoundMembers, WhoIsSlowTogetherWithTheOthersIsNotStuck) {
  Table table;
  table.AllReport(0);
  for (int step = 0; step < 3; ++step) table.AllReport(0);
  EXPECT_EQ(table.round->LatenessOf(1, table.now + seconds(600)), 0);
  EXPECT_THAT(table.round->OnTick(table.now + seconds(600)), IsEmpty());
}

// ------------------------------------------------------------------- who cannot be connected to --

// A table whose members in these slots nobody can connect to.
std::unique_ptr<Table> TableWithUnreachable(const std::vector<std::uint32_t>& slots,
                                            std::uint32_t members,
                                            const SyncPolicyOptions& policy = Table::Fda()) {
  auto table = std::make_unique<Table>(RoundOptions{.max_steps = 100}, policy, members);
  for (Member& member : table->view) {
    if (std::ranges::find(slots, member.slot) != slots.end()) member.endpoint.tcp.clear();
  }
  table->round = std::make_unique<Round>(table->options, *table->policy);
  table->opened = table->round->Begin(table->view, table->now);
  return table;
}

TEST(RoundMembers, WhoCannotBeConnectedToStandsBetweenOthersOnTheRing) {
  const auto table = TableWithUnreachable({11, 12}, 4);
  table->AllReport(0);
  table->AllReport(11);
  EXPECT_THAT(RingSlots(table->AllReady(RingPurpose::kSynchronize, 1)),
              ElementsAre(10, 11, 13, 12));
  // Any other order would make them neighbours; but the ring can be turned round.
  table->Say(1, BrokenEdge());
  table->AllReady(RingPurpose::kSynchronize, 1);
  table->Say(1, BrokenEdge());
  EXPECT_THAT(RingSlots(table->AllReady(RingPurpose::kSynchronize, 1)),
              ElementsAre(12, 13, 11, 10));
}

TEST(RoundMembers, WithoutARingItHoldsAndSaysWhyUntilAnotherComes) {
  for (const SyncPolicyOptions& policy : {Table::Fda(), Table::Local()}) {
    const bool reports = policy.strategy == Strategy::kFda;
    const auto table = TableWithUnreachable({11, 12}, 3, policy);
    EXPECT_TRUE(table->round->lacks_workers());
    const RoundActions none =
        reports ? table->AllReport(0) : table->AllReady(RingPurpose::kSynchronize, 5, false);
    EXPECT_THAT(Lines(none), IsEmpty());
    EXPECT_EQ(table->round->phase(), Round::Phase::kHolding);
    EXPECT_THAT(
        table->round->WaitsFor(),
        testing::AllOf(testing::HasSubstr("nobody can connect to slot 11"),
                       testing::HasSubstr("slot 12"), testing::Not(testing::HasSubstr("slot 10"))));
    ASSERT_TRUE(table->round->CanAdmit());
    table->Admit(13);
    EXPECT_OK(table->round->no_ring());
    EXPECT_FALSE(table->round->lacks_workers());
  }
}

TEST(RoundMembers, ARunWithoutARingThatIsStoppedFailsWithThatReason) {
  const auto table = TableWithUnreachable({11, 12}, 3);
  table->AllReport(0);
  table->round->RequestStop();
  table->round->OnTick(table->now);
  const RoundActions ended = table->AllFinished();
  EXPECT_THAT(Lines(ended), ElementsAre("ended NO_RING"));
  EXPECT_THAT(MessageOf(ended), testing::HasSubstr("nobody can connect to slot 11"));
}

}  // namespace
}  // namespace actors
