#include "actors/monitor.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "actors/averaging/cost.h"
#include "actors/run_options.h"
#include "actors/training/partition.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;

constexpr runtime::Duration kTick = std::chrono::milliseconds(100);
// Loading data and building a model may take long on a slow disk.
constexpr runtime::Duration kAssignTimeout = std::chrono::seconds(120);
// A lost connection and the launcher's word of how the process ended arrive in any order.
constexpr runtime::Duration kObituaryTimeout = std::chrono::milliseconds(800);
// In lockstep a member lacks at most the orders of one round. Counted by number: FINISH goes to
// each member by itself, under one number.
constexpr std::size_t kRecentOrders = 32;

std::uint64_t NumberOf(const RoundAction& action) {
  if (const auto* decision = std::get_if<PublishDecision>(&action)) {
    return decision->decision.number;
  }
  return std::get<SendOrder>(action).order.number;
}

}  // namespace

Monitor::Monitor(MonitorOptions options, std::vector<Candidate> candidates, RunListener& listener)
    : options_(std::move(options)), listener_(listener) {
  // Wishes first, in order; everybody else takes the smallest free slot.
  std::map<std::uint32_t, runtime::NodeId> slots;
  for (const Candidate& candidate : candidates) {
    if (candidate.slot.has_value()) slots.try_emplace(*candidate.slot, candidate.node);
  }
  std::uint32_t next = 0;
  for (const Candidate& candidate : candidates) {
    const bool placed = candidate.slot.has_value() && slots[*candidate.slot] == candidate.node;
    if (placed) continue;
    while (slots.contains(next)) ++next;
    slots[next] = candidate.node;
  }
  for (const auto& [slot, node] : slots) {
    members_.push_back({.node = node, .slot = slot});
  }
}

// ----------------------------------------------------------------------------------- the start --

absl::Status Monitor::OnStart(runtime::Context& context) {
  context_ = &context;
  sent_before_ = options_.sent();
  for (MemberBook& member : members_) AssignTo(member);
  context.After(kTick, [this] { OnTick(); });
  return absl::OkStatus();
}

runtime::ActorRef<WorkerProtocol> Monitor::WorkerAt(const MemberBook& member) const {
  return {.address = {.node = member.node, .actor = runtime::ActorIdOf(kWorkerName)}};
}

void Monitor::AssignTo(MemberBook& member) {
  const auto rank = static_cast<std::uint32_t>(&member - members_.data());
  context_->Ask(WorkerAt(member),
                Assign{.run = options_.run,
                       .head_epoch = options_.head_epoch,
                       .slot = member.slot,
                       .config = ToToml(options_.config),
                       .monitor = context_->self().actor},
                kAssignTimeout, [this, rank](absl::StatusOr<ReadyToRun> ready) {
                  OnReadyToRun(rank, std::move(ready));
                });
}

void Monitor::OnReadyToRun(std::uint32_t rank, absl::StatusOr<ReadyToRun> ready) {
  if (ended_ || round_ != nullptr) return;
  if (!ready.ok()) {
    if (members_[rank].lost) return;
    if (absl::IsUnavailable(ready.status()) && !runtime::HasUserError(ready.status())) {
      // Its process is gone, or nearly: that verdict tells more. But only if it comes.
      context_->After(2 * kObituaryTimeout, [this, rank, why = ready.status()] {
        if (!ended_ && !members_[rank].lost) LoseMember(rank, why);
      });
      return;
    }
    const runtime::UserError error = runtime::ToUserError(ready.status());
    Fail(MakeError(error.code == "INTERNAL" ? "WORKER_FAILED" : error.code,
                   error.code == "INTERNAL" ? Exit::kRunFailed : error.exit,
                   absl::StrCat("slot ", members_[rank].slot, " cannot run: ", error.message),
                   error.hint));
    return;
  }
  members_[rank].ready = *std::move(ready);
  for (const MemberBook& member : members_) {
    if (!member.ready.has_value()) return;
  }
  BeginRun();
}

absl::Status Monitor::CheckMembersAgree() const {
  const ReadyToRun& first = *members_.front().ready;
  for (const MemberBook& member : members_) {
    const ReadyToRun& ready = *member.ready;
    const std::string who = absl::StrCat("slot ", member.slot, " (node ", member.node.ShortName(),
                                         ") and slot ", members_.front().slot);
    if (ready.layout_hash != first.layout_hash || ready.total != first.total) {
      return MakeError("LAYOUT_DIFFERS", Exit::kIncompatible,
                       absl::StrCat(who, " built models of different layouts"),
                       "run the same build of rondo on every machine");
    }
    if (ready.base_root != first.base_root) {
      return MakeError("INITIAL_MODEL_DIFFERS", Exit::kIncompatible,
                       absl::StrCat(who, " drew different initial models from one seed"),
                       "run the same build of rondo on every machine");
    }
    if (ready.data_fingerprint != first.data_fingerprint) {
      return MakeError("DATA_DIFFERS", Exit::kUnreadable,
                       absl::StrCat(who, " hold different training data"),
                       "give every machine the same files, or check data.dir");
    }
  }
  return absl::OkStatus();
}

