#include "actors/head.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "actors/averaging/cost.h"
#include "actors/run_options.h"
#include "runtime/base/error.h"
#include "runtime/base/random.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using nlohmann::json;
using runtime::Exit;
using runtime::MakeError;

// The reason of a run that was stopped before anybody could take part in it.
constexpr char kStopped[] = "STOPPED";
constexpr char kClusterDown[] = "CLUSTER_DOWN";
// A run that is taken down has this long for its last words.
constexpr runtime::Duration kLongestDown = std::chrono::seconds(10);

// Of what a node says of itself; "" if it says no such thing.
std::string TextIn(const json& details, const char* name) {
  const auto found = details.find(name);
  return found != details.end() && found->is_string() ? found->get<std::string>() : "";
}

// NAME-0, NAME-1 and so on: what `rondo join` calls its processes.
bool IsWorkerOfMachine(const std::string& worker, const std::string& machine) {
  return worker.size() > machine.size() + 1 && worker.compare(0, machine.size(), machine) == 0 &&
         worker[machine.size()] == '-' &&
         worker.find_first_not_of("0123456789", machine.size() + 1) == std::string::npos;
}

}  // namespace

absl::Status Head::OnStart(runtime::Context& context) {
  context_ = &context;
  started_ = context.Now();
  TakeOver();
  return absl::OkStatus();
}

// --------------------------------------------------------------------------------------- nodes --

absl::Status Head::OnNodeUp(runtime::Context& context, const runtime::NodeInfo& node) {
  NodeBook& book = nodes_[node.id];
  book = {.info = node, .since = context.Now()};
  const json details = json::parse(node.details, nullptr, /*allow_exceptions=*/false);
  if (details.is_object()) {
    book.pid = details.value("pid", 0U);
    book.host_key = details.value("host_key", std::string());
    if (details.contains("slot") && details["slot"].is_number_unsigned() &&
        details["slot"].get<std::uint64_t>() < kMaxMembers) {
      book.slot_wish = details["slot"].get<std::uint32_t>();
    }
    book.ring = TextIn(details, "ring");
    book.transfer = TextIn(details, "transfer");
  }
  if (book.ring.empty() || options_.connect == nullptr) book.reach = Reach{};
  if (node.role == kWorkerRole) {
    HoldBack(book);
    StartWorkerOn(book);
  }
  ConnectBack();
  return absl::OkStatus();
}

absl::Status Head::OnNodeDown(runtime::Context& context, runtime::NodeId node,
                              const absl::Status& why) {
  const auto found = nodes_.find(node);
  if (found != nodes_.end()) {
    NoteGone(found->second);
    nodes_.erase(found);
  }
  if (run_.has_value() && run_->follower.has_value() && run_->follower->address.node == node) {
    run_->follower.reset();  // Detached: the run goes on.
  }
  return absl::OkStatus();
}

