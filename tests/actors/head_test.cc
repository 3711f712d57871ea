// The head and its workers on a simulated network, as the verbs see them: stop, runs, show, leave,
// status.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "runtime/base/error.h"
#include "tests/actors/head_cluster.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

TEST_F(HeadCluster, AStoppedRunEndsWithASynchronizationAndAResult) {
  JoinAll({"a-0", "a-1"});
  Submit(Config(2));
  ASSERT_TRUE(RunToStep(10));
  const std::string id = LastRun()["run_id"];
  const auto stopping = Ask(StopRun{});
  ASSERT_OK(stopping);
  EXPECT_EQ(stopping->run_id, id);
  ASSERT_TRUE(RunUntil([&] { return StateOfRun() == "done"; }));
  const json run = LastRun();
  EXPECT_EQ(run["run_id"], id);
  EXPECT_GE(run["steps"], 10);
  EXPECT_LT(run["steps"], 1'000'000);
  EXPECT_EQ(run["steps"], run["step"]);
  EXPECT_EQ(run["replicas_equal"], true);
  EXPECT_EQ(CodeOf(StopRun{.run_id = id}), "RUN_NOT_FOUND");
  // The cluster stays, for another run.
  EXPECT_FALSE(head_quit_.has_value());
  Submit(Config(2));
  ASSERT_TRUE(RunToStep(3));
  EXPECT_EQ(Runs().size(), 2u);
}

TEST_F(HeadCluster, AQueuedRunThatIsStoppedIsAbortedAndTheClusterStays) {
  Submit(Config(2));
  EXPECT_EQ(StateOfRun(), "queued");
  EXPECT_EQ(LastRun()["waits_for"], "workers: 0 of 2");
  EXPECT_EQ(CodeOf(StopRun{.run_id = "another"}), "RUN_NOT_FOUND");
  ASSERT_OK(Ask(StopRun{.run_id = LastRun()["run_id"]}));
  EXPECT_EQ(StateOfRun(), "aborted");
  EXPECT_EQ(LastRun()["code"], "STOPPED");
  EXPECT_EQ(LastRun()["exit"], 1);
  EXPECT_EQ(CodeOf(StopRun{}), "RUN_NOT_FOUND");
  EXPECT_FALSE(head_quit_.has_value());
}

TEST_F(HeadCluster, ARunThatIsStoppedWhileItLoadsEndsInOrder) {
  shortest_task_ = longest_task_ = seconds(1);
  JoinAll({"a-0", "a-1"});
  Submit(Config(2));
  EXPECT_THAT(States(), testing::Each("JOINING"));
  EXPECT_EQ(Node("a-0")["reason"], "loads model and data");
  ASSERT_OK(Ask(StopRun{}));
  ASSERT_TRUE(RunUntil([&] { return StateOfRun() == "done"; }));
  EXPECT_LT(LastRun()["steps"], 3);
  EXPECT_FALSE(head_quit_.has_value());
  Submit(Config(2));
  EXPECT_TRUE(RunToStep(3));
}

TEST_F(HeadCluster, ARunThatLacksWorkersIsPausedAndCanStillBeStopped) {
  JoinAll({"a-0", "a-1"});
  RunConfig config = Config(2);
  config.run.min_workers = 2;
  Submit(config);
  ASSERT_TRUE(RunToStep(5));
  EXPECT_EQ(StateOfRun(), "running");
  Kill(*workers_[1]);
  ASSERT_TRUE(RunUntil([&] { return StateOfRun() == "paused"; }));
  ASSERT_TRUE(RunUntil([&] { return LastRun()["waits_for"] == "workers: 1 of at least 2"; }));
  EXPECT_EQ(Status()["runs"].back()["state"], "paused");
  // Another one comes: it goes on.
  Join("b-0");
  ASSERT_TRUE(RunUntil([&] { return StateOfRun() == "running"; }));
  EXPECT_TRUE(RunToStep(static_cast<std::uint64_t>(LastRun()["step"]) + 5));
  Kill(*workers_[2]);
  ASSERT_TRUE(RunUntil([&] { return StateOfRun() == "paused"; }));
  ASSERT_OK(Ask(StopRun{}));
  ASSERT_TRUE(RunUntil([&] { return StateOfRun() == "done"; }));
  EXPECT_EQ(LastRun()["workers_final"], 1);
  EXPECT_FALSE(head_quit_.has_value());
}

TEST_F(HeadCluster, ARunThatFailsLeavesTheClusterToAnother) {
  JoinAll({"a-0", "a-1"});
  RunConfig config = Config(2);
  config.run.min_workers = 2;
  config.run.wait = 1;
  Submit(config);
  ASSERT_TRUE(RunToStep(5));
  Kill(*workers_[1]);
  ASSERT_TRUE(RunUntil([&] { return StateOfRun() == "failed"; }));
  EXPECT_EQ(LastRun()["code"], "NOT_ENOUGH_WORKERS");
  EXPECT_FALSE(head_quit_.has_value());
  EXPECT_FALSE(workers_[0]->quit.has_value());
  Join("b-0");
  Submit(Config(2));
  EXPECT_TRUE(RunToStep(5));
}

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

// run.workers is how many a run waits for; whoever is there beyond takes part as one that comes
// later.
TEST_F(HeadCluster, WhoeverIsThereTakesPart) {
  JoinAll({"a-0", "a-1", "a-2"});
  Submit(Config(2));
  ASSERT_TRUE(RunToStep(3));
  EXPECT_EQ(LastRun()["workers"], 3);
}

TEST_F(HeadCluster, FilesOfARunComeInParts) {
  JoinAll({"a-0"});
  Submit(Config(1));
  ASSERT_TRUE(RunToStep(3));
  const std::string id = LastRun()["run_id"];
  const auto config = Ask(FetchPart{.run_id = id, .file = RunFile::kConfig});
  ASSERT_OK(config);
  EXPECT_EQ(config->size, config->data.size());
  EXPECT_EQ(CodeOf(FetchPart{.run_id = id, .file = RunFile::kModel}), "FILE_NOT_FOUND");
  EXPECT_EQ(CodeOf(FetchPart{.run_id = "../x", .file = RunFile::kModel}), "RUN_NOT_FOUND");
  EXPECT_EQ(CodeOf(FetchPart{}), "RUN_NOT_FOUND");
  ASSERT_OK(Ask(StopRun{}));
  ASSERT_TRUE(RunUntil([&] { return StateOfRun() == "done"; }));
  const auto model = Ask(FetchPart{.run_id = id, .file = RunFile::kModel, .offset = 100});
  ASSERT_OK(model);
  EXPECT_EQ(model->size, 800u);
  EXPECT_EQ(model->data.size(), 700u);
  const auto end = Ask(FetchPart{.run_id = id, .file = RunFile::kModel, .offset = ~0ull});
  ASSERT_OK(end);
  EXPECT_TRUE(end->data.empty());
}

}  // namespace
}  // namespace actors