void Monitor::BeginRun() {
  if (absl::Status agree = CheckMembersAgree(); !agree.ok()) {
    Fail(agree);
    return;
  }
  const ReadyToRun& ready = *members_.front().ready;
  const SyncPolicyOptions policy_options = SyncPolicyOptionsOf(options_.config, ready.trainable);
  absl::StatusOr<std::unique_ptr<MonitorPolicy>> policy = MakeMonitorPolicy(policy_options);
  if (!policy.ok()) {
    Fail(MakeError("CONFIG_CONFLICT", Exit::kUsage, std::string(policy.status().message())));
    return;
  }
  theta_ = policy_options.theta;
  policy_ = *std::move(policy);
  round_ = std::make_unique<Round>(
      RoundOptions{.run = options_.run,
                   .head_epoch = options_.head_epoch,
                   .max_steps = options_.config.run.max_steps,
                   .evaluate_every = options_.config.run.evaluate_every,
                   .evaluate_mean = options_.config.run.evaluate == EvaluateWhat::kMean,
                   .target_accuracy = options_.config.run.target_accuracy,
                   .learning_rate = options_.config.optimizer.learning_rate,
                   .model_floats = ready.total,
                   .base_root = ready.base_root,
                   .layout_hash = ready.layout_hash},
      *policy_);
  std::vector<Member> view;
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    float weight = 1;
    if (options_.config.strategy.weighting == Weighting::kSamples) {
      weight = static_cast<float>(
          ShardSize(ready.train_samples, rank, static_cast<std::uint32_t>(members_.size())));
    }
    view.push_back({.node = members_[rank].node,
                    .slot = members_[rank].slot,
                    .weight = weight,
                    .endpoint = members_[rank].ready->endpoint});
  }
  began_ = context_->Now();
  listener_.OnViewOpened(options_.run, view);
  Perform(round_->Begin(std::move(view), context_->Now()));
}

// ------------------------------------------------------------------------------ reports, answers
// --

std::optional<std::uint32_t> Monitor::RankOf(runtime::NodeId node) const {
  const auto member = std::ranges::find(members_, node, &MemberBook::node);
  if (member == members_.end()) return std::nullopt;
  return static_cast<std::uint32_t>(member - members_.begin());
}

bool Monitor::Accept(MemberBook& member, std::uint64_t number) {
  if (number <= member.last_answer) return false;
  member.last_answer = number;
  return true;
}

absl::Status Monitor::On(runtime::Context& context, const StateReport& report) {
  const std::optional<std::uint32_t> rank = RankOf(context.sender());
  if (!rank.has_value() || round_ == nullptr || !Accept(members_[*rank], report.number)) {
    return absl::OkStatus();
  }
  Perform(round_->OnReport(*rank, report, context.Now()));
  return absl::OkStatus();
}

absl::Status Monitor::On(runtime::Context& context, const Answer& answer) {
  const std::optional<std::uint32_t> rank = RankOf(context.sender());
  if (!rank.has_value() || round_ == nullptr || !Accept(members_[*rank], answer.number)) {
    return absl::OkStatus();
  }
  // A broken ring is often the first sign of a dead neighbour: wait for the verdict on the process
  // before blaming the edge.
  const auto* fail = std::get_if<struct Fail>(&answer.body);
  if (fail != nullptr && fail->code == "RING_FAILED") {
    context.After(2 * kObituaryTimeout, [this, rank = *rank, answer] {
      if (!ended_) Perform(round_->OnAnswer(rank, answer, context_->Now()));
    });
    return absl::OkStatus();
  }
  Perform(round_->OnAnswer(*rank, answer, context.Now()));
  return absl::OkStatus();
}

absl::Status Monitor::On(runtime::Context& context, const MemberStatus& status,
                         runtime::Responder<MemberStatusReply> responder) {
  const std::optional<std::uint32_t> rank = RankOf(context.sender());
  if (!rank.has_value()) {
    responder.Answer(absl::NotFoundError("not a member of this run"));
    return absl::OkStatus();
  }
  members_[*rank].status = status;
  responder.Answer(MemberStatusReply{.last_answer = members_[*rank].last_answer});
  ResendWhatLacks(*rank, status.last_order);
  return absl::OkStatus();
}

