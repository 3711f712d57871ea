// What takes more than a minute.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <iostream>
#include <string>
#include <vector>

#include "runtime/base/random.h"
#include "tests/support/cluster.h"
#include "tests/support/processes.h"

namespace tests {
namespace {

TEST(EmbeddedRunsForLong, LeaveNothingBehindFiftyTimesInARow) { ExpectRunsLeaveNothing(50); }

// F46: orderly, so that every step is in the model. Each adds 840 to each float.
TEST(ManyJoinsAndLeaves, FromTwoWorkersToEightAndBackLoseNoRoundAndNoStep) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  std::vector<std::string> settings = Endless(2);
  settings.insert(settings.end(),
                  {"model.integer=true", "strategy.theta=1e30", "strategy.max_interval=20"});
  const auto follower = cluster.StartEndless(WriteQuadratic(sandbox), settings);
  const std::string folder = OnlyRunFolder(cluster.runs());
  const auto count = [&](const char* kind) { return EventsOf(folder, kind).size(); };
  runtime::SeededRandom random(46);
  std::vector<std::size_t> machines = {0, 1};
  std::size_t next = 2, joins = 2, leaves = 0;
  const auto join = [&] {
    cluster.Join();
    machines.push_back(next++);
    ASSERT_TRUE(Eventually([&] { return count("join") == joins + 1; })) << cluster.Status();
    ++joins;
  };
  const auto leave = [&] {
    const auto who = machines.begin() + static_cast<std::ptrdiff_t>(random.Below(machines.size()));
    cluster.join(*who).Signal(SIGTERM);
    ASSERT_EQ(cluster.join(*who).WaitExit(), 0) << cluster.join(*who).Describe();
    machines.erase(who);
    ASSERT_TRUE(Eventually([&] { return count("leave") == leaves + 1; })) << cluster.Status();
    ++leaves;
  };
  while (machines.size() < 8) join();
  for (int i = 0; i < 38 && !HasFailure(); ++i) {
    const bool more = machines.size() <= 2 || (machines.size() < 8 && random.Below(2) == 0);
    more ? join() : leave();
  }
  while (machines.size() > 2 && !HasFailure()) leave();
  ASSERT_TRUE(Eventually([&] { return count("sync") >= 200; }));
  const auto stop = sandbox.Run({"rondo", "stop", "--head", cluster.address(), "--json"});
  EXPECT_EQ(stop->WaitExit(), 0) << stop->Describe();
  const nlohmann::json result = LastEvent(folder).value("result", nlohmann::json::object());
  std::cout << joins << " joins, " << leaves << " leaves, " << count("sync")
            << " synchronizations, " << result["steps"] << " steps\n";
  EXPECT_EQ(result.value("replicas_equal", false), true) << LastEvent(folder);
  EXPECT_EQ(count("abort"), 0u);
  EXPECT_EQ(count("death"), 0u);
  EXPECT_EQ(result["workers_final"], 2);
  EXPECT_THAT(FloatsOf(folder + "/model.pt"), testing::Each(FloatsOf(folder + "/model.pt")[0]));
}

}  // namespace
}  // namespace tests
