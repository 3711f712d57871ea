// Who takes part in a run: how workers come into it, how they are let go, and who is lost.
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "actors/agreement.h"
#include "actors/monitor.h"
#include "actors/run_options.h"
#include "actors/training/partition.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;
using runtime::NodeId;

// Loading data and building a model may take long on a slow disk.
constexpr runtime::Duration kAssignTimeout = std::chrono::seconds(120);
// A lost connection and the launcher's word of how the process ended arrive in any order.
constexpr runtime::Duration kObituaryTimeout = std::chrono::milliseconds(800);
// If nobody was heard for so long, the run is over; any profile's bound is shorter.
constexpr runtime::Duration kLongestSilence = std::chrono::seconds(30);
// Whose drift is no number this often within so many rounds has to go.
constexpr std::size_t kMostResets = 3;
constexpr std::uint64_t kResetWindow = 100;

// Of shards of the common set that `ready` tells of.
ShardSizesOf SizesOf(const RunConfig& config, const ReadyToRun& ready) {
  return [text = config.data.partition, batch = config.optimizer.batch, seed = config.data.seed,
          by_class = ready.samples_by_class](
             std::uint32_t world_size) -> absl::StatusOr<std::vector<std::uint64_t>> {
    ASSIGN_OR_RETURN(const PartitionRule rule, ParsePartition(text, batch));
    return ShardSizes(rule, by_class, world_size, seed);
  };
}

}  // namespace

// Wishes first, in order; everybody else takes the smallest free slot.
Monitor::Monitor(MonitorOptions options, const std::vector<Candidate>& candidates,
                 RunListener& listener)
    : options_(std::move(options)), listener_(listener) {
  for (const bool wishes : {true, false}) {
    for (const Candidate& candidate : candidates) {
      if (candidate.slot.has_value() != wishes) continue;
      members_[candidate.node] = {
          .node = candidate.node, .slot = FreeSlot(candidate.slot), .reach = candidate.reach};
    }
  }
}

Monitor::MemberBook* Monitor::Find(NodeId node) {
  const auto member = members_.find(node);
  return member == members_.end() ? nullptr : &member->second;
}

std::uint32_t Monitor::FreeSlot(std::optional<std::uint32_t> wish) const {
  const auto is_free = [this](std::uint32_t slot) {
    return std::ranges::none_of(members_,
                                [slot](const auto& entry) { return entry.second.slot == slot; }) &&
           std::ranges::none_of(absent_,
                                [slot](const auto& entry) { return entry.second == slot; });
  };
  if (wish.has_value() && is_free(*wish)) return *wish;
  std::uint32_t slot = 0;
  while (!is_free(slot)) ++slot;
  return slot;
}

// ----------------------------------------------------------------------------------- the start --

void Monitor::AddCandidate(const Candidate& candidate) {
  if (ended_ || members_.contains(candidate.node)) return;
  const auto absent = absent_.find(candidate.node);
  const std::uint32_t slot = absent != absent_.end() ? absent->second : FreeSlot(candidate.slot);
  members_[candidate.node] = {.node = candidate.node, .slot = slot, .reach = candidate.reach};
  AssignWaiting();
}

void Monitor::AssignWaiting() {
  std::size_t assigned = absent_.size();
  for (const auto& [node, member] : members_) assigned += member.stage != Stage::kWaiting ? 1 : 0;
  for (auto& [node, member] : members_) {
    if (member.stage != Stage::kWaiting) continue;
    if (options_.resumed.has_value()) {
      AskToRecover(member);
    } else if (assigned < options_.config.run.max_workers) {
      ++assigned;
      AssignTo(member);
    }
  }
}

void Monitor::AssignTo(MemberBook& member) {
  member.stage = Stage::kLoading;
  context_->Ask(WorkerAt(member.node),
                Assign{.run = options_.run,
                       .head_epoch = options_.head_epoch,
                       .slot = member.slot,
                       .config = ToToml(options_.config),
                       .monitor = context_->self().actor},
                kAssignTimeout, [this, node = member.node](absl::StatusOr<ReadyToRun> ready) {
                  if (!ended_) OnReadyToRun(node, std::move(ready));
                });
}

