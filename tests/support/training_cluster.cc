#include "tests/support/training_cluster.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <utility>

#include "actors/run_options.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace tests {
namespace {

using actors::QuadraticTrainer;
using actors::RunConfig;
using runtime::Duration;
using runtime::NodeId;

constexpr char kMonitorName[] = "monitor";

// Where model.pt passes through; one folder a process, for the simulation has one thread.
const std::string& Folder() {
  static const auto* const folder = new std::string([] {
    std::string path = (std::filesystem::temp_directory_path() / "rondo-sim-XXXXXX").string();
    REQUIRE(mkdtemp(path.data()) != nullptr);
    return path;
  }());
  return *folder;
}

// The quadratic trainer, which may be told to diverge or to go the other way, and which does not
// wait for a disk.
class SimTrainer final : public actors::Trainer {
 public:
  // Counted and noted where its process outlives it.
  struct Book {
    std::vector<double>& learning_rates;    // Of its steps.
    std::vector<std::uint64_t>& run_steps;  // By the run's count, of its steps.
    std::vector<std::uint64_t>& tested_at;  // The same of its tests.
    std::vector<actors::Placement>& placements;
  };
  SimTrainer(const RunConfig& config, std::optional<TrainingClusterOptions::Poison> poison,
             bool contrary, const actors::DataSummary& data, Book book)
      : trainer_(actors::TrainingOptionsOf(config)),
        poison_(poison),
        contrary_(contrary),
        data_(data),
        book_(book) {}

  const actors::Layout& layout() const override { return trainer_.layout(); }
  absl::Span<float> local() override { return trainer_.local(); }
  absl::Status Place(const actors::Placement& placement) override {
    book_.placements.push_back(placement);
    return trainer_.Place(placement);
  }
  void AtRunStep(std::uint64_t step) override { run_step_ = step; }
  absl::StatusOr<actors::StepOutcome> Step(std::uint64_t step, double learning_rate) override {
    const absl::Span<float> local = trainer_.local();
    const std::vector<float> before(local.begin(), local.end());
    absl::StatusOr<actors::StepOutcome> outcome = trainer_.Step(step, learning_rate);
    book_.learning_rates.push_back(learning_rate);
    book_.run_steps.push_back(run_step_);
    if (outcome.ok()) outcome->predictions = kSimPredictions;
    for (std::size_t i = 0; contrary_ && i < before.size(); ++i)
      local[i] = 2 * before[i] - local[i];
    if (!poison_.has_value() || step < poison_->step) return outcome;
    if (poison_->is_noticed) return absl::DataLossError("the loss is not finite");
    trainer_.local()[0] = std::numeric_limits<float>::quiet_NaN();
    return outcome;
  }
  absl::StatusOr<actors::EvaluationCounts> Evaluate(absl::Span<const float> model,
                                                    std::uint32_t part,
                                                    std::uint32_t parts) override {
    book_.tested_at.push_back(run_step_);
    return trainer_.Evaluate(model, part, parts);
  }
  actors::FlatOptimizer& optimizer() override { return trainer_.optimizer(); }
  absl::Status Save(absl::Span<const float> model, const std::string& path) override {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(model.data()),
               static_cast<std::streamsize>(model.size() * sizeof(float)));
    return file.good() ? absl::OkStatus() : absl::UnavailableError("cannot write " + path);
  }
  actors::DataSummary Data() const override { return data_; }

 private:
  QuadraticTrainer trainer_;
  const std::optional<TrainingClusterOptions::Poison> poison_;
  const bool contrary_;
  const actors::DataSummary data_;
  const Book book_;
  std::uint64_t run_step_ = 0;
};

}  // namespace

std::vector<std::uint64_t> RunRecord::SynchronizedSteps() const {
  std::vector<std::uint64_t> steps;
  for (const actors::Synchronized& event : synchronizations) steps.push_back(event.step);
  return steps;
}

TrainingCluster::TrainingCluster(TrainingClusterOptions options)
    : options_(std::move(options)),
      cluster_(options_.seed, options_.network),
      ring_network_(MakeRingWorld(), cluster_.scheduler().clock()),
      transfer_network_(MakeWorld(options_.longest_transfer), cluster_.scheduler().clock()) {
  REQUIRE(journal_.Append(actors::EpochRecord{.epoch = 1}).ok());
  REQUIRE(journal_.Append(actors::RunRecord{.run = options_.seed + 1}).ok());
  AddHead();
  for (std::uint32_t slot = 0; slot < options_.config.run.workers; ++slot) AddWorker(slot);
  cluster_.Start();
  const bool joined = cluster_.RunUntil(
      [&] {
        return std::ranges::all_of(workers_, [](const auto& process) {
          return process->node->IsJoined() && process->worker != nullptr;
        });
      },
      std::chrono::seconds(10));
  REQUIRE(joined);
  for (std::uint32_t slot = 0; slot < workers(); ++slot) workers_[slot]->announced = true;
  began_ = cluster_.Now();
  StartMonitor();
}