// A status may cross an order on its way; so only what two in a row lack is sent again.
void Monitor::ResendWhatLacks(std::uint32_t rank, std::uint64_t last_order) {
  MemberBook& member = members_[rank];
  std::uint64_t lacking = 0;
  for (const RoundAction& action : recent_orders_) {
    if (NumberOf(action) > last_order && lacking == 0) lacking = NumberOf(action);
  }
  if (lacking != 0 && lacking == member.lacking_before) {
    for (const RoundAction& action : recent_orders_) {
      if (NumberOf(action) >= lacking) Send(action, rank);
    }
  }
  member.lacking_before = lacking;
}

// --------------------------------------------------------------------------------- what to do --

void Monitor::Perform(RoundActions actions) {
  for (RoundAction& action : actions) {
    if (std::holds_alternative<PublishDecision>(action) ||
        std::holds_alternative<SendOrder>(action)) {
      Send(action, std::nullopt);
      recent_orders_.push_back(std::move(action));
      while (NumberOf(recent_orders_.back()) - NumberOf(recent_orders_.front()) >= kRecentOrders) {
        recent_orders_.pop_front();
      }
    } else if (const auto* synchronized = std::get_if<Synchronized>(&action)) {
      last_loss_ = synchronized->loss;
      listener_.OnSynchronized(options_.run, *synchronized, theta_);
    } else if (const auto* tested = std::get_if<Tested>(&action)) {
      listener_.OnTested(options_.run, *tested);
    } else {
      End(std::get<Ended>(action).status);
    }
  }
}

void Monitor::Send(const RoundAction& action, std::optional<std::uint32_t> only_rank) {
  // What cannot be sent now is re-sent when the member's status shows that it lacks it.
  if (const auto* publish = std::get_if<PublishDecision>(&action)) {
    if (only_rank.has_value()) {
      (void)context_->Tell(WorkerAt(members_[*only_rank]), publish->decision);
    } else {
      (void)context_->Publish<Decision, WorkerProtocol>(kWorkerName, publish->decision);
    }
    return;
  }
  const SendOrder& send = std::get<SendOrder>(action);
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    if (members_[rank].lost) continue;
    if (send.rank.has_value() && *send.rank != rank) continue;
    if (only_rank.has_value() && *only_rank != rank) continue;
    (void)context_->Tell(WorkerAt(members_[rank]), send.order);
  }
}

absl::Status Monitor::On(runtime::Context& context, const ModelPart& part,
                         runtime::Responder<Nothing> responder) {
  const std::filesystem::path folder = options_.folder;
  const std::filesystem::path partial = folder / "model.pt.part";
  if (part.run != options_.run || part.offset != model_bytes_ ||
      !RankOf(context.sender()).has_value()) {
    responder.Answer(absl::FailedPreconditionError("not the part that follows"));
    return absl::OkStatus();
  }
  if (part.offset == 0) model_.open(partial, std::ios::binary | std::ios::trunc);
  model_.write(reinterpret_cast<const char*>(part.data.data()),
               static_cast<std::streamsize>(part.data.size()));
  model_bytes_ += part.data.size();
  if (part.last) {
    model_.close();
    std::error_code error;
    if (model_.good()) std::filesystem::rename(partial, folder / "model.pt", error);
    model_saved_ = model_.good() && !error;
  }
  if (!model_.good()) {
    responder.Answer(MakeError("DISK_FULL", Exit::kUnreadable,
                               absl::StrCat("cannot write ", partial.string()),
                               "free some space, or choose another run.out"));
    return absl::OkStatus();
  }
  responder.Answer(Nothing{});
  return absl::OkStatus();
}

void Monitor::OnTick() {
  if (ended_) return;
  context_->After(kTick, [this] { OnTick(); });
  if (round_ == nullptr) return;
  Perform(round_->OnTick(context_->Now()));
  if (ended_ || round_->step() == progress_step_) return;
  progress_step_ = round_->step();
  listener_.OnProgress(options_.run, {.step = round_->step(),
                                      .synchronizations = round_->synchronizations(),
                                      .variance_estimate = round_->variance_estimate(),
                                      .theta = theta_,
                                      .sent = SentByAll(),
                                      .workers = static_cast<std::uint32_t>(members_.size())});
}

// ------------------------------------------------------------------------------------ failures --

absl::Status Monitor::OnNodeDown(runtime::Context& context, runtime::NodeId node,
                                 const absl::Status& why) {
  const std::optional<std::uint32_t> rank = RankOf(node);
  if (!rank.has_value() || ended_ || members_[*rank].lost) return absl::OkStatus();
  // The launcher may still tell how the process ended, with its last words.
  context.After(kObituaryTimeout, [this, rank = *rank, why] {
    if (!ended_ && !members_[rank].lost) LoseMember(rank, why);
  });
  return absl::OkStatus();
}

