// `rondo head`, `rondo join` and `rondo run --head`.
#include "tests/support/cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/support/processes.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::ContainsRegex;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ClusterRun, TrainsTwiceOnTheSameMachines) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  const std::string config = WriteQuadratic(sandbox);
  std::string model;
  for (int i = 0; i < 2; ++i) {
    const auto run = sandbox.Run(RunCommand(config, {}, {"--head", cluster.address(), "--json"}));
    ASSERT_EQ(run->WaitExit(), 0) << run->Describe() << cluster.head().Describe();
    const json data = run->Json()["data"];
    EXPECT_EQ(data["replicas_equal"], true);
    EXPECT_EQ(data["steps"], 100);
    // The same seed on the same machines: the same bits.
    if (i == 1) {
      EXPECT_EQ(data["model_hash"], model);
    }
    model = data["model_hash"];
    EXPECT_EQ(FloatsOf(data["model_path"].get<std::string>()).size(), 1000U);
  }
  const json status = cluster.Status();
  EXPECT_EQ(status["runs"].size(), 2U) << status.dump();
  for (const json& run : status["runs"]) EXPECT_EQ(run["state"], "done");
  sandbox.NoteSockets();
  cluster.Stop();
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

TEST(ClusterRun, ShowsItsNodesByName) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 1, 2);
  std::vector<std::string> names;
  const json status = cluster.Status();
  for (const json& node : status["nodes"]) {
    if (node["role"] == "worker") names.push_back(node["name"]);
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("machine0-0", "machine0-1"));
  cluster.Stop();
}

TEST(ClusterRun, ShowsWhomTheHeadCannotConnectTo) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 1);
  // It listens on 127.0.0.1, and nobody does where it sends the others to.
  cluster.JoinWith({"--advertise", "127.0.0.2"});
  json reachable;
  const bool tried = Eventually([&] {
    reachable = json::object();
    const json status = cluster.Status();
    for (const json& node : status.value("nodes", json::array())) {
      if (node["reachable"].is_boolean() && node["state"] == "UP") {
        reachable[node["name"].get<std::string>()] = node;
      }
    }
    return reachable.size() == 2;
  });
  ASSERT_TRUE(tried) << cluster.Status().dump();
  EXPECT_EQ(reachable["machine0-0"]["reachable"], true);
  EXPECT_EQ(reachable["machine1-0"]["reachable"], false);
  EXPECT_THAT(reachable["machine1-0"]["reason"].get<std::string>(),
              ContainsRegex("ring: tcp://127.0.0.2:[0-9]+ refuses connections; transfer: "));
  const auto text = sandbox.Run({"rondo", "status", "--head", cluster.address()});
  ASSERT_EQ(text->WaitExit(), 0) << text->Describe();
  EXPECT_THAT(text->out(), ContainsRegex("machine0-0 .* yes .*\n"));
  EXPECT_THAT(text->out(), ContainsRegex("machine1-0 .* no .*\n"));
  cluster.Stop();
}

// As behind a router: it connects out, and where it says that it listens nobody does.
TEST(ClusterRun, TrainsWithWorkersToWhichNobodyCanConnect) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 0);
  cluster.JoinWith({"--advertise", "127.0.0.2"});
  cluster.JoinWith({"--advertise", "127.0.0.2"});
  cluster.Join(2);
  const auto run =
      sandbox.Run(RunCommand(WriteQuadratic(sandbox),
                             {"run.workers=4", "network.transport=tcp", "strategy.name=local",
                              "strategy.tau=5", "run.checkpoint_every=1"},
                             {"--head", cluster.address(), "--json"}));
  ASSERT_EQ(run->WaitExit(), 0) << run->Describe() << cluster.head().Describe();
  const json data = run->Json()["data"];
  EXPECT_EQ(data["replicas_equal"], true);
  EXPECT_EQ(data["steps"], 100);
  EXPECT_EQ(data["workers_final"], 4);
  EXPECT_EQ(data["events"]["aborts"], 0);
  EXPECT_EQ(data["dropped"]["checksum"], 0);
  cluster.Stop();
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

