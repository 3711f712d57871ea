// What the round machine makes of what is stale, wrong or missing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "actors/round.h"
#include "runtime/base/error.h"
#include "tests/actors/round_table.h"

namespace actors {
namespace {

using runtime::Hash128;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// -------------------------------------------------------------------------------------- stale ----

TEST(RoundFailures, AReportOfAnotherFenceSequenceOrStepIsCountedAndChangesNothing) {
  Table table;
  table.AllReport(0);
  const StateReport right = table.ReportOf(1);
  std::vector<StateReport> wrong(6, right);
  wrong[0].fence.run += 1;
  wrong[1].fence.head_epoch += 1;
  wrong[2].fence.round = runtime::RoundId{7};
  wrong[3].fence.attempt = 1;
  wrong[4].sequence -= 1;
  wrong[5].step += 1;
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    EXPECT_THAT(Lines(table.round->OnReport(0, wrong[i], table.now)), IsEmpty());
    EXPECT_EQ(table.round->stale(), i + 1);
  }
  EXPECT_THAT(Lines(table.AllReport(1)), ElementsAre("decision 1 at step 1"));
}

TEST(RoundFailures, ASecondReportOfOneMemberDoesNotStandForAnother) {
  Table table;
  for (int i = 0; i < 5; ++i) EXPECT_THAT(Lines(table.Report(0, 0)), IsEmpty());
  EXPECT_EQ(table.round->stale(), 4u);
  EXPECT_EQ(table.round->WaitsFor(), "the step of slot 11, slot 12");
}

TEST(RoundFailures, AnAnswerOfAnotherAttemptOrPhaseIsCountedAndChangesNothing) {
  Table table;
  table.RunToRing();
  const runtime::Fence fence = table.round->fence();
  runtime::Fence older = fence;
  older.attempt = 0;
  const std::vector<Answer> late = {
      {.fence = older, .body = Done{.root = kNewRoot}},
      {.fence = fence, .body = Ready{.step = 1, .root = kFirstRoot}},
      {.fence = older, .body = Ready{.step = 1, .root = kFirstRoot}},
      {.fence = fence, .body = Evaluated{.correct = 1, .samples = 1}},
      {.fence = fence, .body = Finished{}},
  };
  for (std::size_t i = 0; i < late.size(); ++i) {
    EXPECT_THAT(Lines(table.round->OnAnswer(1, late[i], table.now)), IsEmpty()) << i;
    EXPECT_EQ(table.round->stale(), i + 1);
  }
  EXPECT_THAT(Lines(table.Report(1, 0)), IsEmpty());
  EXPECT_EQ(table.round->stale(), late.size() + 1);
  EXPECT_EQ(table.AllDone().size(), 2u);
}

TEST(RoundFailures, AfterTheEndNothingCounts) {
  Table table;
  table.RunToRing();
  table.Lose({10, 11, 12});
  ASSERT_EQ(table.round->phase(), Round::Phase::kEnded);
  const std::vector<Answer::Body> late = {Ready{}, Done{}, Evaluated{}, Finished{},
                                          Fail{.code = "RING_FAILED"}};
  for (const Answer::Body& body : late) EXPECT_THAT(Lines(table.Say(0, body)), IsEmpty());
  EXPECT_THAT(Lines(table.Report(0, 0)), IsEmpty());
  EXPECT_THAT(Lines(table.round->OnTick(table.now + seconds(1000))), IsEmpty());
  EXPECT_THAT(Lines(table.round->Fail(absl::UnavailableError("again"), table.now)), IsEmpty());
}

// ---------------------------------------------------------------------------------- failures ----

// Says READY as all members do, those of `weightless` with a drift that is no number.
RoundActions ReadyWithout(Table& table, const std::vector<std::uint32_t>& weightless) {
  RoundActions actions;
  for (std::uint32_t rank = 0; rank < table.round->members().size(); ++rank) {
    const bool adds = std::ranges::find(weightless, rank) == weightless.end();
    actions = table.Say(rank, Ready{.step = table.round->step(),
                                    .weight = adds ? 1.0F : 0.0F,
                                    .root = table.round->root(),
                                    .loss = adds ? 2.0 : 0.0});
  }
  return actions;
}

TEST(RoundFailures, AStateThatIsNoNumberSynchronizesTheOthersWithoutIt) {
  Table table;
  table.AllReport(0);
  table.Report(0, 0);
  table.Report(1, std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT(Lines(table.Report(2, 0)), ElementsAre("prepare synchronize"));
  const RoundActions started = ReadyWithout(table, {1});
  ASSERT_EQ(started.size(), 1u);
  const auto& start = std::get<Start>(std::get<SendOrder>(started[0]).order.body);
  ASSERT_EQ(start.members.size(), 3u);
  for (std::uint32_t rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(start.members[rank].weight, rank == 1 ? 0 : 1);
  }
  for (const RoundAction& action : table.AllDone()) {
    const auto* const event = std::get_if<Synchronized>(&action);
    if (event == nullptr) continue;
    EXPECT_EQ(event->contributors, 2u);
    EXPECT_EQ(event->loss, 2.0);
    EXPECT_THAT(event->reset, ElementsAre(table.round->members()[1].node));
  }
  EXPECT_EQ(table.round->synchronizations(), 1u);
}

TEST(RoundFailures, IfNobodysDriftIsANumberTheRunFailsWithSlotStepAndLearningRate) {
  Table table;
  table.AllReport(0);
  for (std::uint32_t rank = 0; rank < 3; ++rank) {
    table.Report(rank, std::numeric_limits<float>::quiet_NaN());
  }
  EXPECT_THAT(Lines(ReadyWithout(table, {0, 1, 2})),
              ElementsAre("finish to rank 0, save", "finish to rank 1", "finish to rank 2"));
  const RoundActions ended = table.AllFinished();
  EXPECT_THAT(Lines(ended), ElementsAre("ended DIVERGED"));
  EXPECT_THAT(MessageOf(ended), HasSubstr("slot 11"));
  EXPECT_THAT(MessageOf(ended), HasSubstr("step 1"));
  EXPECT_THAT(MessageOf(ended), HasSubstr("learning rate 0.25"));
}

TEST(RoundFailures, UnequalRootsAtReadyNameWhoDiffersFromTheHead) {
  Table table({.max_steps = 100}, Table::Fda(), 2);
  table.AllReport(0);
  table.AllReport(11);
  table.Say(0, Ready{.step = 1, .root = kFirstRoot});
  table.Say(1, Ready{.step = 1, .root = kNewRoot});
  const RoundActions ended = table.AllFinished();
  EXPECT_THAT(Lines(ended), ElementsAre("ended REPLICAS_DIFFER"));
  EXPECT_THAT(MessageOf(ended), HasSubstr("READY"));
  EXPECT_THAT(MessageOf(ended), HasSubstr("slot 11"));
  EXPECT_THAT(MessageOf(ended), testing::Not(HasSubstr("slot 10")));
}

TEST(RoundFailures, AtReadyTheHeadIsRightWhateverMostMembersHold) {
  Table table;
  table.AllReport(0);
  table.AllReport(11);
  table.Say(0, Ready{.step = 1, .root = kNewRoot});
  table.Say(1, Ready{.step = 1, .root = kNewRoot});
  table.Say(2, Ready{.step = 1, .root = kNewRoot});
  EXPECT_THAT(MessageOf(table.AllFinished()), HasSubstr("slot 10"));
}

TEST(RoundFailures, UnequalRootsAtDoneNameTheOddOneAndAreNotCommitted) {
  Table table;
  table.RunToRing();
  table.Say(0, Done{.root = kNewRoot});
  table.Say(1, Done{.root = {.high = 9, .low = 9}});
  const RoundActions actions = table.Say(2, Done{.root = kNewRoot});
  EXPECT_THAT(MessageOf(actions), HasSubstr("slot 11"));
  EXPECT_THAT(MessageOf(actions), testing::Not(HasSubstr("slot 12")));
  EXPECT_THAT(Lines(actions), ElementsAre("aborted", "abort", "prepare synchronize"));
  EXPECT_EQ(table.round->root(), kFirstRoot);
  EXPECT_EQ(table.round->synchronizations(), 0u);
}

TEST(RoundFailures, TwoMembersOfWhomNobodyIsRightAreBothNamed) {
  Table table({.max_steps = 100}, Table::Fda(), 2);
  table.RunToRing();
  table.Say(0, Done{.root = kNewRoot});
  const RoundActions actions = table.Say(1, Done{.root = {.high = 9, .low = 9}});
  EXPECT_THAT(MessageOf(actions), HasSubstr("slot 10"));
  EXPECT_THAT(MessageOf(actions), HasSubstr("slot 11"));
}

TEST(RoundFailures, MembersThatAreReadyAtDifferentStepsEndTheRun) {
  Table table({.max_steps = 100}, Table::Local());
  table.Say(0, Ready{.step = 5, .root = kFirstRoot}, /*with_attempt=*/false);
  table.Say(1, Ready{.step = 4, .root = kFirstRoot}, /*with_attempt=*/false);
  table.Say(2, Ready{.step = 5, .root = kFirstRoot}, /*with_attempt=*/false);
  EXPECT_THAT(Lines(table.AllFinished()), ElementsAre("ended PROTOCOL"));
}

TEST(RoundFailures, AFailureOfOneMemberEndsTheRunWithItsCodeAndItsName) {
  Table table;
  table.RunToRing();
  table.Say(1, Fail{.code = "WORKER_FAILED", .message = "no memory"});
  // A second failure is the consequence of the first.
  EXPECT_THAT(Lines(table.Say(2, Fail{.code = "WORKER_FAILED"})), IsEmpty());
  const RoundActions ended = table.AllFinished();
  EXPECT_THAT(Lines(ended), ElementsAre("ended WORKER_FAILED"));
  EXPECT_THAT(MessageOf(ended), StartsWith("slot 11 (node "));
  EXPECT_THAT(MessageOf(ended), HasSubstr("no memory"));
}

TEST(RoundFailures, ARingThatTakesLongerThanItsDeadlineIsAbortedAndNamesWhoIsMissing) {
  Table table;
  table.RunToRing();
  table.Say(0, Done{.root = kNewRoot, .seconds = 1});
  table.Say(2, Done{.root = kNewRoot, .seconds = 1});
  EXPECT_THAT(Lines(table.round->OnTick(table.now + seconds(9))), IsEmpty());
  const RoundActions actions = table.round->OnTick(table.now + seconds(11));
  EXPECT_THAT(MessageOf(actions), HasSubstr("missing: DONE of slot 11"));
  EXPECT_THAT(Lines(actions), ElementsAre("aborted", "abort", "prepare synchronize"));
}

TEST(RoundFailures, LaterRingsAreJudgedByTheUsualTime) {
  Table table;
  table.RunToRing();
  table.AllDone();  // Half a second: the next has 3.5 s.
  table.AllReport(11);
  table.AllReady(RingPurpose::kSynchronize, 2);
  EXPECT_THAT(Lines(table.round->OnTick(table.now + std::chrono::milliseconds(3400))), IsEmpty());
  EXPECT_THAT(Lines(table.round->OnTick(table.now + std::chrono::milliseconds(3600))),
              ElementsAre("aborted", "abort", "prepare synchronize"));
}

TEST(RoundFailures, WithoutTheirLastWordsAFailedRunEndsAfterThreeSeconds) {
  Table table;
  table.Say(0, Fail{.code = "WORKER_FAILED"});
  table.Say(0, Finished{});
  EXPECT_THAT(Lines(table.round->OnTick(table.now + seconds(2))), IsEmpty());
  EXPECT_THAT(Lines(table.round->OnTick(table.now + seconds(3))),
              ElementsAre("ended WORKER_FAILED"));
}

TEST(RoundFailures, AMemberLostAfterTheLastSynchronizationDoesNotFailTheRun) {
  Table table({.max_steps = 1});
  table.RunToRing();
  table.AllDone();
  table.AllEvaluated(1);
  ASSERT_EQ(table.round->phase(), Round::Phase::kFinishing);
  table.Say(0, Finished{});
  table.Say(1, Finished{});
  EXPECT_THAT(Lines(table.Lose({12})), ElementsAre("ended"));
}

TEST(RoundFailures, IfWhoSavesTheModelDiesAnotherOneSavesIt) {
  Table table({.max_steps = 1});
  table.RunToRing();
  table.AllDone();
  table.AllEvaluated(1);
  const runtime::Fence first = table.round->fence();
  table.Say(1, Finished{});
  EXPECT_THAT(Lines(table.Lose({10, 11})),
              ElementsAre("finish to rank 0", "finish to rank 1", "finish to rank 2, save"));
  // Its last words as one that did not save cross the order on their way.
  table.round->OnAnswer(2, {.fence = first, .body = Finished{}}, table.now);
  EXPECT_EQ(table.round->phase(), Round::Phase::kFinishing);
  EXPECT_THAT(Lines(table.Say(2, Finished{})), ElementsAre("ended"));
}

TEST(RoundFailures, IfWhoSavedTheModelDiesNobodySavesItAgain) {
  Table table({.max_steps = 1});
  table.RunToRing();
  table.AllDone();
  table.AllEvaluated(1);
  table.Say(0, Finished{});
  EXPECT_THAT(Lines(table.Lose({10})), IsEmpty());
  table.Say(1, Finished{});
  EXPECT_THAT(Lines(table.Say(2, Finished{})), ElementsAre("ended"));
}

TEST(RoundFailures, WhenAllAreLostItEndsAtOnce) {
  Table table;
  EXPECT_THAT(Lines(table.Lose({10, 11, 12})), ElementsAre("ended WORKER_LOST"));
}

}  // namespace
}  // namespace actors