void Monitor::OnReadyToRun(NodeId node, absl::StatusOr<ReadyToRun> ready) {
  MemberBook* const member = Find(node);
  if (member == nullptr) return;
  if (!ready.ok()) {
    if (absl::IsUnavailable(ready.status()) && !runtime::HasUserError(ready.status())) {
      // Its process is gone, or nearly: that verdict tells more. But only if it comes.
      context_->After(2 * kObituaryTimeout, [this, node, why = ready.status()] {
        if (!ended_) Lose(node, why);
      });
      return;
    }
    if (absl::IsDeadlineExceeded(ready.status()) && !runtime::HasUserError(ready.status())) {
      Refuse(node, MakeError("WORKER_SILENT", Exit::kTimedOut,
                             absl::StrCat("slot ", member->slot, " has not loaded model and data ",
                                          "within ", runtime::ToSeconds(kAssignTimeout), " s"),
                             "it is started again; see its log"));
      if (round_ == nullptr) TryBegin();
      return;
    }
    const runtime::UserError error = runtime::ToUserError(ready.status());
    const absl::Status why =
        MakeError(error.code == "INTERNAL" ? "WORKER_FAILED" : error.code,
                  error.code == "INTERNAL" ? Exit::kRunFailed : error.exit,
                  absl::StrCat("slot ", member->slot, " (node ", node.ShortName(),
                               ") cannot run: ", error.message),
                  error.hint);
    // What the first ones cannot do nobody can; a newcomer's trouble is its own.
    return round_ == nullptr ? Fail(why) : Refuse(node, why);
  }
  member->ready = *std::move(ready);
  member->root = member->ready->base_root;
  member->stage = Stage::kReady;
  if (round_ == nullptr) {
    TryBegin();
    return;
  }
  if (absl::Status agrees = CheckAgrees(*member); !agrees.ok()) {
    Refuse(node, agrees);
    return;
  }
  if (!OwnData()) {
    // One more than the samples can be divided among must not end the run of the others.
    const auto then = std::ranges::count_if(members_, [](const auto& entry) {
      const Stage stage = entry.second.stage;
      return stage == Stage::kMember || stage == Stage::kReady || stage == Stage::kPulling;
    });
    const absl::Status divides =
        SizesOf(options_.config, *reference_)(static_cast<std::uint32_t>(then)).status();
    if (!divides.ok()) return Refuse(node, divides);
  }
  AdmitWhoIsReady();
}

absl::Status Monitor::CheckAgrees(const MemberBook& member) const {
  const std::string who = absl::StrCat("slot ", member.slot, " (node ", member.node.ShortName(),
                                       ") and ", reference_of_);
  return actors::CheckAgrees(
      who, *member.ready, *reference_,
      {.placement = options_.config.data.placement, .initial_models = round_ == nullptr});
}

void Monitor::TryBegin() {
  if (options_.resumed.has_value()) return ResumeRun();
  std::uint32_t ready = 0;
  for (const auto& [node, member] : members_) {
    if (member.stage == Stage::kLoading) return;
    ready += member.stage == Stage::kReady ? 1 : 0;
  }
  if (ready >= (stop_requested_ ? 1 : options_.config.run.min_workers)) {
    BeginRun();
  } else if (stop_requested_) {
    End(MakeError("STOPPED", Exit::kRunFailed, "the run was stopped before it began"));
  }
}

void Monitor::BeginRun() {
  std::vector<Member> view;
  for (const auto& [node, member] : members_) {
    if (member.stage != Stage::kReady) continue;
    view.push_back(SeatOf(member));
  }
  std::ranges::sort(view, {}, &Member::slot);
  ReferTo(members_.at(view.front().node));
  for (const Member& member : view) {
    const absl::Status agrees = CheckAgrees(members_.at(member.node));
    if (!agrees.ok()) return Fail(agrees);
  }
  if (absl::Status made = MakeRound(); !made.ok()) return Fail(made);
  if (stop_requested_) round_->RequestStop();
  Perform(round_->Begin(std::move(view), context_->Now()));
}

