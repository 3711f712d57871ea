#include "actors/monitor.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "actors/averaging/cost.h"
#include "actors/run_options.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;
using runtime::NodeId;

constexpr runtime::Duration kTick = std::chrono::milliseconds(100);
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

absl::Status Monitor::OnStart(runtime::Context& context) {
  context_ = &context;
  sent_before_ = options_.sent();
  lacks_workers_since_ = context.Now();
  if (options_.resumed.has_value()) {
    absent_ = options_.resumed->members;
    commits_ = options_.resumed->commits;
    checkpoint_ = options_.resumed->checkpoint;
    return_until_ = context.Now() + options_.return_within;
  }
  AssignWaiting();
  context.After(kTick, [this] { OnTick(); });
  return absl::OkStatus();
}

runtime::ActorRef<WorkerProtocol> Monitor::WorkerAt(runtime::NodeId node) const {
  return {.address = {.node = node, .actor = runtime::ActorIdOf(kWorkerName)}};
}

// ---------------------------------------------------------------------------- reports, answers --

bool Monitor::Accept(MemberBook& member, std::uint64_t number) {
  if (number <= member.last_answer) return false;
  member.last_answer = number;
  return true;
}

absl::Status Monitor::On(runtime::Context& context, const StateReport& report) {
  MemberBook* const member = Find(context.sender());
  if (member == nullptr || round_ == nullptr || !Accept(*member, report.number)) {
    return absl::OkStatus();
  }
  if (const auto rank = round_->RankOf(member->node)) {
    recorder_.OnHeard(context.Now(), member->slot, report);
    Perform(round_->OnReport(*rank, report, context.Now()));
  }
  return absl::OkStatus();
}

absl::Status Monitor::On(runtime::Context& context, const Answer& answer) {
  MemberBook* const member = Find(context.sender());
  if (member == nullptr || round_ == nullptr || !Accept(*member, answer.number)) {
    return absl::OkStatus();
  }
  if (const auto rank = round_->RankOf(member->node)) {
    recorder_.OnHeard(context.Now(), member->slot, answer);
    Perform(round_->OnAnswer(*rank, answer, context.Now()));
  }
  return absl::OkStatus();
}

absl::Status Monitor::On(runtime::Context& context, const MemberStatus& status,
                         runtime::Responder<MemberStatusReply> responder) {
  MemberBook* const member = Find(context.sender());
  if (member == nullptr) {
    responder.Answer(absl::NotFoundError("not a member of this run"));
    return absl::OkStatus();
  }
  member->status = status;
  responder.Answer(MemberStatusReply{.last_answer = member->last_answer});
  if (member->stage != Stage::kMember) return absl::OkStatus();
  heard_ = context.Now();
  NotePace(*member);
  recorder_.OnHeard(heard_, member->slot, status);
  if (status.orphan) {
    OnStray(*member, "was cut off from the head");
  } else {
    ResendWhatLacks(*member, status.last_order);
    if (const auto rank = round_->RankOf(member->node)) {
      round_->OnStatus(*rank, status, heard_);
    }
  }
  return absl::OkStatus();
}

void Monitor::NotePace(MemberBook& member) {
  const double seconds = runtime::ToSeconds(heard_ - member.paced_at);
  if (seconds < 1) return;
  const std::uint64_t step = member.status.step;
  const bool first = member.paced_at == runtime::Time{} || step < member.paced_step;
  const double steps = static_cast<double>(first ? 0 : step - member.paced_step);
  member.steps_per_second = steps / seconds;
  member.paced_step = step;
  member.paced_at = heard_;
}

double Monitor::StepsPerSecondOf(NodeId node) const {
  const auto member = members_.find(node);
  return member == members_.end() ? 0 : member->second.steps_per_second;
}

