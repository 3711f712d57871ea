#include "actors/flapping.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace actors {
namespace {

using runtime::Duration;
using runtime::Time;
using std::chrono::seconds;

const Time kStart = Time(seconds(1000));

TEST(Flapping, TheFourthTimeInARowIsLateAndTheNextMoreSo) {
  Flapping flapping;
  Time now = kStart;
  for (const int hold : {0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60}) {
    flapping.OnLost("north-0", seconds(1), now);
    EXPECT_EQ(flapping.HoldOf("north-0", now), seconds(hold));
    now += seconds(hold + 1);
  }
  EXPECT_EQ(flapping.LossesOf("north-0"), 11);
  EXPECT_EQ(flapping.HoldOf("north-1", now), Duration{}) << "others have nothing to do with it";
}

TEST(Flapping, WhatHasPassedSinceTheLossCounts) {
  Flapping flapping;
  for (int i = 0; i < 5; ++i) flapping.OnLost("north-0", seconds(1), kStart);
  EXPECT_EQ(flapping.HoldOf("north-0", kStart + seconds(1)), seconds(3));
  EXPECT_EQ(flapping.HoldOf("north-0", kStart + seconds(7)), Duration{});
}

TEST(Flapping, WhoStaysOrLeavesInOrderBeginsAnew) {
  Flapping flapping;
  for (const bool stays : {true, false}) {
    for (int i = 0; i < 9; ++i) flapping.OnLost("north-0", seconds(1), kStart);
    ASSERT_GT(flapping.HoldOf("north-0", kStart), Duration{});
    stays ? flapping.OnLost("north-0", Flapping::kSteady, kStart) : flapping.OnLeft("north-0");
    EXPECT_EQ(flapping.HoldOf("north-0", kStart), Duration{});
  }
}

TEST(Flapping, WhoeverWasNotHeardOfIsForgottenAndTheBookIsBounded) {
  Flapping flapping;
  for (int i = 0; i < 9; ++i) flapping.OnLost("north-0", seconds(1), kStart);
  flapping.OnLost("north-1", seconds(1), kStart + Flapping::kMemory);
  EXPECT_EQ(flapping.LossesOf("north-0"), 0);
  for (std::size_t i = 0; i < Flapping::kMostNames; ++i) {
    flapping.OnLost("name-" + std::to_string(i), seconds(1),
                    kStart + Flapping::kMemory + seconds(i));
  }
  EXPECT_EQ(flapping.LossesOf("north-1"), 0) << "the oldest makes room";
  EXPECT_EQ(flapping.LossesOf("name-1023"), 1);
}

}  // namespace
}  // namespace actors
