// What the round machine makes of the drifts that members tell of with READY.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "tests/actors/round_table.h"

namespace actors {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kTau = 10;

// Readings of members in the ring: u = (1, 0) but for the last one, who has (-1, 0.5); `left_out`:
// it added nothing.
DriftReading ReadingOf(std::uint32_t rank, std::uint32_t members, bool left_out) {
  const bool odd = rank + 1 == members;
  const double honest = members - 1;
  const double x = left_out ? 1 : (honest - 1) / members, y = left_out ? 0 : 0.5 / members;
  const double u_x = odd ? -1 : 1, u_y = odd ? 0.5 : 0;
  return {.squared_norm = u_x * u_x + u_y * u_y,
          .along_mean = u_x * x + u_y * y,
          .squared_mean = x * x + y * y};
}

struct DriftTable : Table {
  explicit DriftTable(bool refuse, std::uint32_t members = 4)
      : Table({.refuse_outliers = refuse, .max_steps = 1000},
              {.strategy = Strategy::kLocal, .tau = kTau, .max_steps = 1000}, members) {}

  // READY of all, in which they tell of the last round; returns the weights of the ring by slot.
  std::vector<float> StartRing() {
    step += kTau;
    const std::uint64_t told = round->synchronizations();
    const RoundActions actions = All([&](std::uint32_t rank) {
      const auto members = static_cast<std::uint32_t>(round->members().size());
      Ready ready{.step = step, .weight = weights[rank], .root = round->root()};
      if (told > 0 && !silent) {
        ready.drift = {.round = told, .reading = ReadingOf(rank, members, was_left_out)};
      }
      return Say(rank, ready, /*with_attempt=*/false);
    });
    return Weights(actions);
  }
  static std::vector<float> Weights(const RoundActions& actions) {
    std::vector<float> found;
    for (const Member& member : RingMembers(actions)) found.push_back(member.weight);
    return found;
  }
  Synchronized Synchronize() {
    const std::vector<float> ring = StartRing();
    was_left_out = ring.back() == 0;
    return Commit();
  }
  Synchronized Commit() {
    for (const RoundAction& action : AllDone({.high = ++roots, .low = 5})) {
      if (const auto* event = std::get_if<Synchronized>(&action)) return *event;
    }
    ADD_FAILURE() << "nothing was committed";
    return {};
  }

  std::uint64_t step = 0, roots = 10;
  bool was_left_out = false, silent = false;
  std::vector<float> weights = std::vector<float>(8, 1);
};

TEST(RoundDrifts, AreToldWithTheNextSynchronizationAndNameTheOddMember) {
  DriftTable table(/*refuse=*/false);
  EXPECT_THAT(table.Synchronize().drifts, IsEmpty());
  const Synchronized second = table.Synchronize();
  ASSERT_THAT(second.drifts, SizeIs(4));
  EXPECT_EQ(second.drifts[0].node, Table::NodeIn(10));
  EXPECT_EQ(second.drifts[0].norm, 1);
  EXPECT_GT(second.drifts[0].cosine_to_others, 0.8);
  EXPECT_LT(second.drifts[3].cosine_to_others, -0.8);
  EXPECT_GT(second.drifts[3].z(), 3);
  EXPECT_FALSE(second.drifts[3].outlier);
  // Two rounds have been told of: it is one, from now on, and becomes one only now.
  const Synchronized third = table.Synchronize(), fourth = table.Synchronize();
  EXPECT_TRUE(third.drifts[3].HasBecomeOutlier());
  EXPECT_FALSE(third.drifts[2].outlier);
  EXPECT_TRUE(fourth.drifts[3].outlier);
  EXPECT_FALSE(fourth.drifts[3].HasBecomeOutlier());
  EXPECT_EQ(fourth.contributors, 4u);
  EXPECT_THAT(fourth.left_out, IsEmpty());
}

TEST(RoundDrifts, AnOutlierThatIsRefusedAddsNothingAndIsNoReset) {
  std::vector<std::vector<runtime::NodeId>> contributors;
  DriftTable table(/*refuse=*/true);
  table.options.record_commit = [&](const CommitRecord& record) {
    contributors.push_back(record.contributors);
    return absl::OkStatus();
  };
  table.round = std::make_unique<Round>(table.options, *table.policy);
  table.round->Begin(table.view, table.now);
  table.Synchronize();
  table.Synchronize();
  for (int round = 0; round < 5; ++round) {
    const Synchronized event = table.Synchronize();
    EXPECT_TRUE(table.was_left_out);
    EXPECT_EQ(event.contributors, 3u);
    EXPECT_THAT(event.left_out, ElementsAre(Table::NodeIn(13)));
    EXPECT_THAT(event.reset, IsEmpty());
    EXPECT_THAT(contributors.back(),
                ElementsAre(Table::NodeIn(10), Table::NodeIn(11), Table::NodeIn(12)));
  }
}

TEST(RoundDrifts, ARefusedMemberIsInAgainWhenItsDriftIsLikeTheOthers) {
  DriftTable table(/*refuse=*/true);
  table.Synchronize();
  table.Synchronize();
  table.Synchronize();
  ASSERT_TRUE(table.was_left_out);
  std::vector<float> last;
  for (int round = 0; round < 4; ++round) {
    table.step += kTau;
    last = DriftTable::Weights(table.All([&](std::uint32_t rank) {
      return table.Say(rank,
                       Ready{.step = table.step,
                             .root = table.round->root(),
                             .drift = CommittedDrift{.round = table.round->synchronizations(),
                                                     .reading = {1, 1, 1}}},
                       /*with_attempt=*/false);
    }));
    table.Commit();
  }
  EXPECT_THAT(last, Each(1));
}

TEST(RoundDrifts, RatherAnOutlierThanNobody) {
  DriftTable table(/*refuse=*/true);
  table.Synchronize();
  table.Synchronize();
  table.Synchronize();
  ASSERT_TRUE(table.was_left_out);
  table.weights = {0, 0, 0, 1};
  EXPECT_THAT(table.StartRing(), ElementsAre(0, 0, 0, 1));
  table.Commit();
  table.weights = {0, 1, 0, 1};
  EXPECT_THAT(table.StartRing(), ElementsAre(0, 1, 0, 0));
}

TEST(RoundDrifts, OfTwoMembersNobodyIsRefused) {
  DriftTable table(/*refuse=*/true, 2);
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(table.Synchronize().contributors, 2u);
    EXPECT_FALSE(table.was_left_out);
  }
}