// A status may cross an order on its way; so only what two in a row lack is sent again.
void Monitor::ResendWhatLacks(MemberBook& member, std::uint64_t last_order) {
  const std::optional<std::uint32_t> rank = round_->RankOf(member.node);
  if (!rank.has_value()) return;
  const std::uint64_t next = std::max(last_order + 1, member.first_order);
  std::uint64_t lacking = 0;
  for (const RoundAction& action : recent_orders_) {
    if (NumberOf(action) >= next && lacking == 0) lacking = NumberOf(action);
  }
  if (lacking != 0 && lacking == member.lacking_before) {
    for (const RoundAction& action : recent_orders_) {
      if (NumberOf(action) >= lacking) SendTo(round_->members()[*rank], action);
    }
  }
  member.lacking_before = lacking;
}

// --------------------------------------------------------------------------------- what to do --

void Monitor::Perform(RoundActions actions) {
  std::vector<runtime::NodeId> hopeless;
  for (RoundAction& action : actions) {
    if (const auto* send = std::get_if<SendOrder>(&action)) {
      recorder_.OnSent(context_->Now(), send->order);
    }
    if (std::holds_alternative<PublishDecision>(action) ||
        std::holds_alternative<SendOrder>(action)) {
      Send(action);
      last_order_ = NumberOf(action);
      recent_orders_.push_back(std::move(action));
      while (last_order_ - NumberOf(recent_orders_.front()) >= kRecentOrders) {
        recent_orders_.pop_front();
      }
    } else if (const auto* synchronized = std::get_if<Synchronized>(&action)) {
      last_loss_ = synchronized->loss;
      for (const runtime::NodeId node : synchronized->reset) {
        if (NoteReset(node, synchronized->round)) hopeless.push_back(node);
      }
      outliers_ += static_cast<std::uint64_t>(
          std::ranges::count_if(synchronized->drifts, &MemberDrift::HasBecomeOutlier));
      listener_.OnSynchronized(options_.run, *synchronized);
      if (!synchronized->choice.empty()) {
        listener_.OnNote(options_.run, synchronized->choice);
      }
    } else if (const auto* tested = std::get_if<Tested>(&action)) {
      listener_.OnTested(options_.run, *tested);
    } else if (const auto* opened = std::get_if<ViewOpened>(&action)) {
      OnViewOpened(*opened);
    } else if (const auto* aborted = std::get_if<Aborted>(&action)) {
      ++aborts_;
      listener_.OnAborted(options_.run, *aborted, recorder_.At(context_->Now()));
    } else if (const auto* stuck = std::get_if<Stuck>(&action)) {
      for (const runtime::NodeId node : stuck->nodes) LetGoOfStuck(node, stuck->seconds);
    } else if (const auto* passed_over = std::get_if<PassedOver>(&action)) {
      OnPassedOver(*passed_over);
    } else if (const auto* left = std::get_if<Left>(&action)) {
      OnLeft(left->node);
    } else {
      End(std::get<Ended>(action).status);
    }
  }
  for (const runtime::NodeId node : hopeless) ExpelHopeless(node);
  AdmitWhoIsReady();
}

// What cannot be sent now is sent again when the member's status shows that it lacks it.
void Monitor::Send(const RoundAction& action) {
  if (const auto* publish = std::get_if<PublishDecision>(&action)) {
    (void)context_->Publish<Decision, WorkerProtocol>(kWorkerName, publish->decision);
    return;
  }
  for (const Member& member : round_->members()) SendTo(member, action);
}

void Monitor::SendTo(const Member& member, const RoundAction& action) {
  if (const auto* publish = std::get_if<PublishDecision>(&action)) {
    (void)context_->Tell(WorkerAt(member.node), publish->decision);
    return;
  }
  const SendOrder& send = std::get<SendOrder>(action);
  if (send.rank.has_value() && round_->members()[*send.rank].node != member.node) return;
  (void)context_->Tell(WorkerAt(member.node), send.order);
}