Member Monitor::SeatOf(const MemberBook& member) const {
  Member seat{.node = member.node, .slot = member.slot, .endpoint = member.ready->endpoint};
  if (!member.reach.ring) seat.endpoint.tcp.clear();  // Its ring finds another way, or none.
  if (OwnData() && options_.config.strategy.weighting == Weighting::kSamples) {
    seat.weight = static_cast<float>(member.ready->train_samples);
  }
  return seat;
}

void Monitor::ReferTo(const MemberBook& member) {
  reference_ = member.ready;
  reference_of_ = absl::StrCat("slot ", member.slot);
}

// How large the shards are, where that weighs them, and whether the members that the run asks for
// can each have one.
absl::StatusOr<ShardSizesOf> Monitor::CheckedShardSizes() const {
  const RunConfig& config = options_.config;
  if (OwnData()) return nullptr;
  const ShardSizesOf sizes = SizesOf(config, *reference_);
  RETURN_IF_ERROR(sizes(config.run.workers).status());
  return config.strategy.weighting == Weighting::kSamples ? sizes : nullptr;
}

// By what `reference_` says of model and data.
absl::Status Monitor::MakeRound() {
  const RunConfig& config = options_.config;
  const SyncPolicyOptions policy_options =
      SyncPolicyOptionsOf(config, reference_->trainable, reference_->train_samples);
  absl::StatusOr<std::unique_ptr<MonitorPolicy>> policy = MakeMonitorPolicy(policy_options);
  if (!policy.ok()) {
    return MakeError("CONFIG_CONFLICT", Exit::kUsage, runtime::MessageOf(policy.status()));
  }
  std::optional<QuantumMonitor> quantum;
  if (config.strategy.decision == DecisionName::kQuantum) {
    absl::StatusOr<QuantumMonitor> made = QuantumMonitor::Make(policy_options);
    if (!made.ok()) {
      return MakeError("CONFIG_CONFLICT", Exit::kUsage, runtime::MessageOf(made.status()));
    }
    quantum = *std::move(made);
  }
  policy_ = *std::move(policy);
  ASSIGN_OR_RETURN(ShardSizesOf shard_sizes, CheckedShardSizes());
  round_ = std::make_unique<Round>(
      RoundOptions{
          .run = options_.run,
          .head_epoch = options_.head_epoch,
          .min_workers = config.run.min_workers,
          .reports = config.strategy.name == Strategy::kFda,
          .commits_mean = config.server.name == ServerOptimizer::kNone,
          .overlap = config.strategy.overlap,
          .refuse_outliers = config.strategy.outliers == Outliers::kRefuse,
          .shard_sizes = std::move(shard_sizes),
          .max_steps = config.run.max_steps,
          .tune_theta = ThetaTunerOptionsOf(config),
          .theta_lr_exponent = config.strategy.theta_lr_exponent,
          .evaluate_every = config.run.evaluate_every,
          .evaluate_mean = config.run.evaluate == EvaluateWhat::kMean,
          .target_accuracy = config.run.target_accuracy,
          .schedule = LearningRateScheduleOf(config),
          .model_floats = reference_->total,
          .chunk_bytes = config.network.chunk_bytes,
          .transport = RingTransportOf(config),
          .base_root = reference_->base_root,
          .layout_hash = reference_->layout_hash,
          .outlives_members = options_.transfer != nullptr,
          .record_commit = [this](const CommitRecord& record) { return RecordCommit(record); }},
      *policy_, std::move(quantum));
  if (began_ == runtime::Time{}) began_ = context_->Now();
  return absl::OkStatus();
}

// ------------------------------------------------------------------------------------- views ----

