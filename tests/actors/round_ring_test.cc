// Which edge of a ring that failed is to blame, where the next ring goes, and how long one is
// waited for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "actors/round.h"
#include "tests/actors/round_table.h"

namespace actors {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(RoundRing, AMemberThatLosesItsPredecessorTwiceGetsAnother) {
  const Fail wrong{.code = kRingCorrupt, .message = "a flipped bit"};
  Table table({.max_steps = 100}, Table::Fda(), 4);
  table.RunToRing();
  table.Say(1, wrong);
  EXPECT_THAT(RingSlots(table.AllReady(RingPurpose::kSynchronize, 1)), ElementsAre(10, 11, 12, 13));
  table.Say(1, wrong);
  EXPECT_THAT(RingSlots(table.AllReady(RingPurpose::kSynchronize, 1)), ElementsAre(10, 12, 11, 13));
}

TEST(RoundRing, AMemberThatLosesItsSuccessorTwiceGetsAnother) {
  Table table({.max_steps = 100}, Table::Fda(), 4);
  table.RunToRing();
  table.Say(1, BrokenEdge());
  EXPECT_THAT(RingSlots(table.AllReady(RingPurpose::kSynchronize, 1)), ElementsAre(10, 11, 12, 13));
  table.Say(1, BrokenEdge());
  // 11 and 12 are no neighbours, either way round.
  EXPECT_THAT(RingSlots(table.AllReady(RingPurpose::kSynchronize, 1)), ElementsAre(12, 10, 11, 13));
}

TEST(RoundRing, AnEdgeOverWhichNothingComesTwiceIsLeftOut) {
  Table table({.max_steps = 100}, Table::Fda(), 4);
  table.RunToRing();
  // Of six chunks each: rank 2 gets nothing from rank 1, and so the others not all.
  const auto stand_still = [&] {
    for (const auto& [rank, received] : {std::pair{0, 2U}, {1, 3U}, {2, 0U}, {3, 1U}}) {
      table.Flow(static_cast<std::uint32_t>(rank), received, received + 1);
    }
    table.now += seconds(20);
    return table.round->OnTick(table.now);
  };
  EXPECT_THAT(MessageOf(stand_still()), HasSubstr("nothing comes from slot 11 to slot 12"));
  EXPECT_THAT(RingSlots(table.AllReady(RingPurpose::kSynchronize, 1)), ElementsAre(10, 11, 12, 13));
  EXPECT_THAT(MessageOf(stand_still()), AllOf(HasSubstr("from slot 11 to slot 12"),
                                              Not(HasSubstr("from slot 12 to slot 13"))));
  EXPECT_THAT(RingSlots(table.AllReady(RingPurpose::kSynchronize, 1)), ElementsAre(12, 10, 11, 13));
  // And stays so in the rounds that follow.
  table.AllDone();
  table.AllReport(11);
  EXPECT_THAT(RingSlots(table.AllReady(RingPurpose::kSynchronize, 2)), ElementsAre(12, 10, 11, 13));
}

TEST(RoundRing, OfTwoSilentEdgesTheOneBehindAMemberThatIsDoneIsNamedToo) {
  Table table;
  table.RunToRing();
  table.Say(0, Done{.root = kNewRoot, .seconds = 1});
  table.Flow(1, 3, 4);
  table.Flow(2, 4, 4);
  table.now += seconds(20);
  EXPECT_THAT(MessageOf(table.round->OnTick(table.now)),
              EndsWith("missing: DONE of slot 11, slot 12; nothing comes from slot 10 to "
                       "slot 11"));
}

TEST(RoundRing, ARingOfThreeIsTurnedRoundAtADeadEdge) {
  Table table;
  table.RunToRing();
  table.Say(0, BrokenEdge());
  table.AllReady(RingPurpose::kSynchronize, 1);
  table.Say(0, BrokenEdge());
  // Slot 11 begins the connection to slot 10 now.
  EXPECT_THAT(RingSlots(table.AllReady(RingPurpose::kSynchronize, 1)), ElementsAre(11, 10, 12));
}

TEST(RoundRing, ARingIsWaitedForAsLongAsSomethingMoves) {
  Table table;
  table.RunToRing();
  // The first ring of a small model has 10 s; without progress it may stand still for 2 s.
  for (std::uint32_t chunk = 1; chunk <= 20; ++chunk) {
    table.now += milliseconds(1900);
    table.Flow(1, chunk, chunk);
    EXPECT_THAT(Lines(table.round->OnTick(table.now)), IsEmpty());
  }
  table.now += milliseconds(1900);
  table.Flow(1, 20, 20);  // Nothing new.
  EXPECT_THAT(Lines(table.round->OnTick(table.now)), IsEmpty());
  table.now += milliseconds(200);
  EXPECT_THAT(Lines(table.round->OnTick(table.now)),
              ElementsAre("aborted", "abort", "prepare synchronize"));
}

TEST(RoundRing, WhatAnOlderRingDidIsNoProgress) {
  Table table;
  table.RunToRing();
  const runtime::Fence old = table.Fence(true);
  table.Say(1, BrokenEdge());
  table.AllReady(RingPurpose::kSynchronize, 1);
  table.now += milliseconds(9900);
  table.round->OnStatus(1, {.fence = old, .ring_received = 5}, table.now);
  table.now += milliseconds(200);
  EXPECT_THAT(Lines(table.round->OnTick(table.now)),
              ElementsAre("aborted", "abort", "prepare synchronize"));
}

}  // namespace
}  // namespace actors
