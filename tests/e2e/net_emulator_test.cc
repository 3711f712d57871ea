// The emulated network itself: a test that trusts it must be able to.
#include "tests/tools/net_emulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <future>
#include <iostream>

#include "tests/support/processes.h"
#include "tests/support/root_network.h"
#include "tests/support/status_matchers.h"
#include "tests/tools/tcp_copy.h"

namespace tests {
namespace {

constexpr std::uint64_t kBytes = 1'000'000;

TEST(NetEmulator, AWayIsNoFasterThanItsRateAndBothDirectionsHaveTheirOwn) {
  NEEDS_ROOT_NETWORK();
  const auto network = NetEmulator::Start(2, {.bits_per_second = 40e6});
  ASSERT_OK(network);
  (*network)->SetWay(1, 0, {.bits_per_second = 10e6});
  const auto there = CopySeconds(**network, 0, 1, kBytes);
  const auto back = CopySeconds(**network, 1, 0, kBytes);
  ASSERT_OK(there);
  ASSERT_OK(back);
  std::cout << "8 Mbit: " << *there << " s at 40 Mbit/s, " << *back << " s at 10 Mbit/s\n";
  EXPECT_GE(*there, 0.2 * 0.98);
  EXPECT_GE(*back, 0.8 * 0.98);
  EXPECT_GT((*network)->CountsOf(0, 1).bytes, kBytes);
}

TEST(NetEmulator, ACardBoundsAllWaysToAHostTogether) {
  NEEDS_ROOT_NETWORK();
  const auto network = NetEmulator::Start(3, {});
  ASSERT_OK(network);
  (*network)->SetCard(2, 0, 20e6);
  const auto begin = std::chrono::steady_clock::now();
  auto other = std::async(std::launch::async, [&] { return CopySeconds(**network, 0, 2, kBytes); });
  EXPECT_OK(CopySeconds(**network, 1, 2, kBytes));
  EXPECT_OK(other.get());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(seconds.count(), 0.8 * 0.98);
}

TEST(NetEmulator, ADelayIsPaidInEachDirectionAndLossIsCountedAndSurvived) {
  NEEDS_ROOT_NETWORK();
  const auto network =
      NetEmulator::Start(2, {.delay = std::chrono::milliseconds(20), .loss = 0.01});
  ASSERT_OK(network);
  const auto seconds = CopySeconds(**network, 0, 1, kBytes);
  ASSERT_OK(seconds);
  EXPECT_GE(*seconds, 0.06);  // Connect, and the first byte.
  EXPECT_GT((*network)->CountsOf(0, 1).lost, 0U);
}

TEST(NetEmulator, ABlackHoleSwallowsOneDirectionUntilItIsHealed) {
  NEEDS_ROOT_NETWORK();
  const auto network = NetEmulator::Start(3, {});
  ASSERT_OK(network);
  (*network)->SetBlackHole(0, 1, true);
  EXPECT_OK(CopySeconds(**network, 0, 2, kBytes));
  auto copy = std::async(std::launch::async, [&] { return CopySeconds(**network, 0, 1, kBytes); });
  EXPECT_TRUE(Eventually([&] { return (*network)->CountsOf(0, 1).swallowed >= 2; }));
  EXPECT_EQ((*network)->CountsOf(0, 1).packets, 0U);
  (*network)->SetBlackHole(0, 1, false);
  EXPECT_OK(copy.get());
}

TEST(NetEmulator, BehindARouterAHostOpensConnectionsAndNobodyOpensOneToIt) {
  NEEDS_ROOT_NETWORK();
  const auto network = NetEmulator::Start(2, {});
  ASSERT_OK(network);
  (*network)->SetBehindRouter(1, true);
  EXPECT_OK(CopySeconds(**network, 1, 0, kBytes));
  auto copy = std::async(std::launch::async, [&] { return CopySeconds(**network, 0, 1, kBytes); });
  EXPECT_TRUE(Eventually([&] { return (*network)->CountsOf(0, 1).refused >= 2; }));
  EXPECT_NE(copy.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  (*network)->SetBehindRouter(1, false);
  EXPECT_OK(copy.get());
}

}  // namespace
}  // namespace tests
