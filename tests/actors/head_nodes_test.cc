// The nodes of a head, as the verbs see them: join, leave, status.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/error.h"
#include "tests/actors/head_cluster.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

TEST_F(HeadCluster, AMemberThatIsAskedToLeaveIsAveragedInAndGone) {
  JoinAll({"a-0", "a-1", "a-2"});
  Submit(Config(3));
  ASSERT_TRUE(RunToStep(5));
  EXPECT_EQ(Node("a-1")["slot"], 1);
  const auto leaving = Ask(LeaveNode{.node = "a-1"});
  ASSERT_OK(leaving);
  ASSERT_EQ(leaving->nodes.size(), 1u);
  EXPECT_EQ(leaving->nodes[0].name, "a-1");
  EXPECT_EQ(leaving->nodes[0].node, workers_[1]->node->id());
  EXPECT_EQ(Node("a-1")["state"], "LEAVING");
  EXPECT_FALSE(Node("a-1")["reason"].get<std::string>().empty());
  // Asked twice, it still leaves in order.
  ASSERT_OK(Ask(LeaveNode{.node = "a-1"}));
  ASSERT_TRUE(RunUntil([&] { return workers_[1]->node == nullptr; }));
  EXPECT_OK(*workers_[1]->quit);
  EXPECT_THAT(Names(), UnorderedElementsAre("a-0", "a-2"));
  EXPECT_TRUE(RunToStep(static_cast<std::uint64_t>(LastRun()["step"]) + 5));
  const json members = LastRun()["members"];
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0]["name"], "a-0");
  EXPECT_EQ(members[1]["name"], "a-2");
  EXPECT_EQ(members[1]["slot"], 2);
  ASSERT_OK(Ask(StopRun{}));
  ASSERT_TRUE(RunUntil([&] { return StateOfRun() == "done"; }));
  EXPECT_EQ(LastRun()["events"]["leaves"], 1);
  EXPECT_EQ(LastRun()["events"]["deaths"], 0);
}

TEST_F(HeadCluster, TheLastOneThatLeavesEndsItsRun) {
  JoinAll({"a-0"});
  Submit(Config(1));
  ASSERT_TRUE(RunToStep(5));
  ASSERT_OK(Ask(LeaveNode{.node = "a"}));
  ASSERT_TRUE(RunUntil([&] { return workers_[0]->node == nullptr; }));
  EXPECT_EQ(StateOfRun(), "done");
  EXPECT_FALSE(head_quit_.has_value());
}

TEST_F(HeadCluster, AMachineLeavesWithAllItsWorkersAndAtOnceIfNothingIsOn) {
  JoinAll({"a-0", "a-1", "a-b-0", "ab-0", "a-x"});
  const auto leaving = Ask(LeaveNode{.node = "a"});
  ASSERT_OK(leaving);
  EXPECT_EQ(leaving->nodes.size(), 2u);
  ASSERT_TRUE(RunUntil([&] { return Names().size() == 3; }, seconds(1)));
  EXPECT_THAT(Names(), UnorderedElementsAre("a-b-0", "ab-0", "a-x"));
  // By the id that status shows.
  ASSERT_OK(Ask(LeaveNode{.node = workers_[3]->node->id().ShortName()}));
  ASSERT_TRUE(RunUntil([&] { return Names().size() == 2; }, seconds(1)));
  EXPECT_THAT(Names(), UnorderedElementsAre("a-b-0", "a-x"));
}

TEST_F(HeadCluster, AWorkerThatIsStillStartingLeavesToo) {
  Process& process = Join("a-0");
  ASSERT_TRUE(cluster_.RunUntil([&] { return process.node->IsJoined(); }, seconds(5)));
  ASSERT_OK(Ask(LeaveNode{.node = "a-0"}));
  EXPECT_TRUE(RunUntil([&] { return Names().empty(); }, seconds(2)));
}

TEST_F(HeadCluster, NobodyLeavesWhoWasNotClearlyMeant) {
  JoinAll({"a-0"});
  Join("a-0", "another machine");
  ASSERT_TRUE(RunUntil([&] { return Names().size() == 2; }));
  EXPECT_EQ(CodeOf(LeaveNode{.node = "b"}), "NODE_NOT_FOUND");
  EXPECT_EQ(CodeOf(LeaveNode{.node = ""}), "NODE_NOT_FOUND");
  EXPECT_EQ(CodeOf(LeaveNode{.node = "client"}), "NODE_NOT_FOUND");
  EXPECT_EQ(CodeOf(LeaveNode{.node = "a-0"}), "NODE_AMBIGUOUS");
  EXPECT_EQ(CodeOf(LeaveNode{.node = "a"}), "NODE_AMBIGUOUS");
  EXPECT_THAT(States(), UnorderedElementsAre("UP", "UP"));
}

TEST_F(HeadCluster, ANewcomerIsJoiningUntilAViewHoldsIt) {
  JoinAll({"a-0", "a-1"});
  Submit(Config(2));
  ASSERT_TRUE(RunToStep(5));
  Join("b-0");
  std::vector<std::string> reasons;
  ASSERT_TRUE(RunUntil([&] {
    const json node = Node("b-0");
    if (node.empty()) return false;
    if (node["state"] == "JOINING") reasons.push_back(node["reason"]);
    return node["state"] == "UP" && node.contains("slot");
  }));
  EXPECT_THAT(reasons, testing::Contains("fetches the model"));
  EXPECT_EQ(Node("b-0")["slot"], 2);
}

TEST_F(HeadCluster, ASilentNodeIsSuspectWithItsSilence) {
  JoinAll({"a-0", "a-1"});
  cluster_.network().Cut(workers_[1]->node->id(), head_->id());
  // Sanitizer builds wait five times as long.
  ASSERT_TRUE(RunUntil([&] { return Node("a-1")["state"] == "SUSPECT"; }, seconds(20)));
  EXPECT_THAT(Node("a-1")["reason"].get<std::string>(), HasSubstr("nothing heard for "));
  EXPECT_EQ(Node("a-0")["state"], "UP");
  cluster_.network().Heal(workers_[1]->node->id(), head_->id());
  EXPECT_TRUE(RunUntil([&] { return Node("a-1")["state"] == "UP"; }, seconds(5)));
}

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

}  // namespace
}  // namespace actors