void Monitor::OnProcessExited(runtime::NodeId node, const std::string& description,
                              const std::string& last_lines) {
  const std::optional<std::uint32_t> rank = RankOf(node);
  if (!rank.has_value() || ended_ || members_[*rank].lost) return;
  LoseMember(*rank, absl::UnavailableError(absl::StrCat(
                        "its process ", description,
                        last_lines.empty() ? "" : "; the last lines of its log:\n", last_lines)));
}

void Monitor::LoseMember(std::uint32_t rank, const absl::Status& why) {
  members_[rank].lost = true;
  const absl::Status lost =
      MakeError("WORKER_LOST", Exit::kRunFailed,
                absl::StrCat("the worker in slot ", members_[rank].slot, " (node ",
                             members_[rank].node.ShortName(), ") was lost at step ", step(), ": ",
                             std::string(why.message())),
                "a run needs all its workers; start it again");
  if (round_ == nullptr) {
    End(lost);
    return;
  }
  std::vector<std::uint32_t> all_lost;
  for (std::uint32_t other = 0; other < members_.size(); ++other) {
    if (members_[other].lost) all_lost.push_back(other);
  }
  Perform(round_->Fail(lost, all_lost, context_->Now()));
}

void Monitor::RequestStop() {
  if (round_ != nullptr) {
    round_->RequestStop();
  } else {
    End(MakeError("STOPPED", Exit::kRunFailed, "the run was stopped before it began"));
  }
}

void Monitor::Fail(const absl::Status& why) {
  if (ended_) return;
  if (round_ == nullptr) {
    End(why);
  } else {
    Perform(round_->Fail(why, {}, context_->Now()));
  }
}

std::string Monitor::WaitsFor() const {
  if (round_ != nullptr) return round_->WaitsFor();
  std::string names;
  for (const MemberBook& member : members_) {
    if (!member.ready.has_value()) absl::StrAppend(&names, names.empty() ? "" : ", ", member.slot);
  }
  return absl::StrCat("slots ", names, " to load model and data");
}

// ------------------------------------------------------------------------------------- the end --

runtime::Ledger Monitor::SentByAll() const {
  runtime::Ledger sent = options_.sent();
  for (std::size_t kind = 0; kind < runtime::kTrafficKinds; ++kind) {
    sent.bytes[kind] -= sent_before_.bytes[kind];
  }
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    const bool finished =
        round_ != nullptr && round_->finished()[rank].has_value() && !members_[rank].lost;
    sent += finished ? round_->finished()[rank]->sent : members_[rank].status.sent;
  }
  return sent;
}

runtime::Drops Monitor::Dropped() const {
  runtime::Drops dropped;
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    const bool finished =
        round_ != nullptr && round_->finished()[rank].has_value() && !members_[rank].lost;
    dropped += finished ? round_->finished()[rank]->dropped : members_[rank].status.dropped;
  }
  if (round_ != nullptr) dropped.fence += round_->stale();
  return dropped;
}

void Monitor::End(const absl::Status& status) {
  if (std::exchange(ended_, true)) return;
  RunSummary summary{.status = status,
                     .train_loss = last_loss_,
                     .theta = theta_,
                     .sent = SentByAll(),
                     .dropped = Dropped(),
                     .workers = static_cast<std::uint32_t>(members_.size()),
                     .model_saved = model_saved_};
  if (model_saved_) summary.model_path = options_.folder + "/model.pt";
  for (const MemberBook& member : members_) summary.workers_final += member.lost ? 0 : 1;
  if (round_ != nullptr) {
    const auto members = static_cast<double>(members_.size());
    for (const std::optional<Finished>& finished : round_->finished()) {
      if (!finished.has_value()) continue;
      summary.samples += finished->samples;
      summary.compute_seconds += finished->compute_seconds / members;
      summary.wait_seconds += finished->wait_seconds / members;
      summary.ring_seconds += finished->ring_seconds / members;
      summary.evaluate_seconds += finished->evaluate_seconds / members;
    }
    summary.steps = round_->step();
    summary.synchronizations = round_->synchronizations();
    summary.reached_step = round_->reached_step();
    summary.last_test = round_->last_test();
    summary.best_accuracy = round_->best_accuracy();
    summary.trainable = members_.front().ready->trainable;
    summary.total = members_.front().ready->total;
    summary.state_bytes = options_.config.strategy.name == Strategy::kFda
                              ? StateBytes(EstimatorOptionsOf(options_.config, summary.trainable))
                              : 0;
    summary.seconds = runtime::ToSeconds(context_->Now() - began_);
    summary.root = round_->root();
    // The round machine fails the run at the first commit whose roots differ.
    summary.replicas_equal = status.ok() && summary.synchronizations > 0;
  }
  listener_.OnRunEnded(options_.run, summary);
}

}  // namespace actors