TrainingCluster::~TrainingCluster() {
  for (std::uint32_t slot = 0; slot < workers(); ++slot) {
    if (IsAlive(slot)) Kill(slot);
  }
  if (head_ != nullptr) cluster_.Kill(*head_);
}

void TrainingCluster::AddHead() {
  head_ = &cluster_.AddHead([this](runtime::NodeOptions& options) {
    options.witness_role = actors::kWorkerRole;
    options.epoch = journal_.state().epoch;
  });
  head_transfer_ = std::make_unique<runtime::sim::SimTransfer>(head_->id(), transfer_network_);
  disk_ = std::make_unique<runtime::sim::SimExecutor>(cluster_.scheduler(), options_.shortest_task,
                                                      options_.longest_task);
}

// --------------------------------------------------------------------------------- its faults ----

void TrainingCluster::KillHead() {
  REQUIRE(options_.heads_return && head_ != nullptr);
  // What it told nobody it did not say.
  if (std::exchange(head_is_dying_, false)) record_.summary.reset();
  monitor_ = nullptr;
  cluster_.Kill(*std::exchange(head_, nullptr));
  head_transfer_.reset();
  disk_.reset();
}

void TrainingCluster::StartHead() {
  REQUIRE(head_ == nullptr);
  REQUIRE(journal_.Append(actors::EpochRecord{.epoch = journal_.state().epoch + 1}).ok());
  AddHead();
  for (const auto& process : workers_) process->announced = false;
  cluster_.Start();
  StartMonitor();
}

void TrainingCluster::CutHead(std::uint32_t index) {
  cluster_.network().Cut(workers_[index]->node->id(), head_->id());
}

void TrainingCluster::HealHead() {
  for (const auto& process : workers_) {
    if (process->node != nullptr) cluster_.network().Heal(process->node->id(), head_->id());
  }
}

void TrainingCluster::CrashHeadAtNextCommit(Crash when) {
  const auto is_commit = [](const actors::JournalRecord& record) {
    return std::holds_alternative<actors::CommitRecord>(record);
  };
  if (when == Crash::kAfterRecord) {
    journal_.after = [this, is_commit](const actors::JournalRecord& record) {
      if (is_commit(record) && head_ != nullptr) DropWhatADyingHeadSays();
    };
    return;
  }
  journal_.refuse = [this, is_commit](const actors::JournalRecord& record) {
    if (!is_commit(record) || head_ == nullptr) return absl::OkStatus();
    DropWhatADyingHeadSays();
    return absl::DataLossError("the head dies here");
  };
}

void TrainingCluster::DropWhatADyingHeadSays() {
  head_is_dying_ = true;
  journal_.after = nullptr;
  journal_.refuse = nullptr;
  cluster_.network().SetFate([dying = head_->id()](const runtime::sim::Departure& departure) {
    return runtime::sim::Fate{.copies = departure.from == dying ? 0 : 1};
  });
}

// ---------------------------------------------------------------------------------- its parts ----

runtime::sim::SimRingNetwork::World TrainingCluster::MakeWorld(Duration longest_transit) {
  runtime::sim::Scheduler& scheduler = cluster_.scheduler();
  const auto longest = static_cast<std::uint64_t>(longest_transit.count());
  return {
      .schedule = [&scheduler](Duration delay,
                               auto action) { scheduler.Schedule(delay, std::move(action)); },
      .transit = [&scheduler, longest](NodeId, NodeId, std::size_t) -> std::optional<Duration> {
        const std::uint64_t bound =
            scheduler.random().Below(50) == 0 ? 10 * longest : std::uint64_t{longest};
        return Duration(static_cast<Duration::rep>(scheduler.random().Below(bound + 1)));
      },
  };
}

runtime::sim::SimRingNetwork::World TrainingCluster::MakeRingWorld() {
  runtime::sim::SimRingNetwork::World world = MakeWorld(options_.longest_transit);
  world.tamper = [this](NodeId from, NodeId to, std::span<float> floats) {
    if (!options_.tamper) return;
    const auto slot_of = [&](NodeId node) {
      return static_cast<std::uint32_t>(
          std::ranges::find(record_.members, node, &actors::Member::node) -
          record_.members.begin());
    };
    options_.tamper(slot_of(from), slot_of(to), floats);
  };
  return world;
}

