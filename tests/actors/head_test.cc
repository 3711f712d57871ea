// The head and its workers on a simulated network, as the verbs see them: stop, runs, show, leave,
// status.
#include "actors/head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "actors/run_options.h"
#include "actors/training/quadratic_trainer.h"
#include "actors/worker.h"
#include "runtime/base/error.h"
#include "runtime/sim/sim_executor.h"
#include "runtime/sim/sim_ring.h"
#include "runtime/sim/sim_transfer.h"
#include "tests/support/sim_cluster.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

// Through which a test asks the head.
class Asker final : public runtime::TypedActor<Asker, FollowerProtocol> {
 public:
  explicit Asker(runtime::Context** context) : context_(context) {}
  absl::Status OnStart(runtime::Context& context) override {
    *context_ = &context;
    return absl::OkStatus();
  }
  absl::Status On(runtime::Context&, const RunEventLine&) { return absl::OkStatus(); }

 private:
  runtime::Context** const context_;
};

class HeadCluster : public testing::Test {
 protected:
  HeadCluster()
      : folder_(testing::TempDir() + "rondo_head_" + std::to_string(getpid())),
        rings_(World(), cluster_.scheduler().clock()),
        transfers_(World(), cluster_.scheduler().clock()) {
    std::filesystem::create_directories(folder_);
    head_ = &cluster_.AddHead();
    EXPECT_OK(head_->Spawn(kHeadName, [this] {
      return std::make_unique<Head>(
          HeadOptions{.address = "here:1",
                      .runs_folder = folder_ + "/runs",
                      .sent = [] { return runtime::Ledger{}; },
                      .dropped = [] { return runtime::Drops{}; },
                      .nodes = [this] { return head_->Nodes(); },
                      .connect = [this](const auto& addresses) { return Connect(addresses); },
                      .connector = &connector_,
                      .quit = [this](const absl::Status& why) { head_quit_ = why; }});
    }));
    runtime::Node& client =
        cluster_.AddNode("client", [](runtime::NodeOptions& options) { options.role = "client"; });
    EXPECT_OK(client.Spawn("client", [this] { return std::make_unique<Asker>(&context_); }));
    cluster_.Start();
    EXPECT_TRUE(cluster_.RunUntil([&] { return client.IsJoined(); }, seconds(5)));
  }
  ~HeadCluster() override {
    // As processes end: their actors before what these work with.
    for (const auto& worker : workers_) {
      if (worker->node != nullptr) Kill(*worker);
    }
    std::filesystem::remove_all(folder_);
  }

  // Where every message of a ring or a transfer takes a millisecond.
  runtime::sim::SimRingNetwork::World World() {
    return {.schedule =
                [this](runtime::Duration delay, auto action) {
                  cluster_.scheduler().Schedule(delay, std::move(action));
                },
            .transit = [](auto, auto, std::size_t) { return milliseconds(1); }};
  }

  // What comes of connecting back to nodes that say where they listen.
  std::vector<absl::Status> Connect(const std::vector<std::string>& addresses) {
    connected_.push_back(addresses);
    std::vector<absl::Status> results;
    for (const std::string& address : addresses) {
      const bool dead = address.find("dead") != std::string::npos;
      results.push_back(dead ? absl::UnavailableError(address + " refuses") : absl::OkStatus());
    }
    return results;
  }

  struct Process {
    runtime::Node* node = nullptr;  // Null: it has ended.
    TrainerFactory make_trainer;
    std::unique_ptr<runtime::sim::SimExecutor> training;
    std::unique_ptr<runtime::sim::SimRing> ring;
    std::unique_ptr<runtime::sim::SimTransfer> transfer;
    std::optional<absl::Status> quit;
  };