TEST(RoundDrifts, OfAnotherRoundOrUnsaidAreNotCompared) {
  DriftTable table(/*refuse=*/true);
  table.Synchronize();
  table.silent = true;
  for (int round = 0; round < 4; ++round) {
    const Synchronized event = table.Synchronize();
    ASSERT_THAT(event.drifts, SizeIs(4));
    for (const MemberDrift& drift : event.drifts) EXPECT_FALSE(drift.norm.has_value());
    EXPECT_EQ(event.contributors, 4u);
  }
  table.step += kTau;
  table.All([&](std::uint32_t rank) {
    return table.Say(rank,
                     Ready{.step = table.step,
                           .root = table.round->root(),
                           .drift = CommittedDrift{.round = 2, .reading = {1, 1, 1}}},
                     /*with_attempt=*/false);
  });
  for (const MemberDrift& drift : table.Commit().drifts) EXPECT_FALSE(drift.norm.has_value());
}

TEST(RoundDrifts, AMemberThatIsGoneStillHasItsPartInTheMean) {
  DriftTable table(/*refuse=*/false);
  table.Synchronize();
  table.Lose({10});
  table.step += kTau;
  table.All([&](std::uint32_t rank) {
    return table.Say(
        rank,
        Ready{.step = table.step,
              .root = table.round->root(),
              .drift = CommittedDrift{.round = 1, .reading = ReadingOf(rank + 1, 4, false)}},
        /*with_attempt=*/false);
  });
  const Synchronized event = table.Commit();
  ASSERT_THAT(event.drifts, SizeIs(3));
  EXPECT_EQ(event.drifts[0].node, Table::NodeIn(11));
  // Of four with p = 1/4: the others of the odd one are (3/4, 0) in all.
  EXPECT_NEAR(*event.drifts[2].cosine_to_others, -1 / std::hypot(1, 0.5), 1e-12);
}

TEST(RoundDrifts, TheVarianceIsThatOfTheModelsThatAreAveraged) {
  Table table({.refuse_outliers = true, .max_steps = 1000}, Table::Fda(), 4);
  std::uint64_t step = 0;
  bool left_out = false;
  for (std::uint64_t round = 0; round < 3; ++round) {
    for (std::uint64_t i = 0; i < kTau; ++i) table.AllReport(0);
    table.AllReport(11);
    step = table.round->step();
    const RoundActions actions = table.All([&](std::uint32_t rank) {
      return table.Say(rank, Ready{.step = step,
                                   .root = table.round->root(),
                                   .drift = CommittedDrift{.round = round,
                                                           .reading = ReadingOf(rank, 4, false)}});
    });
    left_out = DriftTable::Weights(actions).back() == 0;
    table.AllDone({.high = 10 + round, .low = 1});
  }
  ASSERT_TRUE(left_out);
  // What it alone drifts asks for no synchronization: (3·2 + 0·1000) / 3.
  table.All([&](std::uint32_t rank) { return table.Report(rank, rank == 3 ? 1000 : 2); });
  EXPECT_EQ(table.round->variance_estimate(), 2);
}

}  // namespace
}  // namespace actors
