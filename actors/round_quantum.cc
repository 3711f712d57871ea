// A round whose members train on without waiting for a decision (strategy.decision = "quantum").
//
// QuantumMonitor says what the reports mean; here it is carried out. While `training`, members are
// at different steps, and no order stops them but PREPARE and a new view, after which they wait as
// in lockstep. All else is the same machine: a poll whose answers are in is where lockstep has the
// reports of all, and decides by the same policy.
//
// `step_` is the mean of the members' own counts. Whoever comes to a step at which something is due
// (the last, a test) by its own count says so; then all are asked, and it is due if the mean is.
#include <algorithm>
#include <utility>

#include "actors/round.h"

namespace actors {
namespace {

using runtime::NodeId;
using runtime::Time;

// For an answer and for READY: twice the slowest usual step, and this (protocol.md 6).
constexpr double kPatienceSteps = 2;
constexpr std::chrono::milliseconds kPatience(250);
// As long as nothing is known of somebody's steps.
constexpr std::chrono::seconds kFirstPatience(10);
// A new view: members may have to look at their data anew before they report.
constexpr std::chrono::seconds kOpeningPatience(10);
// Where too few are READY to go on without the others: after so long these are stuck.
constexpr std::chrono::seconds kStuck(30);
constexpr int kStuckPatiences = 10;

}  // namespace

runtime::Duration Round::Patience() const {
  double slowest = 0;
  for (const Member& member : members_) {
    const auto pace = step_counts_.find(member.node);
    if (pace == step_counts_.end() || pace->second.step_seconds == 0) return kFirstPatience;
    slowest = std::max(slowest, pace->second.step_seconds);
  }
  return runtime::FromSeconds(kPatienceSteps * slowest) + kPatience;
}

void Round::CountSteps(std::uint32_t rank, std::uint64_t steps, bool in_view) {
  if (!quantum_.has_value()) return;
  // What is trained through a ring counts for the next one.
  const bool through_ring = overlaps_ && (phase_ == Phase::kPreparing || phase_ == Phase::kRinging);
  if (through_ring && !in_view) return;
  const NodeId node = members_[rank].node;
  auto pace = step_counts_.find(node);
  if (pace == step_counts_.end()) {
    // A newcomer counts from the run's step, which it has with its first view.
    if (in_view) step_counts_[node] = {.steps = steps};
    return;
  }
  if (steps <= pace->second.steps) return;
  progress_ +=
      static_cast<double>(steps - pace->second.steps) / static_cast<double>(members_.size());
  pace->second.steps = steps;
  AdvanceTo(static_cast<std::uint64_t>(progress_));
}

RoundActions Round::OnReportWithoutBarrier(std::uint32_t rank, const StateReport& report,
                                           Time now) {
  if (phase_ != Phase::kTraining || report.fence != WithoutAttempt()) {
    ++stale_;
    return {};
  }
  CountSteps(rank, report.step, /*in_view=*/true);
  states_[rank] = report.state;
  const QuantumMove move = quantum_->OnReport(
      rank, {.poll = report.sequence, .number = report.number, .state = report.state});
  const bool may = now >= not_before_ || IsEnding();
  if (std::holds_alternative<std::monostate>(move) && report.due && marks_.has_value() && may) {
    RoundActions actions;
    Poll(now, actions);
    return actions;
  }
  return Follow(move, now);
}

RoundActions Round::Follow(const QuantumMove& move, Time now) {
  RoundActions actions;
  if (const auto* poll = std::get_if<QuantumPoll>(&move)) {
    PublishPoll(*poll, now, actions);
  } else if (const auto* quanta = std::get_if<Quanta>(&move)) {
    marks_ = *quanta;
    deadline_.reset();
    return Decide(now);
  } else if (const auto* verdict = std::get_if<Verdict>(&move)) {
    marks_.reset();
    deadline_.reset();
    if (!lacks_workers()) return Act(*verdict, now);
    phase_ = Phase::kHolding;
  }
  return actions;
}

// The opening reports answer the first poll of the view.
void Round::OpenWithoutBarrier(Time now) {
  sequence_ = quantum_->Open(weights_).poll;
  deadline_ = now + std::max<runtime::Duration>(Patience(), kOpeningPatience);
}

void Round::Poll(Time now, RoundActions& actions) {
  PublishPoll(quantum_->Open(weights_), now, actions);
}

void Round::PublishPoll(const QuantumPoll& poll, Time now, RoundActions& actions) {
  BeginTraining(now);
  marks_.reset();
  stopped_ = false;
  sequence_ = poll.poll;
  deadline_ = now + Patience();
  actions.push_back(PublishDecision{.decision = {.fence = WithoutAttempt(),
                                                 .number = ++orders_,
                                                 .sequence = sequence_,
                                                 .step = step_,
                                                 .poll = true}});
}

// With the marks that were made from the last answers, if they still hold. After a round that
// failed there are none, and until the next may begin there need be none.
void Round::ReleaseWithoutBarrier(Time now, RoundActions& actions) {
  if (!marks_.has_value()) {
    if (stopped_ || now >= not_before_) Poll(now, actions);
    return;
  }
  BeginTraining(now);
  stopped_ = false;
  actions.push_back(PublishDecision{.decision = {.fence = WithoutAttempt(),
                                                 .number = ++orders_,
                                                 .sequence = marks_->poll,
                                                 .step = step_,
                                                 .xhat = marks_->xhat,
                                                 .quantum = marks_->quantum}});
}

// Whoever is to wait before the ring waits at a boundary, so that theta is what it is.
void Round::StopAll(Time now, RoundActions& actions) {
  const Time newcomer_until = newcomer_until_;
  OpenNextView(members_, now, actions);
  newcomer_until_ = newcomer_until;
}

bool Round::SomethingIsDue() const {
  const bool interval = rule_.max_interval > 0 && step_ - synchronized_step_ >= rule_.max_interval;
  return IsEnding() || !leaving_.empty() || interval ||
         (options_.evaluate_mean && EvaluationIsDue());
}

RoundActions Round::TickWithoutBarrier(Time now) {
  if (IsPolling() && now >= *deadline_) {
    deadline_.reset();
    return phase_ == Phase::kPreparing ? PassOver(now)
                                       : Follow(quantum_->OnPollDeadline(sequence_), now);
  }
  RoundActions actions;
  const bool may = phase_ == Phase::kTraining && !IsPolling() && (now >= not_before_ || IsEnding());
  // Without marks nobody would speak.
  if (may && (SomethingIsDue() || !marks_.has_value())) Poll(now, actions);
  return actions;
}

// Who does not come to a boundary is not waited for, as long as enough others do.
RoundActions Round::PassOver(Time now) {
  std::vector<NodeId> late;
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    if (!have_[rank]) late.push_back(members_[rank].node);
  }
  const runtime::Duration waited = now - decided_at_;
  const std::size_t rest = members_.size() - late.size();
  if (rest >= std::max<std::size_t>(1, options_.min_workers)) {
    return {PassedOver{.nodes = std::move(late), .seconds = runtime::ToSeconds(waited)}};
  }
  const runtime::Duration patience = Patience();
  deadline_ = now + patience;
  if (waited < std::max<runtime::Duration>(kStuck, kStuckPatiences * patience)) {
    return {};
  }
  return {Stuck{.nodes = std::move(late), .seconds = runtime::ToSeconds(waited)}};
}

}  // namespace actors