absl::Status Monitor::On(runtime::Context& context, const ModelPart& part,
                         runtime::Responder<Nothing> responder) {
  const std::filesystem::path folder = options_.folder;
  const std::filesystem::path partial = folder / "model.pt.part";
  // Whoever began may be gone, and another one begins anew.
  const bool begins = part.offset == 0 && context.sender() != model_from_;
  if (part.run != options_.run || (part.offset != model_bytes_ && !begins) ||
      Find(context.sender()) == nullptr) {
    responder.Answer(absl::FailedPreconditionError("not the part that follows"));
    return absl::OkStatus();
  }
  if (begins) {
    model_ = std::ofstream(partial, std::ios::binary | std::ios::trunc);
    model_bytes_ = 0;
    model_from_ = context.sender();
  }
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
  CheckWait();
  PursueWhoReturns();
  ResolveWhoTold();
  if (ended_ || round_ == nullptr) return;
  TakeCheckpointIfDue();
  Perform(round_->OnTick(context_->Now()));
  if (ended_ || round_->step() == progress_step_) return;
  progress_step_ = round_->step();
  listener_.OnProgress(options_.run,
                       {.step = round_->step(),
                        .synchronizations = round_->synchronizations(),
                        .variance_estimate = round_->variance_estimate(),
                        .theta = round_->theta(),
                        .sent = SentByAll(),
                        .workers = static_cast<std::uint32_t>(round_->members().size())});
}

void Monitor::RequestStop() {
  if (ended_) return;
  stop_requested_ = true;
  if (round_ != nullptr) {
    round_->RequestStop();
  } else {
    TryBegin();
  }
}

void Monitor::Fail(const absl::Status& why) {
  if (ended_) return;
  if (round_ == nullptr) {
    End(why);
  } else {
    Perform(round_->Fail(why, context_->Now()));
  }
}

std::string Monitor::WaitsFor() const {
  if (round_ != nullptr) return round_->WaitsFor();
  std::string names;
  if (AwaitsReturn(Stage::kTold)) {
    for (const auto& [node, slot] : absent_) {
      absl::StrAppend(&names, names.empty() ? "" : ", ", slot);
    }
    return absl::StrCat("slots ", names, " to come back");
  }
  for (const auto& [node, member] : members_) {
    if (!member.ready.has_value()) absl::StrAppend(&names, names.empty() ? "" : ", ", member.slot);
  }
  if (names.empty()) {
    return absl::StrCat("workers: ", members_.size(), " of at least ",
                        options_.config.run.min_workers);
  }
  return absl::StrCat("slots ", names, " to load model and data");
}

bool Monitor::IsPaused() const {
  return !ended_ && round_ != nullptr && round_->lacks_workers() &&
         round_->phase() != Round::Phase::kFinishing && round_->phase() != Round::Phase::kEnded;
}

std::optional<Monitor::Standing> Monitor::StandingOf(NodeId node) const {
  const auto member = members_.find(node);
  if (ended_ || member == members_.end()) return std::nullopt;
  if (member->second.leaving.has_value()) {
    return Standing{.state = "LEAVING",
                    .reason = options_.config.run.on_leave_sync ? "its drift is averaged in first"
                                                                : "it goes between two rounds"};
  }
  switch (member->second.stage) {
    case Stage::kWaiting: return Standing{.reason = "waits for a place: run.max_workers are there"};
    case Stage::kLoading: return Standing{.state = "JOINING", .reason = "loads model and data"};
    case Stage::kAsked:
    case Stage::kTold:
    case Stage::kResolving:
      return Standing{.state = "JOINING", .reason = "comes back with its drift"};
    case Stage::kPulling: return Standing{.state = "JOINING", .reason = "fetches the model"};
    case Stage::kReady:
      if (round_ != nullptr && !round_->HasPlaceFor({SeatOf(member->second)})) {
        return Standing{.state = "JOINING", .reason = "has no place on the ring yet"};
      }
      return Standing{
          .state = "JOINING",
          .reason = round_ == nullptr ? "has loaded; others load" : "enters between two rounds"};
    case Stage::kMember: return StandingOfMember(node);
  }
  REQUIRE(false);
}

