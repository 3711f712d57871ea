// The runs of a head, as the verbs see them: run, stop, runs, show.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/error.h"
#include "tests/actors/head_cluster.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

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
