#include "actors/averaging/participants.h"

#include <gtest/gtest.h>

#include <vector>

namespace actors {
namespace {

TEST(Participants, AreAllUnlessAShareIsGiven) {
  EXPECT_TRUE(Participates({.share = 1, .seed = 3}, 7, 2, std::vector<std::uint32_t>{0, 1, 2}));
}

TEST(Participants, AreTheirShareOnAverageAndOneAtLeast) {
  const std::vector<std::uint32_t> slots = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const ParticipantsOptions options{.share = 0.3, .seed = 5};
  std::vector<int> rounds_of(slots.size());
  int all = 0;
  for (std::uint64_t round = 0; round < 4000; ++round) {
    int here = 0;
    for (const std::uint32_t slot : slots) {
      if (!Participates(options, round, slot, slots)) continue;
      ++here;
      ++rounds_of[slot];
    }
    EXPECT_GE(here, 1);
    all += here;
  }
  // Binomial: 3 and 2.8 % for the rounds of which nobody was drawn; deviations below 0.03.
  EXPECT_NEAR(all / 4000.0, 3.03, 0.15);
  for (const int rounds : rounds_of) EXPECT_NEAR(rounds / 4000.0, 0.303, 0.05);
}

TEST(Participants, AreDrawnEachForItself) {
  const ParticipantsOptions options{.share = 0.5, .seed = 9};
  const std::vector<std::uint32_t> few = {1, 4}, more = {1, 4, 6};
  int stayed = 0;
  for (std::uint64_t round = 0; round < 200; ++round) {
    const bool one = Participates(options, round, 1, few);
    const bool other = Participates(options, round, 4, few);
    // Unless it was the only one, for want of anybody who was drawn.
    if (!one || !other) continue;
    ++stayed;
    EXPECT_TRUE(Participates(options, round, 1, more));
    EXPECT_TRUE(Participates(options, round, 4, more));
  }
  EXPECT_GT(stayed, 20);
}

TEST(Participants, OfAFewAreNearlyNobodyButOne) {
  const std::vector<std::uint32_t> slots = {3, 8, 9};
  const ParticipantsOptions options{.share = 1e-9, .seed = 1};
  for (std::uint64_t round = 0; round < 50; ++round) {
    int here = 0;
    for (const std::uint32_t slot : slots) here += Participates(options, round, slot, slots);
    EXPECT_EQ(here, 1);
  }
}

}  // namespace
}  // namespace actors
