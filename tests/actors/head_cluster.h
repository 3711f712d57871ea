// A head and its workers on a simulated network, as the verbs see them.
#ifndef RONDO_TESTS_ACTORS_HEAD_CLUSTER_H_
#define RONDO_TESTS_ACTORS_HEAD_CLUSTER_H_

#include <absl/functional/function_ref.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "actors/head.h"
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

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

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
        transfers_(TransferWorld(), cluster_.scheduler().clock()) {
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

  // The same, and notes who sends to whom.
  runtime::sim::SimTransferNetwork::World TransferWorld() {
    auto world = World();
    return {.schedule = std::move(world.schedule),
            .transit = [this](runtime::NodeId from, runtime::NodeId to, std::size_t) {
              transferred_.emplace(from, to);
              return milliseconds(1);
            }};
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

  // `ring`: where it says that its ring listens, as `transfer`; "": it does not say.
  Process& Join(const std::string& name, const std::string& machine = "machine",
                const std::string& ring = "", const std::string& transfer = "alive:2") {
    workers_.push_back(std::make_unique<Process>());
    Process& process = *workers_.back();
    process.node = &cluster_.AddNode(name, [&](runtime::NodeOptions& options) {
      json details{{"pid", workers_.size()}, {"host_key", machine}};
      if (!ring.empty()) details.update({{"ring", ring}, {"transfer", transfer}});
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
  std::set<std::pair<runtime::NodeId, runtime::NodeId>> transferred_;  // From, to.
  runtime::sim::SimTransferNetwork transfers_;
  runtime::Node* head_ = nullptr;
  runtime::Context* context_ = nullptr;
  std::optional<absl::Status> head_quit_;
  std::vector<std::unique_ptr<Process>> workers_;
};

}  // namespace actors

#endif  // RONDO_TESTS_ACTORS_HEAD_CLUSTER_H_
