// What the head tells of its nodes and runs, and the files of a run that it hands over.
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "actors/head.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using nlohmann::json;
using runtime::Exit;
using runtime::MakeError;

constexpr std::size_t kEndedRunsKept = 100;

json DropsJson(const runtime::Drops& drops) {
  return {{"handshake", drops.handshake}, {"frame", drops.frame},   {"checksum", drops.checksum},
          {"fence", drops.fence},         {"decode", drops.decode}, {"actor", drops.actor},
          {"full", drops.full},           {"route", drops.route}};
}

json LedgerJson(const runtime::Ledger& sent) {
  using runtime::Traffic;
  return {{"control", sent.Of(Traffic::kControl)},       {"state", sent.Of(Traffic::kState)},
          {"decision", sent.Of(Traffic::kDecision)},     {"ring", sent.Of(Traffic::kRing)},
          {"evaluation", sent.Of(Traffic::kEvaluation)}, {"join", sent.Of(Traffic::kJoin)},
          {"checkpoint", sent.Of(Traffic::kCheckpoint)}, {"total", sent.Total()}};
}

// Null: it has not told of one.
json DriftJson(const std::optional<DriftOfWorker>& drift) {
  if (!drift.has_value()) return nullptr;
  const auto number = [](const std::optional<double>& value) {
    return value.has_value() ? json(*value) : json(nullptr);
  };
  return {{"norm", number(drift->norm)},
          {"cosine", number(drift->cosine)},
          {"cosine_to_others", number(drift->cosine_to_others)},
          {"z", number(drift->z)},
          {"outlier", drift->outlier}};
}

absl::Status RunNotFound(const std::string& run_id) {
  return MakeError("RUN_NOT_FOUND", Exit::kNotFound,
                   absl::StrCat("this head knows no run ", run_id), "see rondo runs");
}