void TrainingCluster::AddWorker(std::uint32_t slot) {
  workers_.push_back(std::make_unique<Process>());
  Process& process = *workers_.back();
  process.node = &cluster_.AddNode(
      absl::StrCat("worker-", slot),
      [this](runtime::NodeOptions& options) { options.rejoin = options_.heads_return; });
  const std::optional<TrainingClusterOptions::Poison> poison =
      options_.poison.has_value() && options_.poison->slot == slot ? options_.poison : std::nullopt;
  const bool misfit = options_.misfit == slot;
  const bool contrary = options_.contrary == slot;
  process.make_trainer =
      [poison, misfit, contrary, slot, &process, tell = options_.data](
          const RunConfig& config) -> absl::StatusOr<std::unique_ptr<actors::Trainer>> {
    RunConfig own = config;
    own.model.name = actors::ModelName::kQuadratic;
    own.model.dimension += misfit ? 1 : 0;
    actors::DataSummary data = QuadraticTrainer(actors::TrainingOptionsOf(own)).Data();
    if (tell) RETURN_IF_ERROR(tell(slot, data));
    return std::make_unique<SimTrainer>(own, poison, contrary, data,
                                        SimTrainer::Book{process.learning_rates, process.run_steps,
                                                         process.tested_at, process.placements});
  };
  process.training = std::make_unique<runtime::sim::SimExecutor>(
      cluster_.scheduler(), options_.shortest_task, options_.longest_task);
  process.training->Stall(options_.stalls_one_in, options_.stall);
  process.ring = std::make_unique<runtime::sim::SimRing>(process.node->id(), ring_network_);
  process.transfer =
      std::make_unique<runtime::sim::SimTransfer>(process.node->id(), transfer_network_);
  const absl::Status spawned = process.node->Spawn(actors::kWorkerName, [this, &process] {
    auto worker = std::make_unique<actors::Worker>(
        actors::WorkerParts{.ring = *process.ring,
                            .transfer = *process.transfer,
                            .training = *process.training,
                            .make_trainer = process.make_trainer,
                            .clock = cluster_.scheduler().clock(),
                            .sent = [] { return runtime::Ledger{}; },
                            .dropped = [] { return runtime::Drops{}; },
                            .folder = Folder(),
                            .quit = [&process](const absl::Status& why) { process.quit = why; },
                            .head_may_return = options_.heads_return});
    process.worker = worker.get();
    return worker;
  });
  REQUIRE(spawned.ok());
}

void TrainingCluster::StartMonitor() {
  std::vector<actors::Candidate> candidates;
  for (std::uint32_t slot = 0; slot < workers(); ++slot) {
    if (!workers_[slot]->announced || !IsAlive(slot)) continue;
    candidates.push_back({.node = workers_[slot]->node->id(), .slot = slot});
  }
  actors::MonitorOptions monitor_options{
      .run = options_.seed + 1,
      .head_epoch = journal_.state().epoch,
      .config = options_.config,
      .folder = Folder(),
      .sent = [] { return runtime::Ledger{}; },
      .journal = &journal_,
      .transfer = options_.heads_return ? head_transfer_.get() : nullptr,
      .disk = disk_.get(),
      .resumed = journal_.state().runs.back().position};
  const absl::Status spawned =
      head_->Spawn(kMonitorName, [this, monitor_options, candidates = std::move(candidates)] {
        if (monitor_ != nullptr) ADD_FAILURE() << "the monitor failed, and was started anew";
        auto monitor = std::make_unique<actors::Monitor>(monitor_options, candidates, record_);
        monitor_ = monitor.get();
        return monitor;
      });
  REQUIRE(spawned.ok());
}

bool TrainingCluster::RunToEnd(Duration limit) {
  const bool ended = RunUntil([&] { return record_.summary.has_value(); }, limit);
  if (!ended) return false;
  if (!ended_.has_value()) ended_ = cluster_.Now();
  return true;
}

void TrainingCluster::Kill(std::uint32_t slot) {
  Process& process = *workers_[slot];
  REQUIRE(process.node != nullptr);
  process.worker = nullptr;
  cluster_.Kill(*std::exchange(process.node, nullptr));
  process.ring.reset();
  process.transfer.reset();
  process.training.reset();
}

std::uint32_t TrainingCluster::Join() {
  AddWorker(workers());
  cluster_.Start();
  return workers() - 1;
}

void TrainingCluster::Leave(std::uint32_t index) { workers_[index]->worker->RequestLeave(); }

void TrainingCluster::AnnounceNewcomers() {
  if (monitor_ == nullptr) return;
  const std::vector<runtime::NodeState> there = head_->Nodes();
  for (const auto& process : workers_) {
    if (process->announced || process->node == nullptr) continue;
    const bool is_there = std::ranges::any_of(
        there, [&](const runtime::NodeState& node) { return node.info.id == process->node->id(); });
    if (!is_there) continue;
    process->announced = true;
    monitor_->AddCandidate({.node = process->node->id()});
  }
}

const actors::Replica* TrainingCluster::replica(std::uint32_t slot) const {
  const Process& process = *workers_[slot];
  return process.worker == nullptr ? nullptr : process.worker->replica();
}

std::vector<float> TrainingCluster::base(std::uint32_t slot) const {
  const std::span<const float> values = replica(slot)->base();
  return {values.begin(), values.end()};
}

std::vector<float> TrainingCluster::local(std::uint32_t slot) const {
  const std::span<const float> values = replica(slot)->local();
  return {values.begin(), values.end()};
}

double TrainingCluster::Seconds() const {
  REQUIRE(ended_.has_value());
  return runtime::ToSeconds(*ended_ - began_);
}

}  // namespace tests
