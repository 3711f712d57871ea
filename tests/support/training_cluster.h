// A whole training run on a simulated cluster: one monitor, K workers, one thread, one seed.
//
//   TrainingCluster cluster({.seed = seed, .config = config});
//   ASSERT_TRUE(cluster.RunToEnd());
//   EXPECT_OK(cluster.record().summary->status);
//   EXPECT_EQ(cluster.replica(0)->root(), cluster.replica(1)->root());
//
// `seed` decides every delay, loss and transit time; the model and the batches follow from
// config.run.seed alone. What is below the actors is simulated: network, ring, executor, clock.
#ifndef RONDO_TESTS_SUPPORT_TRAINING_CLUSTER_H_
#define RONDO_TESTS_SUPPORT_TRAINING_CLUSTER_H_

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/monitor.h"
#include "actors/run_config.h"
#include "actors/training/quadratic_trainer.h"
#include "actors/worker.h"
#include "runtime/sim/sim_executor.h"
#include "runtime/sim/sim_ring.h"
#include "runtime/sim/sim_transfer.h"
#include "tests/support/memory_journal.h"
#include "tests/support/sim_cluster.h"

namespace tests {

// What every step of a simulated worker finds out before it trains.
inline constexpr actors::PredictionCounts kSimPredictions{.correct = 1, .all = 4};

struct TrainingClusterOptions {
  std::uint64_t seed = 0;
  actors::RunConfig config;  // `workers` of it are started; what they train is the quadratic one.
  runtime::sim::SimNetwork::Options network;
  runtime::Duration longest_transfer = std::chrono::milliseconds(20);  // Of a message of it.
  // What a step, a commit or an evaluation takes.
  runtime::Duration shortest_task = std::chrono::microseconds(100);
  runtime::Duration longest_task = std::chrono::milliseconds(20);
  // One task of a worker in so many takes so much longer; 0: none does.
  std::uint64_t stalls_one_in = 0;
  runtime::Duration stall = std::chrono::seconds(3);
  // Transit of a message of the ring; one in fifty takes ten times the longest.
  runtime::Duration longest_transit = std::chrono::milliseconds(2);
  // The model of worker `slot` is not a number from this step on, and on no other worker.
  struct Poison {
    std::uint32_t slot = 0;
    std::uint64_t step = 0;
    bool is_noticed = false;  // By the trainer: the step fails. Else its model just is NaN.
  };
  std::optional<Poison> poison;
  // The steps of this worker go the other way.
  std::optional<std::uint32_t> contrary;
  // This worker, counted as Join counts, builds a model of one float more.
  std::optional<std::uint32_t> misfit;
  // What worker `index` is to say of its data; a failure: it cannot load them. By itself it says
  // what the quadratic trainer does, whatever model the config names.
  std::function<absl::Status(std::uint32_t index, actors::DataSummary&)> data;
  // Workers wait for a head that is gone (KillHead), and train on meanwhile.
  bool heads_return = false;
  // Sees, and may change, the floats of each chunk of the ring; by slot.
  std::function<void(std::uint32_t from, std::uint32_t to, std::span<float>)> tamper;
};

// What the head heard of the run.
struct RunRecord final : actors::RunListener {
  void OnViewOpened(std::uint64_t run, const std::vector<actors::Member>& view) override {
    members = view;
    ++views;
  }
  void OnMemberLost(std::uint64_t run, runtime::NodeId, std::uint32_t slot,
                    const absl::Status& why) override {
    lost.push_back(slot);
  }
  void OnMemberLeft(std::uint64_t run, runtime::NodeId node, std::uint32_t slot) override {
    left.push_back(slot);
    left_nodes.push_back(node);
  }
  void OnRefused(std::uint64_t run, runtime::NodeId node, const absl::Status& why) override {
    refused.push_back(why);
    let_go.push_back(node);
  }
  void OnAborted(std::uint64_t run, const actors::Aborted& event,
                 const actors::FlightRecord& flight) override {
    aborts.push_back(event);
    flights.push_back(flight);
  }
  void OnRolledBack(std::uint64_t run, std::uint64_t from, std::uint64_t to,
                    std::uint64_t step) override {
    rollbacks.emplace_back(from, to);
  }
  void OnNote(std::uint64_t run, const std::string& message) override { notes.push_back(message); }
  void OnProgress(std::uint64_t run, const actors::Progress& progress) override {}
  void OnSynchronized(std::uint64_t run, const actors::Synchronized& event) override {
    synchronizations.push_back(event);
  }
  void OnTested(std::uint64_t run, const actors::Tested& event) override { tests.push_back(event); }
  void OnRunEnded(std::uint64_t run, const actors::RunSummary& end) override { summary = end; }

  std::vector<std::uint64_t> SynchronizedSteps() const;

  std::vector<actors::Member> members;  // Empty until the view is opened.
  int views = 0;
  std::vector<std::uint32_t> lost, left;  // Slots.
  std::vector<runtime::NodeId> left_nodes;
  std::vector<absl::Status> refused;
  std::vector<runtime::NodeId> let_go;  // Those refused: a head evicts them.
  std::vector<std::string> notes;
  std::vector<actors::Aborted> aborts;
  std::vector<actors::FlightRecord> flights;                       // One with each of them.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> rollbacks;  // From and to.
  std::vector<actors::Synchronized> synchronizations;
  std::vector<actors::Tested> tests;
  std::optional<actors::RunSummary> summary;
};

class TrainingCluster {
 public:
  // Joins the workers and starts the monitor; the run has not begun.
  explicit TrainingCluster(TrainingClusterOptions options);
  ~TrainingCluster();