void Monitor::OnViewOpened(const ViewOpened& opened) {
  std::string brought;
  for (const Member& member : opened.members) {
    MemberBook& book = members_.at(member.node);
    if (book.stage == Stage::kMember) continue;
    book.stage = Stage::kMember;
    book.recovered.reset();
    book.first_order = last_order_ + 1;
    ++joins_;
    if (!OwnData()) continue;
    absl::StrAppend(&brought, brought.empty() ? "" : "; ", "slot ", book.slot, " has ",
                    DescribeOwnData(*book.ready));
  }
  heard_ = context_->Now();
  most_workers_ = std::max(most_workers_, static_cast<std::uint32_t>(opened.members.size()));
  if (!round_->lacks_workers()) {
    lacks_workers_since_.reset();
  } else if (!lacks_workers_since_.has_value()) {
    lacks_workers_since_ = context_->Now();
  }
  RecordView(opened.members);
  listener_.OnViewOpened(options_.run, opened.members);
  if (!brought.empty()) listener_.OnNote(options_.run, brought);
}

void Monitor::CheckWait() {
  const bool nobody = members_.empty() && (round_ == nullptr || round_->members().empty());
  if (stop_requested_ && nobody) {
    return Fail(MakeError("STOPPED", Exit::kRunFailed, "the run was stopped, and nobody is in it"));
  }
  // If nobody is heard at all, nobody is called dead: the fault may be ours.
  if (round_ != nullptr && !round_->members().empty() &&
      context_->Now() - heard_ >=
          std::max(kLongestSilence, runtime::FromSeconds(options_.config.run.wait))) {
    return Fail(MakeError(
        "NOT_ENOUGH_WORKERS", Exit::kTimedOut,
        absl::StrCat("none of ", round_->members().size(), " workers was heard for ",
                     runtime::ToSeconds(context_->Now() - heard_), " s"),
        "see whether this machine's network works, then rondo head --resume or run again"));
  }
  if (round_ != nullptr && !round_->lacks_workers()) lacks_workers_since_.reset();
  if (!lacks_workers_since_.has_value()) return;
  const RunConfig& config = options_.config;
  const std::size_t there = round_ == nullptr ? 0 : round_->members().size();
  if (context_->Now() - *lacks_workers_since_ < runtime::FromSeconds(config.run.wait)) return;
  // Whoever loads, fetches or comes back may take longer than the wait: that has deadlines of its
  // own.
  const bool no_ring = round_ != nullptr && !round_->no_ring().ok();
  if (members_.size() >= config.run.min_workers && !no_ring) return;
  if (no_ring && members_.size() > there) return;
  lacks_workers_since_.reset();
  if (no_ring) return Fail(round_->no_ring());
  Fail(MakeError(
      "NOT_ENOUGH_WORKERS", Exit::kTimedOut,
      absl::StrCat(there, " of at least ", config.run.min_workers, " workers were there for ",
                   config.run.wait, " s", last_loss_reason_.empty() ? "" : "; ", last_loss_reason_),
      "add machines with rondo join, or lower run.min_workers"));
}

// ---------------------------------------------------------------------------- leaving, losing --

absl::Status Monitor::On(runtime::Context& context, const Leave& leave,
                         runtime::Responder<Nothing> responder) {
  MemberBook* const member = Find(context.sender());
  if (member == nullptr || ended_) {
    responder.Answer(Nothing{});
    return absl::OkStatus();
  }
  if (round_ == nullptr || member->stage != Stage::kMember) {
    Forget(member->node);
    responder.Answer(Nothing{});
    if (round_ == nullptr) TryBegin();
    return absl::OkStatus();
  }
  member->leaving.emplace(std::move(responder));
  Perform(round_->OnLeave(member->node, context.Now()));
  return absl::OkStatus();
}

void Monitor::OnLeft(NodeId node) {
  MemberBook* const member = Find(node);
  if (member == nullptr) return;
  ++leaves_;
  listener_.OnMemberLeft(options_.run, node, member->slot);
  if (member->leaving.has_value()) member->leaving->Answer(Nothing{});
  Forget(node);
}

absl::Status Monitor::OnNodeDown(runtime::Context& context, NodeId node, const absl::Status& why) {
  if (ended_ || Find(node) == nullptr) return absl::OkStatus();
  // The launcher may still tell how the process ended, with its last words.
  context.After(kObituaryTimeout, [this, node, why] {
    if (!ended_) Lose(node, why);
  });
  return absl::OkStatus();
}