  // `ring`: where it says that its ring listens, and beside it its transfer; "": it does not say.
  Process& Join(const std::string& name, const std::string& machine = "machine",
                const std::string& ring = "") {
    workers_.push_back(std::make_unique<Process>());
    Process& process = *workers_.back();
    process.node = &cluster_.AddNode(name, [&](runtime::NodeOptions& options) {
      json details{{"pid", workers_.size()}, {"host_key", machine}};
      if (!ring.empty()) details.update({{"ring", ring}, {"transfer", "alive:2"}});
      options.details = details.dump();
    });
    process.make_trainer = [](const RunConfig& config) {
      return std::make_unique<QuadraticTrainer>(TrainingOptionsOf(config));
    };
    process.training = std::make_unique<runtime::sim::SimExecutor>(cluster_.scheduler(),
                                                                   shortest_task_, longest_task_);
    process.ring = std::make_unique<runtime::sim::SimRing>(process.node->id(), rings_);
    process.transfer = std::make_unique<runtime::sim::SimTransfer>(process.node->id(), transfers_);
    process.node->RegisterKind(kWorkerKind, [this, &process] {
      return std::make_unique<Worker>(
          WorkerParts{.ring = *process.ring,
                      .transfer = *process.transfer,
                      .training = *process.training,
                      .make_trainer = process.make_trainer,
                      .clock = cluster_.scheduler().clock(),
                      .sent = [] { return runtime::Ledger{}; },
                      .dropped = [] { return runtime::Drops{}; },
                      .folder = folder_,
                      .quit = [&process](const absl::Status& why) { process.quit = why; }});
    });
    cluster_.Start();
    return process;
  }
  // Workers of these names that wait for a run; they get slots in this order.
  void JoinAll(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      Join(name);
      ASSERT_TRUE(RunUntil([&] { return Node(name)["state"] == "UP"; }));
    }
  }
  void Kill(Process& process) {
    cluster_.Kill(*std::exchange(process.node, nullptr));
    process.ring.reset();
    process.transfer.reset();
    process.training.reset();
  }
  // Lets time pass; processes end when they want to.
  bool RunUntil(absl::FunctionRef<bool()> done, runtime::Duration limit = seconds(30)) {
    const runtime::Time end = cluster_.Now() + limit;
    while (!done()) {
      if (cluster_.Now() >= end) return false;
      cluster_.RunFor(milliseconds(5));
      for (const auto& worker : workers_) {
        if (worker->node == nullptr || !worker->quit.has_value()) continue;
        cluster_.Stop(*worker->node);
        cluster_.RunFor(milliseconds(20));
        Kill(*worker);
      }
    }
    return true;
  }

  template <runtime::Question M>
  absl::StatusOr<typename M::Reply> Ask(const M& question) {
    std::optional<absl::StatusOr<typename M::Reply>> reply;
    const runtime::ActorRef<HeadProtocol> head{
        .address = {.node = runtime::kHeadNode, .actor = runtime::ActorIdOf(kHeadName)}};
    context_->Ask(head, question, seconds(5),
                  [&reply](absl::StatusOr<typename M::Reply> came) { reply = std::move(came); });
    EXPECT_TRUE(cluster_.RunUntil([&] { return reply.has_value(); }, seconds(10)));
    return *std::move(reply);
  }
  template <runtime::Question M>
  std::string CodeOf(const M& question) {
    const auto reply = Ask(question);
    return reply.ok() ? "" : runtime::ToUserError(reply.status()).code;
  }
  json Status() { return json::parse(Ask(StatusRequest{})->json); }
  json Runs() { return json::parse(Ask(RunsRequest{})->json)["runs"]; }
  json LastRun() { return Runs().back(); }
  std::string StateOfRun() { return LastRun()["state"]; }
  json Node(const std::string& name) {
    const json status = Status();
    for (const json& node : status["nodes"]) {
      if (node["name"] == name) return node;
    }
    return json::object();
  }
  // Of the workers.
  std::vector<std::string> States() {
    std::vector<std::string> states;
    const json status = Status();
    for (const json& node : status["nodes"]) {
      if (node["role"] == "worker") states.push_back(node["state"]);
    }
    return states;
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const json status = Status();
    for (const json& node : status["nodes"]) {
      if (node["role"] == "worker") names.push_back(node["name"]);
    }
    return names;
  }

  static RunConfig Config(std::uint32_t workers) {
    RunConfig config;
    config.run.workers = workers;
    config.run.min_workers = 1;
    config.run.max_steps = 1'000'000;
    config.run.evaluate_every = 0;
    config.data.source = DataSource::kNone;
    config.model.name = ModelName::kQuadratic;
    config.model.dimension = 200;
    config.optimizer.name = OptimizerName::kSgd;
    config.optimizer.learning_rate = 0.01;
    config.strategy.estimator = EstimatorKind::kLinear;
    config.strategy.theta = 0.05;
    return config;
  }
  void Submit(const RunConfig& config) { ASSERT_OK(Ask(SubmitRun{.config = ToToml(config)})); }
  bool RunToStep(std::uint64_t step) {
    return RunUntil([&] { return LastRun()["step"] >= step; });
  }

  // What loading or a step takes.
  runtime::Duration shortest_task_ = milliseconds(1), longest_task_ = milliseconds(5);
  const std::string folder_;
  tests::SimCluster cluster_{11};
  runtime::sim::SimExecutor connector_{cluster_.scheduler(), milliseconds(900), milliseconds(900)};
  std::vector<std::vector<std::string>> connected_;  // The addresses of each look.
  runtime::sim::SimRingNetwork rings_;
  runtime::sim::SimTransferNetwork transfers_;
  runtime::Node* head_ = nullptr;
  runtime::Context* context_ = nullptr;
  std::optional<absl::Status> head_quit_;
  std::vector<std::unique_ptr<Process>> workers_;
};

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