TEST(ClusterRun, WhoseWorkersFormNoRingHoldsWithTheReasonUntilAnotherJoins) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 0);
  cluster.JoinWith({"--advertise", "127.0.0.2"});
  cluster.JoinWith({"--advertise", "127.0.0.2"});
  const auto run =
      sandbox.Start(RunCommand(WriteQuadratic(sandbox), {"run.workers=2", "network.transport=tcp"},
                               {"--head", cluster.address(), "--json"}));
  std::string waits_for;
  EXPECT_TRUE(Eventually([&] {
    const json status = cluster.Status();
    if (status.value("runs", json::array()).empty()) return false;
    waits_for = status["runs"][0].value("waits_for", "");
    return status["runs"][0]["state"] == "paused" &&
           waits_for.find("nobody can connect to slot 0") != std::string::npos;
  })) << waits_for;
  EXPECT_THAT(waits_for, HasSubstr("slot 1"));
  cluster.Join(2);
  ASSERT_EQ(run->WaitExit(), 0) << run->Describe() << cluster.head().Describe();
  EXPECT_EQ(run->Json()["data"]["replicas_equal"], true);
  cluster.Stop();
}

TEST(ClusterRun, GoesOnWhenItsFollowerDetaches) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  const auto run = cluster.StartEndless(WriteQuadratic(sandbox), 2);
  run->Signal(SIGINT);
  EXPECT_EQ(run->WaitExit(), 130) << run->Describe();
  const std::string folder = OnlyRunFolder(cluster.runs());
  const std::uint64_t steps = StepsOf(folder);
  EXPECT_TRUE(Eventually([&] { return StepsOf(folder) > steps + 10; }))
      << cluster.head().Describe();
  EXPECT_EQ(cluster.Status()["runs"][0]["state"], "running");
  sandbox.NoteSockets();
  cluster.Stop(3);
  // The run ended without a result, so a worker kept the last committed model.
  EXPECT_THAT(sandbox.Leftovers(), Each(HasSubstr("tmp/rondo-join-")));
}

TEST(ClusterRun, ForWhichTooFewWorkersComeEndsWithExit5) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 1);
  const auto run = sandbox.Run(RunCommand(WriteQuadratic(sandbox), {"run.wait=0.3"},
                                          {"--head", cluster.address(), "--json"}));
  EXPECT_EQ(run->WaitExit(), 5) << run->Describe();
  const json error = run->Json();
  EXPECT_EQ(error.value("code", ""), "NOT_ENOUGH_WORKERS");
  EXPECT_THAT(error.value("message", ""), HasSubstr("1 of 2 workers came within 0.3 s"));
}

TEST(ClusterRun, EndsWithTheClusterThatIsTakenDownAndMachinesLeaveInOrder) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  const auto run = cluster.StartEndless(WriteQuadratic(sandbox), 2);
  sandbox.NoteSockets();
  const auto down = sandbox.Run({"rondo", "down", "--head", cluster.address(), "--json"});
  EXPECT_EQ(down->WaitExit(), 0) << down->Describe();
  EXPECT_EQ(down->Json()["data"]["runs"][0]["state"], "running") << down->Describe();
  EXPECT_EQ(cluster.head().WaitExit(), 0) << cluster.head().Describe();
  EXPECT_EQ(run->WaitExit(), 1) << run->Describe();
  EXPECT_EQ(run->Json().value("code", ""), "CLUSTER_DOWN") << run->Describe();
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(cluster.join(i).WaitExit(), 0) << cluster.join(i).Describe();
  }
  EXPECT_THAT(sandbox.Leftovers(), Each(HasSubstr("tmp/rondo-join-")));
}

}  // namespace
}  // namespace tests