absl::Status Head::On(runtime::Context& context, const ProcessExited& exited) {
  for (const auto& [id, book] : nodes_) {
    if (book.pid != exited.pid || book.host_key != exited.host_key) continue;
    if (monitor_ != nullptr) monitor_->OnProcessExited(id, exited.description, exited.last_lines);
    return absl::OkStatus();
  }
  if (run_.has_value() && run_->state == RunState::kWaiting && !exited.comes_back) {
    EndRun(MakeError(
               "WORKER_LOST", Exit::kRunFailed,
               absl::StrCat("a worker's process ", exited.description,
                            " before it joined; the last lines of its log:\n", exited.last_lines)),
           std::nullopt);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<runtime::NodeId>> Head::FindWorkers(const std::string& name) const {
  std::vector<runtime::NodeId> named, of_machine;
  for (const auto& [id, book] : nodes_) {
    if (book.info.role != kWorkerRole) continue;
    if (book.info.name == name || id.ToString() == name || id.ShortName() == name) {
      named.push_back(id);
    } else if (IsWorkerOfMachine(book.info.name, name)) {
      of_machine.push_back(id);
    }
  }
  std::vector<runtime::NodeId>& found = named.empty() ? of_machine : named;
  if (found.empty()) {
    return MakeError("NODE_NOT_FOUND", Exit::kNotFound,
                     absl::StrCat("no worker and no machine is called ", name),
                     "see rondo status for their names and ids");
  }
  std::string ids;
  bool one_machine = true;
  for (const runtime::NodeId id : found) {
    absl::StrAppend(&ids, ids.empty() ? "" : ", ", id.ShortName());
    one_machine &= nodes_.at(id).host_key == nodes_.at(found.front()).host_key;
  }
  if (!one_machine) {
    return MakeError("NODE_AMBIGUOUS", Exit::kUsage,
                     absl::StrCat("several machines have workers called ", name),
                     absl::StrCat("name them by id: ", ids));
  }
  return std::move(found);
}

absl::Status Head::On(runtime::Context& context, const LeaveNode& leave,
                      runtime::Responder<LeavingNodes> responder) {
  const absl::StatusOr<std::vector<runtime::NodeId>> found = FindWorkers(leave.node);
  if (!found.ok()) {
    responder.Answer(found.status());
    return absl::OkStatus();
  }
  LeavingNodes leaving;
  for (const runtime::NodeId id : *found) {
    NodeBook& book = nodes_.at(id);
    book.leaving = true;
    if (book.worker_ready) SendDrain(id);
    leaving.nodes.push_back({.node = id, .name = book.info.name});
  }
  responder.Answer(std::move(leaving));
  return absl::OkStatus();
}

// If it cannot be sent now, the person asks again: the node stays where it is.
void Head::SendDrain(runtime::NodeId node) {
  const runtime::ActorRef<WorkerProtocol> worker{
      .address = {.node = node, .actor = runtime::ActorIdOf(kWorkerName)}};
  (void)context_->Tell(worker, Drain{});
}

// ----------------------------------------------------------------------------------------- runs --

absl::Status Head::On(runtime::Context& context, const SubmitRun& submit,
                      runtime::Responder<RunAccepted> responder) {
  if (IsOn()) {
    responder.Answer(MakeError("HEAD_BUSY", Exit::kTimedOut,
                               absl::StrCat("run ", run_->id, " is on; one run at a time"),
                               "wait for it: rondo status -w; or end it: rondo stop"));
    return absl::OkStatus();
  }
  absl::StatusOr<RunConfig> config = ParseRunConfig(submit.config, "the submitted config");
  if (!config.ok()) {
    responder.Answer(config.status());
    return absl::OkStatus();
  }
  RunBook run{.number = runtime::RandomFromSystem(), .config = *std::move(config)};
  run.id = runtime::NodeId{.high = run.number}.ShortName();
  absl::StatusOr<std::unique_ptr<RunFolder>> folder = RunFolder::Create(
      options_.runs_folder.empty() ? run.config.run.out : options_.runs_folder, run.id, run.config);
  if (!folder.ok()) {
    responder.Answer(folder.status());
    return absl::OkStatus();
  }
  run.folder = *std::move(folder);
  run.submitted = context.Now();
  run.dropped_before = options_.dropped();
  if (submit.follower != runtime::ActorId::kNone) {
    run.follower = {.address = {.node = context.sender(), .actor = submit.follower}};
  }
  const absl::Status recorded = Record(RunRecord{
      .run = run.number, .id = run.id, .config = ToToml(run.config), .folder = run.folder->path()});
  if (!recorded.ok()) {
    responder.Answer(recorded);
    return absl::OkStatus();
  }
  responder.Answer(RunAccepted{.run_id = run.id, .folder = run.folder->path()});
  run_ = std::move(run);
  WaitForWorkers();
  TryStart();
  return absl::OkStatus();
}

void Head::WaitForWorkers() {
  context_->After(runtime::FromSeconds(run_->config.run.wait),
                  [this, number = run_->number] { OnWaitedTooLong(number); });
}

void Head::TryStart() {
  if (!run_.has_value() || run_->state != RunState::kWaiting) return;
  std::vector<Candidate> candidates;
  for (const auto& [id, node] : nodes_) {
    if (node.IsCandidate()) candidates.push_back(CandidateOf(node));
  }
  if (candidates.size() < run_->config.run.workers) return;
  // The first that came, so that slots follow the order of joining.
  std::ranges::sort(candidates, {},
                    [this](const Candidate& candidate) { return nodes_.at(candidate.node).since; });
  StartMonitor(std::move(candidates), std::nullopt);
}

void Head::StartMonitor(std::vector<Candidate> candidates, std::optional<RunPosition> resumed) {
  run_->state = RunState::kRunning;
  MonitorOptions options{.run = run_->number,
                         .head_epoch = options_.epoch,
                         .config = run_->config,
                         .folder = run_->folder->path(),
                         .sent = options_.sent,
                         .journal = options_.journal,
                         .transfer = options_.transfer,
                         .disk = options_.disk,
                         .resumed = std::move(resumed)};
  const absl::Status spawned = context_->Spawn(
      absl::StrCat("monitor-", run_->id),
      [this, options = std::move(options), candidates = std::move(candidates)] {
        RunListener& listener = *this;
        auto monitor = std::make_unique<Monitor>(options, candidates, listener);
        monitor_ = monitor.get();
        return monitor;
      },
      runtime::Supervision{.max_restarts = 0});
  if (!spawned.ok()) EndRun(spawned, std::nullopt);
}

void Head::OnWaitedTooLong(std::uint64_t run) {
  if (!run_.has_value() || run_->number != run || run_->state != RunState::kWaiting) return;
  const auto ready =
      std::ranges::count_if(nodes_, [](const auto& entry) { return entry.second.worker_ready; });
  EndRun(MakeError("NOT_ENOUGH_WORKERS", Exit::kTimedOut,
                   absl::StrCat(ready, " of ", run_->config.run.workers, " workers came within ",
                                run_->config.run.wait, " s"),
                   absl::StrCat("add machines with: rondo join ", options_.address)),
         std::nullopt);
}

bool Head::IsOn() const {
  return run_.has_value() &&
         (run_->state == RunState::kWaiting || run_->state == RunState::kRunning);
}

absl::Status Head::On(runtime::Context& context, const StopRun& stop,
                      runtime::Responder<StopAccepted> responder) {
  if (!IsOn() || (!stop.run_id.empty() && stop.run_id != run_->id)) {
    responder.Answer(MakeError(
        "RUN_NOT_FOUND", Exit::kNotFound,
        stop.run_id.empty() ? "no run is on" : absl::StrCat("no run ", stop.run_id, " is on"),
        "see rondo runs"));
    return absl::OkStatus();
  }
  responder.Answer(StopAccepted{.run_id = run_->id});
  if (monitor_ != nullptr) {
    monitor_->RequestStop();
  } else {
    EndRun(MakeError(kStopped, Exit::kRunFailed, "the run was stopped before it began"),
           std::nullopt);
  }
  return absl::OkStatus();
}

absl::Status Head::On(runtime::Context& context, const DownRequest& request,
                      runtime::Responder<Nothing> responder) {
  responder.Answer(Nothing{});
  if (IsOn() && request.keep_run && monitor_ != nullptr) {
    context.After(kLongestDown, [this] { options_.quit(absl::OkStatus()); });
    monitor_->TakeLastCheckpoint([this] { options_.quit(absl::OkStatus()); });
    return absl::OkStatus();
  }
  if (IsOn() && !request.keep_run) {
    const absl::Status down =
        MakeError(kClusterDown, Exit::kRunFailed, "the cluster was taken down by rondo down");
    if (monitor_ == nullptr) {
      EndRun(down, std::nullopt);
    } else {
      // Its end, of which followers are to hear, is ours.
      context.After(kLongestDown, [this] { options_.quit(absl::OkStatus()); });
      monitor_->Fail(down);
      return absl::OkStatus();
    }
  }
  options_.quit(absl::OkStatus());
  return absl::OkStatus();
}

// --------------------------------------------------------------------------------------- events --

void Head::Emit(RunEvent event) {
  event.time = runtime::ToSeconds(context_->Now() - run_->submitted);
  const bool terminal = std::holds_alternative<EndEvent>(event.what);
  if (!run_->folder->Append(event).ok()) ++run_->events_failed;
  if (run_->follower.has_value()) {
    // A follower that is gone is noticed by OnNodeDown; the run does not depend on it.
    (void)context_->Tell(
        *run_->follower,
        RunEventLine{.run_id = run_->id, .json = ToJson(event), .terminal = terminal});
  }
}

void Head::OnViewOpened(std::uint64_t run, const std::vector<Member>& members) {
  for (const Member& member : members) {
    if (run_->members.contains(member.node)) continue;
    const auto node = nodes_.find(member.node);
    const std::string name =
        node == nodes_.end() ? member.node.ShortName() : node->second.info.name;
    run_->members[member.node] = {.slot = member.slot, .name = name};
    Emit({.what = JoinEvent{.step = run_->step,
                            .slot = member.slot,
                            .node = name,
                            .workers = static_cast<std::uint32_t>(run_->members.size())}});
  }
}

void Head::OnMemberLost(std::uint64_t run, runtime::NodeId node, std::uint32_t slot,
                        const absl::Status& why) {
  const std::string name = run_->members[node].name;
  run_->members.erase(node);
  Emit({.what = DeathEvent{.step = run_->step,
                           .slot = slot,
                           .node = name,
                           .reason = std::string(why.message()),
                           .workers = static_cast<std::uint32_t>(run_->members.size())}});
}

void Head::OnMemberLeft(std::uint64_t run, runtime::NodeId node, std::uint32_t slot) {
  const std::string name = run_->members[node].name;
  run_->members.erase(node);
  Emit({.what = LeaveEvent{.step = run_->step,
                           .slot = slot,
                           .node = name,
                           .workers = static_cast<std::uint32_t>(run_->members.size())}});
}

void Head::OnRefused(std::uint64_t run, runtime::NodeId node, const absl::Status& why) {
  context_->Evict(node, why);
}

void Head::OnAborted(std::uint64_t run, const Aborted& event, const FlightRecord& record) {
  Emit({.what = AbortEvent{.step = event.step,
                           .fence = event.fence.ToString(),
                           .reason = event.reason,
                           .record = record}});
}

void Head::OnRolledBack(std::uint64_t run, std::uint64_t from, std::uint64_t to,
                        std::uint64_t step) {
  Emit({.what = RollbackEvent{.step = step, .from = from, .to = to}});
  run_->step = run_->last_sync_step = step;
  run_->synchronizations = to;
}

void Head::OnNote(std::uint64_t run, const std::string& message) {
  Emit({.what = NoteEvent{.step = run_->step, .message = message}});
}

void Head::OnProgress(std::uint64_t run, const Progress& progress) {
  run_->step = progress.step;
  Emit({.what = StepEvent{.step = progress.step,
                          .variance_estimate = progress.variance_estimate,
                          .theta = progress.theta,
                          .workers = progress.workers,
                          .syncs = progress.synchronizations,
                          .bytes_total = progress.sent.Total() -
                                         progress.sent.Of(runtime::Traffic::kEvaluation)}});
}

void Head::OnSynchronized(std::uint64_t run, const Synchronized& event) {
  const std::uint64_t ring = event.sent.Of(runtime::Traffic::kRing);
  Emit({.what = SyncEvent{
            .step = event.step,
            .syncs = event.round,
            .interval = event.step - run_->last_sync_step,
            .variance_estimate = event.variance_estimate,
            .theta = event.theta,
            .contributors = event.contributors,
            .seconds = event.ring_seconds + event.control_seconds,
            .ring_seconds = event.ring_seconds,
            .ring_bytes = ring - run_->ring_bytes,
            .bytes_total = event.sent.Total() - event.sent.Of(runtime::Traffic::kEvaluation),
            .drifts = TakeDrifts(event),
            .variance_added = event.variance_added,
            .prequential_error = event.predictions.Error()}});
  run_->ring_bytes = ring;
  run_->last_sync_step = event.step;
  run_->step = event.step;
  run_->synchronizations = event.round;
  NoteOutliers(event);
}

void Head::OnTested(std::uint64_t run, const Tested& event) {
  Emit({.what = EvaluationEvent{.step = event.step,
                                .accuracy = event.accuracy,
                                .test_loss = event.loss,
                                .samples = event.samples,
                                .evaluated = ToString(run_->config.run.evaluate)}});
}

void Head::OnRunEnded(std::uint64_t run, const RunSummary& summary) {
  if (!summary.status.ok() && runtime::ToUserError(summary.status).code == kJournalBroken) {
    // The journal cannot tell whether the last round was committed, and this head must not: whoever
    // reads it anew goes on with the run.
    options_.quit(summary.status);
    return;
  }
  dropped_before_ += summary.dropped;
  run_->step = summary.steps;
  context_->Stop(runtime::ActorIdOf(absl::StrCat("monitor-", run_->id)));
  monitor_ = nullptr;
  EndRun(summary.status, ResultOf(summary));
}

RunResult Head::ResultOf(const RunSummary& summary) const {
  const RunConfig& config = run_->config;
  const bool threshold = config.strategy.name == Strategy::kFda;
  runtime::Drops dropped = options_.dropped();
  dropped -= run_->dropped_before;
  dropped += summary.dropped;
  RunResult result{
      .run_id = run_->id,
      .strategy = ToString(config.strategy.name),
      .estimator = threshold ? ToString(config.strategy.estimator) : "",
      .decision = ToString(config.strategy.decision),
      .theta = summary.theta,
      .workers = summary.workers,
      .workers_final = summary.workers_final,
      .model = ToString(config.model.name),
      .parameters = summary.trainable,
      .data = ToString(config.data.source),
      .steps = summary.steps,
      .samples = summary.samples,
      .syncs = summary.synchronizations,
      .reached_step = summary.reached_step,
      .evaluated = ToString(config.run.evaluate),
      .train_loss = summary.train_loss,
      .prequential_error = summary.predictions.Error(),
      .bytes = summary.sent,
      .bytes_paper = PaperBytes(SyncPolicyOptionsOf(config, summary.trainable, /*samples=*/0),
                                summary.trainable, summary.paper_counts),
      .seconds = summary.seconds,
      .seconds_by = {.compute = summary.compute_seconds,
                     .wait_decision = summary.wait_seconds,
                     .ring = summary.ring_seconds,
                     .evaluate = summary.evaluate_seconds},
      .model_hash = summary.root.ToString(),
      .replicas_equal = summary.replicas_equal,
      .seed = config.run.seed,
      .events = {.joins = summary.joins,
                 .leaves = summary.leaves,
                 .deaths = summary.deaths,
                 .aborts = summary.aborts,
                 .resets = summary.resets,
                 .outliers = summary.outliers},
      .dropped = dropped,
      .model_path = summary.model_path};
  if (summary.last_test.has_value()) {
    result.accuracy = summary.last_test->accuracy;
    result.best_accuracy = summary.best_accuracy;
  }
  return result;
}

void Head::EndRun(const absl::Status& status, std::optional<RunResult> result) {
  EndEvent end;
  if (status.ok()) {
    REQUIRE(result.has_value());
    end.result = std::move(result);
  } else {
    end.error = runtime::ToUserError(status);
  }
  const std::string code = end.error.has_value() ? end.error->code : "";
  const bool aborted = code == kStopped || code == kClusterDown;
  run_->state = status.ok() ? RunState::kDone : aborted ? RunState::kAborted : RunState::kFailed;
  KeepEnded(end);
  Emit({.what = std::move(end)});
  if (code == kClusterDown) options_.quit(absl::OkStatus());
}

}  // namespace actors
