// Workers that the head, or nobody, can connect to.
#include <absl/strings/match.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/actors/head_cluster.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

TEST_F(HeadCluster, ANodeIsReachableIfTheHeadCanConnectToAllThatItListensOn) {
  Join("a-0", "machine", "alive:1");
  Join("a-1", "machine", "dead:1");
  Join("a-2");
  ASSERT_TRUE(RunUntil([&] {
    return Node("a-0")["reachable"].is_boolean() && Node("a-1")["reachable"].is_boolean();
  }));
  EXPECT_EQ(Node("a-0")["reachable"], true);
  EXPECT_EQ(Node("a-0")["reason"], "");
  EXPECT_EQ(Node("a-1")["reachable"], false);
  EXPECT_EQ(Node("a-1")["reason"], "ring: dead:1 refuses");
  EXPECT_EQ(Node("a-1")["state"], "UP");
  // It does not say where it listens, so that nobody looks.
  EXPECT_TRUE(Node("a-2")["reachable"].is_null());
  // Each node once.
  std::vector<std::string> all;
  for (const auto& addresses : connected_)
    all.insert(all.end(), addresses.begin(), addresses.end());
  EXPECT_THAT(all, UnorderedElementsAre("alive:1", "alive:2", "dead:1", "alive:2"));
}

TEST_F(HeadCluster, ARunBeginsWithAWorkerWhenItIsKnownWhetherItCanBeReached) {
  Join("a-0", "machine", "alive:1");
  Submit(Config(1));
  ASSERT_TRUE(RunUntil([&] { return Node("a-0")["reason"] == "the head connects back"; }));
  EXPECT_EQ(Node("a-0")["state"], "JOINING");
  EXPECT_EQ(StateOfRun(), "queued");
  ASSERT_TRUE(RunToStep(3));
  EXPECT_EQ(Node("a-0")["reachable"], true);
  // A newcomer, too, comes in after that, and one that dies meanwhile is forgotten.
  Join("a-1", "machine", "alive:3");
  Kill(Join("a-2", "machine", "alive:4"));
  ASSERT_TRUE(RunUntil([&] { return Node("a-1").contains("slot"); }));
  EXPECT_EQ(Node("a-1")["reachable"], true);
}

TEST_F(HeadCluster, NoDonorThatCannotBeReachedIsAskedWhileThereIsAnother) {
  for (const auto& worker : {std::pair("a-0", "dead:2"), std::pair("a-1", "alive:2")}) {
    Join(worker.first, "machine", "alive:1", worker.second);
    ASSERT_TRUE(RunUntil([&] { return Node(worker.first)["state"] == "UP"; }));
  }
  Submit(Config(2));
  ASSERT_TRUE(RunUntil([&] { return LastRun()["syncs"] >= 1; }));
  Join("b-0");
  ASSERT_TRUE(RunUntil([&] { return Node("b-0").contains("slot"); }));
  const auto asked = [&](std::size_t donor) {
    return transferred_.contains({workers_[2]->node->id(), workers_[donor]->node->id()});
  };
  EXPECT_FALSE(asked(0));
  EXPECT_TRUE(asked(1));
  // The only one is asked all the same.
  ASSERT_OK(Ask(LeaveNode{.node = "a-1"}));
  ASSERT_OK(Ask(LeaveNode{.node = "b-0"}));
  ASSERT_TRUE(RunUntil([&] { return Names().size() == 1; }));
  Join("c-0");
  ASSERT_TRUE(RunUntil([&] { return Node("c-0").contains("slot"); }));
  EXPECT_TRUE(transferred_.contains({workers_[3]->node->id(), workers_[0]->node->id()}));
}

// Each return costs the others a view and a transfer.
TEST_F(HeadCluster, AWorkerThatFlapsIsTakenLaterEachTime) {
  shortest_task_ = longest_task_ = milliseconds(20);
  JoinAll({"a-0", "a-1"});
  Submit(Config(2));
  ASSERT_TRUE(RunToStep(3));
  for (const int hold : {0, 0, 0, 1, 2, 4, 8}) {
    Process& process = Join("b-0");
    const runtime::Time came = cluster_.Now();
    if (hold > 0) {
      ASSERT_TRUE(RunUntil(
          [&] { return absl::StrContains(Node("b-0").value("reason", ""), "held back: lost"); }));
      EXPECT_EQ(Node("b-0")["state"], "JOINING");
    }
    ASSERT_TRUE(RunUntil([&] { return Node("b-0").contains("slot"); }));
    const double waited = runtime::ToSeconds(cluster_.Now() - came);
    EXPECT_GT(waited, hold - 0.5);  // Since it was lost, that is.
    EXPECT_LT(waited, hold + 3);    // Under sanitizers all that detects a loss takes longer.
    Kill(process);
    ASSERT_TRUE(RunUntil([&] { return Node("b-0").empty(); }));
  }
  EXPECT_TRUE(RunUntil([&] { return LastRun()["workers"] == 2; }));
  // Another name has nothing to do with it.
  Join("b-1");
  const runtime::Time came = cluster_.Now();
  ASSERT_TRUE(RunUntil([&] { return Node("b-1").contains("slot"); }));
  EXPECT_LT(runtime::ToSeconds(cluster_.Now() - came), 3);
}

TEST_F(HeadCluster, ARunTrainsWithAWorkerWhoseRingCannotBeReached) {
  Join("a-0", "machine", "alive:1");
  Join("a-1", "machine", "dead:1");
  Submit(Config(2));
  ASSERT_TRUE(RunUntil([&] { return LastRun()["syncs"] >= 2; }));
  // There is no place for another such one, and the run goes on without it.
  Join("a-2", "machine", "dead:2");
  ASSERT_TRUE(RunUntil([&] { return Node("a-2")["reason"] == "has no place on the ring yet"; }));
  EXPECT_EQ(Node("a-2")["state"], "JOINING");
  EXPECT_TRUE(RunToStep(static_cast<std::uint64_t>(LastRun()["step"]) + 20));
  EXPECT_EQ(LastRun()["workers"], 2);
  // Until one comes between them.
  Join("a-3", "machine", "alive:2");
  EXPECT_TRUE(RunUntil([&] { return LastRun()["workers"] == 4; }));
  EXPECT_EQ(StateOfRun(), "running");
}

}  // namespace
}  // namespace actors
