#include "runtime/actor/supervisor.h"

#include <gtest/gtest.h>

namespace runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Time kStart{seconds(100)};

TEST(Supervisor, WaitsTwiceAsLongAfterEachFailureThenGivesUp) {
  Supervisor supervisor({.max_restarts = 3, .window = seconds(60)});
  EXPECT_EQ(supervisor.OnFailure(kStart), milliseconds(200));
  EXPECT_EQ(supervisor.OnFailure(kStart + seconds(1)), milliseconds(400));
  EXPECT_EQ(supervisor.OnFailure(kStart + seconds(2)), milliseconds(800));
  EXPECT_EQ(supervisor.OnFailure(kStart + seconds(3)), std::nullopt);
  EXPECT_EQ(supervisor.restarts(), 3u);
}

TEST(Supervisor, ForgetsFailuresOlderThanTheWindow) {
  Supervisor supervisor({.max_restarts = 1, .window = seconds(10)});
  EXPECT_TRUE(supervisor.OnFailure(kStart).has_value());
  EXPECT_FALSE(supervisor.OnFailure(kStart + milliseconds(9999)).has_value());
  EXPECT_EQ(supervisor.OnFailure(kStart + seconds(10)), milliseconds(200));
  EXPECT_EQ(supervisor.restarts(), 2u);
}

TEST(Supervisor, WithoutRestartsTheFirstFailureGoesUp) {
  Supervisor supervisor({.max_restarts = 0});
  EXPECT_FALSE(supervisor.OnFailure(kStart).has_value());
  EXPECT_EQ(supervisor.restarts(), 0u);
}

TEST(Supervisor, NeverWaitsLongerThanItsBound) {
  Supervisor supervisor({.max_restarts = 100});
  Duration backoff{};
  for (int i = 0; i < 100; ++i) backoff = *supervisor.OnFailure(kStart);
  EXPECT_EQ(backoff, kLongestBackoff);
}

}  // namespace
}  // namespace runtime