Monitor::Standing Monitor::StandingOfMember(NodeId node) const {
  const std::optional<std::uint32_t> rank = round_->RankOf(node);
  const double late = rank.has_value() ? round_->LatenessOf(*rank, context_->Now()) : 0;
  if (late == 0) return Standing{};
  return Standing{.state = "SUSPECT",
                  .reason = absl::StrCat("the others wait for its step for ", late, " s")};
}

// ------------------------------------------------------------------------------------- the end --

const Finished* Monitor::LastWordsOf(runtime::NodeId node) const {
  if (round_ == nullptr) return nullptr;
  const std::optional<std::uint32_t> rank = round_->RankOf(node);
  if (!rank.has_value() || !round_->finished()[*rank].has_value()) return nullptr;
  return &*round_->finished()[*rank];
}

runtime::Ledger Monitor::SentByAll() const {
  runtime::Ledger sent = options_.sent();
  for (std::size_t kind = 0; kind < runtime::kTrafficKinds; ++kind) {
    sent.bytes[kind] -= sent_before_.bytes[kind];
  }
  sent += past_.sent;
  for (const auto& [node, member] : members_) {
    const Finished* const finished = LastWordsOf(node);
    sent += finished != nullptr ? finished->sent : member.status.sent;
  }
  return sent;
}

runtime::Drops Monitor::Dropped() const {
  runtime::Drops dropped = past_.dropped;
  for (const auto& [node, member] : members_) {
    const Finished* const finished = LastWordsOf(node);
    dropped += finished != nullptr ? finished->dropped : member.status.dropped;
  }
  if (round_ != nullptr) dropped.fence += round_->stale();
  return dropped;
}

void Monitor::End(const absl::Status& status) {
  if (std::exchange(ended_, true)) return;
  RunSummary summary{.status = status,
                     .train_loss = last_loss_,
                     .sent = SentByAll(),
                     .dropped = Dropped(),
                     .workers = most_workers_,
                     .joins = joins_,
                     .leaves = leaves_,
                     .deaths = deaths_,
                     .aborts = aborts_,
                     .resets = resets_,
                     .outliers = outliers_,
                     .model_saved = model_saved_};
  if (model_saved_) summary.model_path = options_.folder + "/model.pt";
  if (round_ != nullptr) {
    summary.theta = round_->theta();
    const auto members = static_cast<double>(round_->members().size());
    summary.workers_final = static_cast<std::uint32_t>(std::ranges::count_if(
        round_->members(),
        [this](const Member& member) { return members_.contains(member.node); }));
    summary.samples = past_.samples;
    summary.predictions = past_.predictions;
    for (const auto& [node, member] : members_) {
      const Finished* const finished = LastWordsOf(node);
      summary.samples += finished != nullptr ? finished->samples : member.status.samples;
      summary.predictions +=
          finished != nullptr ? finished->predictions : member.status.predictions;
      if (finished == nullptr) continue;
      summary.compute_seconds += finished->compute_seconds / members;
      summary.wait_seconds += finished->wait_seconds / members;
      summary.ring_seconds += finished->ring_seconds / members;
      summary.evaluate_seconds += finished->evaluate_seconds / members;
    }
    summary.steps = round_->step();
    summary.synchronizations = round_->synchronizations();
    summary.paper_counts = past_.paper_counts;
    summary.paper_counts += round_->paper_counts();
    summary.reached_step = round_->reached_step();
    summary.last_test = round_->last_test();
    summary.best_accuracy = round_->best_accuracy();
    summary.trainable = reference_->trainable;
    summary.total = reference_->total;
    summary.seconds = runtime::ToSeconds(context_->Now() - began_);
    summary.root = round_->root();
    // The round machine fails the run at the first commit whose roots differ.
    summary.replicas_equal = status.ok() && summary.synchronizations > 0;
  }
  // Whoever waits for a checkpoint waits for nothing any more.
  const std::function<void()> taken = std::exchange(after_last_checkpoint_, nullptr);
  listener_.OnRunEnded(options_.run, summary);
  if (taken != nullptr) taken();
}

}  // namespace actors
