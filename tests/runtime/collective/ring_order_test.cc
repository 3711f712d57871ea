#include "runtime/collective/ring_order.h"

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

namespace runtime {
namespace {

using ::testing::ElementsAre;

// On a host of its own, or on `host`.
RingEndpoint Reachable(const std::string& host = "") {
  return {.tcp = "tcp://somewhere:1", .ipc = "ipc://@a", .host_key = host};
}
RingEndpoint Unreachable(const std::string& host = "") {
  return {.ipc = "ipc://@a", .host_key = host};
}

// "r" can be reached, "u" cannot; "x" and "y" cannot, but on their host by ipc.
std::vector<RingEndpoint> Members(const std::string& kinds) {
  std::vector<RingEndpoint> members;
  for (const char kind : kinds) {
    members.push_back(kind == 'r'   ? Reachable()
                      : kind == 'u' ? Unreachable(absl::StrCat("host of ", members.size()))
                                    : Unreachable(std::string(1, kind)));
  }
  return members;
}

std::vector<std::uint32_t> Order(const std::string& kinds,
                                 RingTransport transport = RingTransport::kAuto) {
  return OrderRing(Members(kinds), transport).value_or(std::vector<std::uint32_t>());
}

// Every word of `length` letters out of `letters`.
std::vector<std::string> Words(const std::string& letters, std::size_t length) {
  std::vector<std::string> words = {""};
  for (std::size_t i = 0; i < length; ++i) {
    std::vector<std::string> longer;
    for (const std::string& word : words) {
      for (const char letter : letters) longer.push_back(word + letter);
    }
    words = std::move(longer);
  }
  return words;
}

TEST(RingOrder, PlacesTheUnreachableBetweenTheReachable) {
  EXPECT_THAT(Order("ruu"), ElementsAre());
  EXPECT_THAT(Order("ruur"), ElementsAre(0, 1, 3, 2));
  EXPECT_THAT(Order("uurr"), ElementsAre(0, 2, 1, 3));
  EXPECT_THAT(Order("rrru"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Order("uuurrrr"), ElementsAre(0, 3, 1, 4, 2, 5, 6));
}

TEST(RingOrder, OfOneHostMayBeNeighboursWithoutBeingReachable) {
  EXPECT_THAT(Order("xxx"), ElementsAre(0, 1, 2));
  EXPECT_THAT(Order("xyxyrr"), ElementsAre(0, 2, 4, 1, 3, 5));
  EXPECT_THAT(Order("xyxyrr", RingTransport::kTcp), ElementsAre());
  EXPECT_THAT(Order("xy"), ElementsAre());
}

TEST(RingOrder, KeepsTheOrderOfSlotsWhereverItCan) {
  for (std::size_t length = 1; length <= 7; ++length) {
    for (const std::string& kinds : Words("rux", length)) {
      std::vector<std::uint32_t> slots(length);
      std::iota(slots.begin(), slots.end(), 0);
      if (!IsRing(slots, Members(kinds), RingTransport::kAuto)) continue;
      EXPECT_EQ(Order(kinds), slots) << kinds;
    }
  }
}

TEST(RingOrder, FindsTheFirstRingIfThereIsOneAtAll) {
  int found = 0, none = 0;
  for (std::size_t length = 1; length <= 6; ++length) {
    for (const std::string& kinds : Words("ruxy", length)) {
      const std::vector<RingEndpoint> members = Members(kinds);
      std::vector<std::uint32_t> first(length);
      std::iota(first.begin(), first.end(), 0);
      bool any = false;
      do {
        any = IsRing(first, members, RingTransport::kAuto);
      } while (!any && std::next_permutation(first.begin(), first.end()) && first[0] == 0);
      const auto order = OrderRing(members, RingTransport::kAuto);
      ASSERT_EQ(order.has_value(), any) << kinds;
      if (any) {
        EXPECT_EQ(*order, first) << kinds;
      }
      ++(any ? found : none);
    }
  }
  EXPECT_GT(found, 1000);
  EXPECT_GT(none, 100);
}

TEST(RingOrder, AnEdgeIsOpenedByItsPreviousMemberWhereThatCan) {
  const RingEndpoint open = Reachable(), closed = Unreachable("x"), beside = Unreachable("x");
  EXPECT_EQ(OpenerOf(open, Reachable(), RingTransport::kAuto), EdgeOpener::kPrevious);
  EXPECT_EQ(OpenerOf(closed, open, RingTransport::kAuto), EdgeOpener::kPrevious);
  EXPECT_EQ(OpenerOf(open, closed, RingTransport::kAuto), EdgeOpener::kNext);
  EXPECT_EQ(OpenerOf(closed, Unreachable("y"), RingTransport::kAuto), EdgeOpener::kNobody);
  EXPECT_EQ(OpenerOf(closed, beside, RingTransport::kAuto), EdgeOpener::kPrevious);
  EXPECT_EQ(OpenerOf(closed, beside, RingTransport::kTcp), EdgeOpener::kNobody);
}

}  // namespace
}  // namespace runtime