  // Lets time pass until the run has ended and everybody has heard of it; false if that takes more
  // than `limit` of virtual time.
  bool RunToEnd(runtime::Duration limit = std::chrono::seconds(60));
  // Until `done`, asked after every event.
  bool RunUntil(absl::FunctionRef<bool()> done, runtime::Duration limit) {
    return cluster_.RunUntil(
        [&] {
          if (head_is_dying_) KillHead();
          AnnounceNewcomers();
          return done();
        },
        limit);
  }
  // As by SIGKILL, of the whole process.
  void Kill(std::uint32_t index);
  // The head's process as by SIGKILL; the run is taken up from its journal by the next one. Needs
  // heads_return.
  void KillHead();
  void StartHead();
  bool HeadIsAlive() const { return head_ != nullptr; }
  // No frame passes between the head and this worker, or all of them, until HealHead.
  void CutHead(std::uint32_t index);
  void HealHead();
  // The next commit is the last that this head puts on the disk, or is about to; it says no more.
  enum class Crash { kBeforeRecord, kAfterRecord };
  void CrashHeadAtNextCommit(Crash when);
  // One more worker process, which joins and becomes a candidate of the run; returns its index.
  std::uint32_t Join();
  // As by `rondo leave`: its process would end when `quit` has a value.
  void Leave(std::uint32_t index);

  const RunRecord& record() const { return record_; }
  const MemoryJournal& journal() const { return journal_; }
  MemoryJournal& journal() { return journal_; }
  actors::Monitor& monitor() { return *monitor_; }
  std::uint32_t workers() const { return static_cast<std::uint32_t>(workers_.size()); }
  bool IsAlive(std::uint32_t slot) const { return workers_[slot]->node != nullptr; }
  runtime::NodeId node(std::uint32_t index) const { return workers_[index]->node->id(); }
  // The monitor was told of it.
  bool IsCandidate(std::uint32_t index) const { return workers_[index]->announced; }
  // Its process would have ended: it has left, was evicted, or waited too long for its head.
  bool HasEnded(std::uint32_t index) const {
    return workers_[index]->quit.has_value() || workers_[index]->node->Ended().has_value();
  }
  // Null: no model yet, or killed.
  const actors::Replica* replica(std::uint32_t slot) const;
  // Why the process of this worker would have ended; nothing while it would not.
  const std::optional<absl::Status>& quit(std::uint32_t slot) const { return workers_[slot]->quit; }
  // Optimizer steps that this worker took, killed or not.
  std::uint64_t steps(std::uint32_t index) const { return learning_rates(index).size(); }
  // At which it took them.
  const std::vector<double>& learning_rates(std::uint32_t index) const {
    return workers_[index]->learning_rates;
  }
  // Of these steps, and of its tests, the run's step that its trainer was told of.
  const std::vector<std::uint64_t>& run_steps(std::uint32_t index) const {
    return workers_[index]->run_steps;
  }
  const std::vector<std::uint64_t>& tested_at(std::uint32_t index) const {
    return workers_[index]->tested_at;
  }
  // Shards that it was given, killed or not, from its first view on.
  const std::vector<actors::Placement>& placements(std::uint32_t index) const {
    return workers_[index]->placements;
  }
  std::vector<float> base(std::uint32_t slot) const;
  std::vector<float> local(std::uint32_t slot) const;

  SimCluster& cluster() { return cluster_; }
  std::uint64_t trace_hash() { return cluster_.scheduler().trace_hash(); }
  // Virtual time from the start of the monitor to the end of the run.
  double Seconds() const;

 private:
  // One process, from the inside out: what is below outlives what is above.
  struct Process {
    actors::TrainerFactory make_trainer;
    std::unique_ptr<runtime::sim::SimExecutor> training;
    std::unique_ptr<runtime::sim::SimRing> ring;
    std::unique_ptr<runtime::sim::SimTransfer> transfer;
    runtime::Node* node = nullptr;  // The cluster's; null: killed.
    actors::Worker* worker = nullptr;
    std::optional<absl::Status> quit;
    bool announced = false;  // To the monitor.
    std::vector<double> learning_rates;
    std::vector<std::uint64_t> run_steps, tested_at;
    std::vector<actors::Placement> placements;
  };

  runtime::sim::SimRingNetwork::World MakeWorld(runtime::Duration longest_transit);
  runtime::sim::SimRingNetwork::World MakeRingWorld();
  void AddWorker(std::uint32_t slot);
  void AddHead();
  void StartMonitor();
  void DropWhatADyingHeadSays();
  // What the head does: newcomers that have joined become candidates.
  void AnnounceNewcomers();

  TrainingClusterOptions options_;
  SimCluster cluster_;
  runtime::sim::SimRingNetwork ring_network_;
  runtime::sim::SimTransferNetwork transfer_network_;
  RunRecord record_;
  MemoryJournal journal_;
  std::vector<std::unique_ptr<Process>> workers_;
  runtime::Node* head_ = nullptr;  // Null: killed.
  std::unique_ptr<runtime::sim::SimTransfer> head_transfer_;
  std::unique_ptr<runtime::sim::SimExecutor> disk_;
  bool head_is_dying_ = false;
  actors::Monitor* monitor_ = nullptr;
  runtime::Time began_{};
  std::optional<runtime::Time> ended_;
};

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_TRAINING_CLUSTER_H_