void Monitor::OnProcessExited(NodeId node, const std::string& description,
                              const std::string& last_lines) {
  if (ended_) return;
  Lose(node, absl::UnavailableError(absl::StrCat(
                 "its process ", description,
                 last_lines.empty() ? "" : "; the last lines of its log:\n", last_lines)));
}

void Monitor::Lose(NodeId node, const absl::Status& why) {
  MemberBook* const member = Find(node);
  if (member == nullptr) return;
  const absl::Status lost =
      MakeError("WORKER_LOST", Exit::kRunFailed,
                absl::StrCat("the worker in slot ", member->slot, " (node ", node.ShortName(),
                             ") was lost at step ", step(), ": ", runtime::MessageOf(why)),
                "add machines with rondo join");
  last_loss_reason_ = runtime::MessageOf(lost);
  const bool was_member = member->stage == Stage::kMember;
  absent_.erase(node);
  if (was_member) {
    ++deaths_;
    listener_.OnMemberLost(options_.run, node, member->slot, why);
  }
  Forget(node);
  if (round_ == nullptr) {
    TryBegin();
  } else if (was_member) {
    Perform(round_->OnLost({node}, lost, context_->Now()));
  }
}

bool Monitor::NoteReset(NodeId node, std::uint64_t round) {
  ++resets_;
  MemberBook* const member = Find(node);
  if (member == nullptr) return false;
  member->resets.push_back(round);
  std::erase_if(member->resets, [round](std::uint64_t at) { return at + kResetWindow <= round; });
  return member->resets.size() >= kMostResets;
}

void Monitor::ExpelHopeless(NodeId node) {
  const MemberBook* const member = Find(node);
  if (ended_ || member == nullptr) return;
  Expel(*member,
        MakeError("DIVERGED", Exit::kRunFailed,
                  absl::StrCat("the drift of the worker in slot ", member->slot, " (node ",
                               node.ShortName(), ") was no number ", kMostResets, " times in ",
                               kResetWindow, " rounds, the last time at step ", step(),
                               ", learning rate ",
                               LearningRateAt(LearningRateScheduleOf(options_.config), step())),
                  "look at its data; or lower optimizer.learning_rate"));
}

void Monitor::LetGoOfStuck(NodeId node, double seconds) {
  const MemberBook* const member = Find(node);
  if (ended_ || member == nullptr) return;
  Expel(*member,
        MakeError("EVICTED", Exit::kEvicted,
                  absl::StrCat("the training thread of the worker in slot ", member->slot,
                               " (node ", node.ShortName(), ") has not ended its step for ",
                               seconds, " s, though its process lives"),
                  "start it again: it joins as a new node"));
}

// A member that can do no more for the run, and whose node lives.
void Monitor::Expel(const MemberBook& member, const absl::Status& why) {
  const NodeId node = member.node;
  ++deaths_;
  last_loss_reason_ = runtime::MessageOf(why);
  listener_.OnMemberLost(options_.run, node, member.slot, why);
  Refuse(node, why);
  Perform(round_->OnLost({node}, why, context_->Now()));
}

void Monitor::Refuse(NodeId node, const absl::Status& why) {
  Forget(node);
  listener_.OnRefused(options_.run, node, why);
}

void Monitor::Forget(NodeId node) {
  const MemberBook& member = members_.at(node);
  const Finished* const finished = LastWordsOf(node);
  past_.sent += finished != nullptr ? finished->sent : member.status.sent;
  past_.dropped += finished != nullptr ? finished->dropped : member.status.dropped;
  past_.predictions += finished != nullptr ? finished->predictions : member.status.predictions;
  past_.samples += finished != nullptr ? finished->samples : member.status.samples;
  members_.erase(node);
  if (round_ != nullptr) round_->WaitNoMore();  // It may have been for this one.
  if (!ended_) AssignWaiting();
}

}  // namespace actors