// Text that is no UTF-8, as a log's last lines may be, is mended.
std::string Line(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

const char* Head::StateName() const {
  switch (run_->state) {
    case RunState::kWaiting: return "queued";
    case RunState::kRunning:
      return monitor_ != nullptr && monitor_->IsPaused() ? "paused" : "running";
    case RunState::kDone: return "done";
    case RunState::kFailed: return "failed";
    case RunState::kAborted: return "aborted";
  }
  REQUIRE(false);
}

// What is known of the present run whether it is on or not.
json Head::RunJson() const {
  std::vector<std::pair<std::uint32_t, json>> by_slot;
  for (const auto& [node, member] : run_->members) {
    by_slot.emplace_back(
        member.slot, json{{"slot", member.slot}, {"node", node.ToString()}, {"name", member.name}});
  }
  std::ranges::sort(by_slot, {}, &std::pair<std::uint32_t, json>::first);
  json members = json::array();
  for (auto& [slot, member] : by_slot) members.push_back(std::move(member));
  return {{"run_id", run_->id},
          {"state", StateName()},
          {"strategy", ToString(run_->config.strategy.name)},
          {"model", NameOf(run_->config.model)},
          {"step", monitor_ != nullptr ? monitor_->step() : run_->step},
          {"max_steps", run_->config.run.max_steps},
          {"syncs", run_->synchronizations},
          {"workers", run_->members.size()},
          {"members", members},
          {"events_lost", run_->events_failed},
          {"bytes_total", monitor_ != nullptr ? monitor_->SentByAll().Total() : 0}};
}

void Head::KeepEnded(const EndEvent& end) {
  json status = RunJson();
  json result = json::object();
  if (end.result.has_value()) {
    status["bytes_total"] = end.result->bytes.Total();
    result = json::parse(ToJson(*end.result));
  } else {
    status["code"] = end.error->code;
    result = {{"exit", static_cast<int>(end.error->exit)},
              {"message", end.error->message},
              {"hint", end.error->hint}};
  }
  ended_runs_.push_back({.id = run_->id,
                         .folder = run_->folder->path(),
                         .submitted = run_->submitted,
                         .status = Line(status),
                         .result = Line(result)});
  // Unwritten, a later head takes the run up again, and ends it anew.
  const EndedRun& ended = ended_runs_.back();
  (void)Record(EndRecord{.run = run_->number, .status = ended.status, .result = ended.result});
  if (ended_runs_.size() > kEndedRunsKept) ended_runs_.erase(ended_runs_.begin());
}

json Head::NodeJson(const NodeBook& node, const runtime::NodeState* liveness) const {
  std::string state = "UP", reason;
  const std::optional<Monitor::Standing> standing =
      monitor_ != nullptr ? monitor_->StandingOf(node.info.id) : std::nullopt;
  if (standing.has_value()) {
    state = standing->state;
    reason = standing->reason;
  } else if (node.info.role == kWorkerRole && !node.worker_ready) {
    state = "JOINING";
    reason = "its worker starts";
  } else if (!node.reach.has_value()) {
    state = "JOINING";
    reason = "the head connects back";
  } else if (node.held) {
    state = "JOINING";
    reason = absl::StrCat("held back: lost ", flapping_.LossesOf(node.info.name),
                          " times in a row soon after it came");
  }
  if (reason.empty()) reason = node.unreachable;
  if (node.leaving && state != "LEAVING") {
    state = "LEAVING";
    reason = "was asked to leave";
  }
  const double silence = liveness != nullptr ? runtime::ToSeconds(liveness->silence) : 0;
  if (liveness != nullptr && liveness->suspect) {
    state = "SUSPECT";
    reason = absl::StrFormat("nothing heard for %.1f s", silence);
  }
  json object{{"id", node.info.id.ToString()},
              {"name", node.info.name},
              {"role", node.info.role},
              {"state", state},
              {"reason", reason},
              {"silence", silence},
              {"address", node.info.address},
              {"reachable", nullptr},
              {"pid", node.pid},
              {"seconds", runtime::ToSeconds(context_->Now() - node.since)}};
  // Null: nobody has looked.
  if (!node.ring.empty() && node.reach.has_value()) object["reachable"] = node.unreachable.empty();
  if (IsOn()) {
    const auto member = run_->members.find(node.info.id);
    if (member != run_->members.end()) {
      object["slot"] = member->second.slot;
      object["drift"] = DriftJson(member->second.drift);
      const bool outlier = member->second.drift.has_value() && member->second.drift->outlier;
      if (outlier && reason.empty()) object["reason"] = "its drift is unlike the others'";
    }
    const double pace = monitor_ != nullptr ? monitor_->StepsPerSecondOf(node.info.id) : 0;
    if (pace > 0) object["steps_per_second"] = pace;
  }
  return object;
}

// Of the run that is on.
std::string Head::WaitsFor() const {
  if (monitor_ != nullptr) return monitor_->WaitsFor();
  const auto ready =
      std::ranges::count_if(nodes_, [](const auto& entry) { return entry.second.IsCandidate(); });
  return absl::StrCat("workers: ", ready, " of ", run_->config.run.workers);
}

std::string Head::StatusJson() const {
  const std::vector<runtime::NodeState> alive = options_.nodes();
  json nodes = json::array();
  for (const auto& [id, node] : nodes_) {
    const auto liveness =
        std::ranges::find(alive, id, [](const runtime::NodeState& state) { return state.info.id; });
    nodes.push_back(NodeJson(node, liveness != alive.end() ? &*liveness : nullptr));
  }
  json runs = json::array();
  for (const EndedRun& ended : ended_runs_) runs.push_back(json::parse(ended.status));
  if (IsOn()) {
    json run = RunJson();
    run["waits_for"] = WaitsFor();
    runs.push_back(std::move(run));
  }
  runtime::Drops dropped = options_.dropped();
  dropped += dropped_before_;
  if (monitor_ != nullptr) dropped += monitor_->Dropped();
  return Line({{"address", options_.address},
               {"seconds", runtime::ToSeconds(context_->Now() - started_)},
               {"nodes", nodes},
               {"runs", runs},
               {"sent", LedgerJson(options_.sent())},
               {"dropped", DropsJson(dropped)}});
}

absl::StatusOr<std::string> Head::RunsJson(const std::string& run_id) const {
  json runs = json::array();
  const auto add = [&](json run, const std::string& folder, runtime::Time submitted) {
    run["folder"] = folder;
    run["submitted_seconds_ago"] = runtime::ToSeconds(context_->Now() - submitted);
    runs.push_back(std::move(run));
  };
  for (const EndedRun& ended : ended_runs_) {
    if (!run_id.empty() && run_id != ended.id) continue;
    json run = json::parse(ended.status);
    run.update(json::parse(ended.result));
    add(std::move(run), ended.folder, ended.submitted);
  }
  if (IsOn() && (run_id.empty() || run_id == run_->id)) {
    json run = RunJson();
    run["waits_for"] = WaitsFor();
    add(std::move(run), run_->folder->path(), run_->submitted);
  }
  if (!run_id.empty() && runs.empty()) return RunNotFound(run_id);
  return Line({{"runs", runs}});
}

absl::Status Head::On(runtime::Context& context, const StatusRequest& request,
                      runtime::Responder<StatusReply> responder) {
  responder.Answer(StatusReply{.json = StatusJson()});
  return absl::OkStatus();
}

absl::Status Head::On(runtime::Context& context, const RunsRequest& request,
                      runtime::Responder<RunsReply> responder) {
  absl::StatusOr<std::string> runs = RunsJson(request.run_id);
  if (runs.ok()) {
    responder.Answer(RunsReply{.json = *std::move(runs)});
  } else {
    responder.Answer(runs.status());
  }
  return absl::OkStatus();
}

absl::Status Head::On(runtime::Context& context, const FetchPart& fetch,
                      runtime::Responder<FilePart> responder) {
  std::string folder;
  if (run_.has_value() && run_->id == fetch.run_id) folder = run_->folder->path();
  for (const EndedRun& ended : ended_runs_) {
    if (ended.id == fetch.run_id) folder = ended.folder;
  }
  if (folder.empty()) {
    responder.Answer(RunNotFound(fetch.run_id));
    return absl::OkStatus();
  }
  absl::StatusOr<FilePiece> piece =
      ReadPiece(absl::StrCat(folder, "/", FileName(fetch.file)), fetch.offset, kMaxModelPartBytes);
  if (piece.ok()) {
    responder.Answer(FilePart{.size = piece->size, .data = std::move(piece->data)});
  } else {
    responder.Answer(piece.status());
  }
  return absl::OkStatus();
}

}  // namespace actors
