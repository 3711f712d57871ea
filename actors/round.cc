#include "actors/round.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;
using runtime::Time;

}  // namespace

Round::Round(const RoundOptions& options, const MonitorPolicy& policy,
             std::optional<QuantumMonitor> quantum)
    : options_(options),
      policy_(policy),
      root_(options.base_root),
      rule_(policy.rule()),
      quantum_(std::move(quantum)) {
  if (options.tune_theta.has_value()) {
    tuner_.emplace(*options.tune_theta);
    rule_ = tuner_->rule();
  }
  if (quantum_.has_value()) quantum_->SetTheta(RuleNow().theta);
  fence_ = {.run = options.run, .head_epoch = options.head_epoch};
}

// ------------------------------------------------------------------------------------ orders ----

runtime::Fence Round::WithoutAttempt() const {
  runtime::Fence fence = fence_;
  fence.attempt = 0;
  return fence;
}

Order Round::NewOrder(Order::Body body) {
  return {.fence = fence_, .number = ++orders_, .step = step_, .body = std::move(body)};
}

void Round::SendToAll(Order::Body body, RoundActions& actions) {
  actions.push_back(SendOrder{.rank = std::nullopt, .order = NewOrder(std::move(body))});
}

RoundActions Round::Begin(std::vector<Member> members, Time now) {
  REQUIRE(!members.empty() && phase_ == Phase::kEnded);
  RoundActions actions;
  OpenNextView(std::move(members), now, actions);
  return actions;
}

// ---------------------------------------------------------------------------------- training ----

bool Round::IsComplete(std::uint32_t rank) {
  have_[rank] = true;
  if (!std::ranges::all_of(have_, [](bool done) { return done; })) return false;
  have_.assign(members_.size(), false);
  return true;
}

RoundActions Round::OnReport(std::uint32_t rank, const StateReport& report, Time now) {
  REQUIRE(rank < members_.size());
  if (quantum_.has_value()) return OnReportWithoutBarrier(rank, report, now);
  // A new view opens with a report of the drift as it is; every other follows one more step.
  const std::uint64_t expected_step = sequence_ == 0 ? step_ : step_ + 1;
  if (phase_ != Phase::kTraining || report.fence != WithoutAttempt() ||
      report.sequence != sequence_ || report.step != expected_step || have_[rank]) {
    ++stale_;
    return {};
  }
  states_[rank] = report.state;
  if (!IsComplete(rank)) return {};
  if (sequence_ > 0) NoteStepTime(now);
  AdvanceTo(expected_step);
  return Decide(now);
}

void Round::AdvanceTo(std::uint64_t step) {
  if (step > step_) paper_counts_.member_steps += (step - step_) * members_.size();
  step_ = step;
}

bool Round::EvaluationIsDue() const {
  return options_.evaluate_every > 0 &&
         step_ / options_.evaluate_every > tested_step_ / options_.evaluate_every;
}

bool Round::IsEnding() const {
  return stop_requested_ || target_reached_ || step_ >= options_.max_steps;
}

bool Round::MustWait(Time now) const {
  return lacks_workers() || now < not_before_ || (now < newcomer_until_ && !IsEnding());
}

bool Round::MustHold(Time now) {
  if (!MustWait(now)) return false;
  phase_ = Phase::kHolding;
  disturbed_ = true;
  return true;
}

RoundActions Round::GoOn(Time now) {
  if (options_.reports) return Decide(now);
  if (!no_ring_.ok()) return Fail(no_ring_, now);
  RoundActions actions;
  if (!MustHold(now)) BeginPrepare(purpose_, now, actions);
  return actions;
}

RoundActions Round::Decide(Time now) {
  if (lacks_workers()) {
    phase_ = Phase::kHolding;
    return {};
  }
  return Act(
      policy_.Decide(
          {.boundary = {.step = step_, .steps_since_synchronization = step_ - synchronized_step_},
           .ending = IsEnding(),
           .states = states_,
           .weights = weights_,
           .rule = RuleNow()}),
      now);
}

RoundActions Round::Act(const Verdict& verdict, Time now) {
  decided_at_ = now;
  if (!no_ring_.ok()) return Fail(no_ring_, now);  // It is to end, and cannot in order.
  RoundActions actions;
  // Who reports no number is taken into the next base as soon as possible.
  const bool diverged = verdict.decision == SyncDecision::kError && absl::IsDataLoss(verdict.error);
  if (verdict.decision == SyncDecision::kError && !diverged) {
    const std::string who = verdict.culprit.has_value()
                                ? Name(static_cast<std::uint32_t>(*verdict.culprit))
                                : "a member";
    return FailNow("PROTOCOL",
                   absl::StrCat(who, " reported an unusable drift at step ", step_, ": ",
                                std::string(verdict.error.message())),
                   now);
  }
  variance_estimate_ = diverged ? std::nullopt : std::optional(verdict.variance_estimate);
  const bool leaver = options_.leave_with_synchronization && !leaving_.empty();
  // A run ends with a synchronization of its present members, of which one may have come just now.
  const bool last = IsEnding() && step_ > 0;
  if (verdict.decision == SyncDecision::kSynchronize || diverged || owed_.has_value() || leaver ||
      last) {
    // Too soon after a round that failed: nobody loses anything by training on.
    if (now < not_before_ && !IsEnding()) {
      Continue(now, actions);
    } else if (!stopped_ && MustWait(now)) {
      StopAll(now, actions);
    } else if (!MustHold(now)) {
      BeginPrepare(RingPurpose::kSynchronize, now, actions);
    }
  } else if (options_.evaluate_mean && EvaluationIsDue()) {
    BeginPrepare(RingPurpose::kEvaluate, now, actions);
  } else {
    Continue(now, actions);
  }
  return actions;
}

void Round::Continue(Time now, RoundActions& actions) {
  const bool averaged_in =
      !options_.leave_with_synchronization || (synchronized_step_ == step_ && !drift_left_);
  if (!leaving_.empty() && averaged_in) {
    DropLeavers(now, actions);
    return;
  }
  deadline_.reset();
  if (quantum_.has_value()) return ReleaseWithoutBarrier(now, actions);
  BeginTraining(now);
  actions.push_back(PublishDecision{
      .decision = {
          .fence = WithoutAttempt(), .number = ++orders_, .sequence = sequence_, .step = step_}});
  ++sequence_;
}

// ---------------------------------------------------------------------------- preparing, ring ----

void Round::BeginPrepare(RingPurpose purpose, Time now, RoundActions& actions) {
  phase_ = Phase::kPreparing;
  have_.assign(members_.size(), false);
  purpose_ = purpose;
  if (quantum_.has_value()) {
    stopped_ = true;
    deadline_ = now + Patience();
  }
  // Of whoever goes or ends after this ring it has all.
  overlaps_ =
      options_.overlap && purpose == RingPurpose::kSynchronize && !IsEnding() && leaving_.empty();
  ++fence_.attempt;
  SendToAll(Prepare{.purpose = purpose, .train_on = overlaps_}, actions);
}

RoundActions Round::OnReady(std::uint32_t rank, const Answer& answer, const Ready& ready,
                            Time now) {
  const bool unasked = phase_ == Phase::kTraining && answer.fence == WithoutAttempt();
  const bool asked = phase_ == Phase::kPreparing && answer.fence == fence_;
  if ((!unasked && !asked) || have_[rank]) {
    ++stale_;
    return {};
  }
  if (unasked && std::ranges::none_of(have_, [](bool done) { return done; })) decided_at_ = now;
  ready_[rank] = ready;
  CountSteps(rank, ready.step, /*in_view=*/true);
  if (!IsComplete(rank)) return {};

  std::vector<runtime::Hash128> roots;
  for (const Ready& other : ready_) {
    roots.push_back(other.root);
    const bool same_step = other.step == ready_[0].step || quantum_.has_value();
    if (!same_step || other.purpose != ready_[0].purpose) {
      return FailNow("PROTOCOL",
                     absl::StrCat("members are READY at different steps, ", other.step, " and ",
                                  ready_[0].step),
                     now);
    }
  }
  if (absl::Status equal = CheckRoots(roots, root_, "READY"); !equal.ok()) return Fail(equal, now);
  JudgeDrifts();
  LeaveOutOutliers();
  if (absl::Status adds = CheckAnyoneAdds(); !adds.ok()) return Fail(adds, now);
  RoundActions actions;
  if (unasked) {
    NoteStepTime(now);
    AdvanceTo(ready.step);
    purpose_ = ready.purpose;
    owed_ = purpose_;
    if (now < not_before_ && !lacks_workers() && !IsEnding()) {
      owed_.reset();
      Continue(now, actions);
      return actions;
    }
    if (MustHold(now)) return actions;
    if (!no_ring_.ok()) return Fail(no_ring_, now);
    ++fence_.attempt;
  }
  BeginRing(purpose_, now, actions);
  return actions;
}

RoundActions Round::OnDone(std::uint32_t rank, const Done& done, Time now) {
  if (phase_ != Phase::kRinging || have_[rank]) {
    ++stale_;
    return {};
  }
  done_[rank] = done;
  if (!IsComplete(rank)) return {};

  std::vector<runtime::Hash128> roots;
  double slowest = 0;
  for (const Done& other : done_) {
    roots.push_back(other.root);
    slowest = std::max(slowest, other.seconds);
  }
  if (absl::Status equal = CheckRoots(roots, std::nullopt, "DONE"); !equal.ok()) {
    return Retry(equal, now);
  }
  usual_ring_seconds_ =
      usual_ring_seconds_ > 0 ? 0.8 * usual_ring_seconds_ + 0.2 * slowest : slowest;
  if (purpose_ == RingPurpose::kSynchronize) {
    const absl::Status recorded = RecordCommit(done.root);
    return recorded.ok() ? CommitRound(done.root, Pace::kAsPlanned, now)
                         : OnUnrecorded(recorded, now);
  }
  owed_.reset();
  phase_ = Phase::kEvaluatingMean;
  counts_ = {};
  deadline_.reset();
  RoundActions actions;
  SendToAll(EvaluateMean{}, actions);
  return actions;
}

Synchronized Round::EventOfCommit(Time now) {
  Synchronized event{.round = Number(fence_.round) + 1,
                     .step = step_,
                     .variance_estimate = variance_estimate_,
                     .prepare_seconds = runtime::ToSeconds(started_at_ - decided_at_),
                     .root = root_,
                     .drifts = std::exchange(drifts_, {})};
  committed_ = {.steps = step_ - synchronized_step_};
  // 0: a poll that not all answered, of which nobody knows.
  if (overlaps_ && variance_estimate_.value_or(0) > 0) committed_.variance = variance_estimate_;
  event.variance_added = std::exchange(variance_added_, std::nullopt);
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    committed_.weights[members_[rank].node] = RingWeight(rank);
    if (RingWeight(rank) > 0) {
      ++event.contributors;
      event.loss += ready_[rank].loss;
    } else if (ready_[rank].weight > 0 && left_out_[rank]) {
      event.left_out.push_back(members_[rank].node);
    } else {
      event.reset.push_back(members_[rank].node);
    }
    event.predictions += ready_[rank].predictions;
    event.ring_seconds = std::max(event.ring_seconds, done_[rank].seconds);
    event.sent += done_[rank].sent;
  }
  event.loss /= std::max(1U, event.contributors);
  event.control_seconds = runtime::ToSeconds(now - decided_at_) - event.ring_seconds;
  return event;
}

RoundActions Round::CommitRound(const runtime::Hash128& root, Pace pace, Time now) {
  root_ = root;
  paper_counts_.member_synchronizations += members_.size();
  // Who trained on through this ring goes, and ends, with the next one.
  drift_left_ = overlaps_;
  const bool ending = IsEnding() && pace == Pace::kAsPlanned && !drift_left_;
  const bool parting = !leaving_.empty() && !(drift_left_ && options_.leave_with_synchronization);
  // A mean that was tested at this very step is the model that is committed: the ring is exact.
  const bool tested_now = options_.commits_mean && last_test_.has_value() && last_test_->of_mean &&
                          tested_step_ == step_;
  const bool test = pace == Pace::kAsPlanned && !tested_now && (ending || EvaluationIsDue());
  const bool wait = !test && (ending || pace == Pace::kNewViewFollows || parting);

  const std::optional<double> theta_then = theta();
  std::string choice = TuneTheta(now);
  Commit commit{
      .root = root_, .then_evaluate = test, .then_wait = wait, .max_interval = rule_.max_interval};
  if (quantum_.has_value()) {
    quantum_->SetWeights(weights_);
    quantum_->SetTheta(options_.overlap ? ThetaForOverlap() : RuleNow().theta);
    marks_ = quantum_->Commit();
    commit.sequence = sequence_ = marks_->poll;
    commit.quantum = marks_->quantum;
    stopped_ = test || wait;
  }
  RoundActions actions;
  SendToAll(commit, actions);
  Synchronized event = EventOfCommit(now);
  event.theta = theta_then;
  event.choice = std::move(choice);
  event.last = ending;
  actions.push_back(std::move(event));

  fence_.round = Next(fence_.round);
  synchronized_step_ = step_;
  deadline_.reset();
  owed_.reset();
  failed_attempts_ = 0;
  hold_off_ = {};
  resumed_at_ = now;
  disturbed_ = false;
  if (pace == Pace::kNewViewFollows) return actions;
  if (test) {
    phase_ = Phase::kEvaluatingBase;
    counts_ = {};
  } else if (ending) {
    BeginFinish(absl::OkStatus(), now, actions);
  } else if (parting) {
    DropLeavers(now, actions);
  } else {
    BeginTraining(now);
    if (!quantum_.has_value()) ++sequence_;  // COMMIT answers the sequence that asked for it.
  }
  return actions;
}

// -------------------------------------------------------------------------------- evaluation ----

RoundActions Round::OnEvaluated(std::uint32_t rank, const Evaluated& evaluated, Time now) {
  const bool of_mean = phase_ == Phase::kEvaluatingMean;
  if ((!of_mean && phase_ != Phase::kEvaluatingBase) || have_[rank]) {
    ++stale_;
    return {};
  }
  counts_.correct += evaluated.correct;
  counts_.samples += evaluated.samples;
  counts_.loss_sum += evaluated.loss_sum;
  if (!IsComplete(rank)) return {};

  const double samples = std::max<double>(1, static_cast<double>(counts_.samples));
  Tested tested{.step = step_,
                .of_mean = of_mean,
                .accuracy = static_cast<double>(counts_.correct) / samples,
                .loss = counts_.loss_sum / samples,
                .samples = counts_.samples};
  tested_step_ = step_;
  best_accuracy_ = std::max(best_accuracy_, tested.accuracy);
  if (options_.target_accuracy.has_value() && tested.accuracy >= *options_.target_accuracy) {
    tested.reached_target = true;
    target_reached_ = true;
    if (!reached_step_.has_value()) reached_step_ = step_;
  }
  last_test_ = tested;
  // The time of a test is no part of a round's.
  resumed_at_ = of_mean ? resumed_at_ + (now - decided_at_) : now;

  RoundActions actions;
  actions.push_back(tested);
  if (of_mean && IsEnding()) {
    // A run ends with a synchronization.
    if (!options_.reports) owed_ = RingPurpose::kSynchronize;
    BeginPrepare(RingPurpose::kSynchronize, now, actions);
  } else if (IsEnding() && synchronized_step_ == step_ && !drift_left_) {
    BeginFinish(absl::OkStatus(), now, actions);
  } else {
    Continue(now, actions);
  }
  return actions;
}

// --------------------------------------------------------------------------------- the end ----

// A broken ring is tried again; all else that a member cannot do ends the run.
RoundActions Round::OnFail(std::uint32_t rank, const runtime::Fence& fence, const struct Fail& fail,
                           Time now) {
  if (phase_ == Phase::kFinishing || phase_ == Phase::kEnded) return {};
  const absl::Status why =
      MakeError(fail.code, Exit::kRunFailed, absl::StrCat(Name(rank), ": ", fail.message));
  if (!fail.of_ring()) return Fail(why, now);
  if (phase_ != Phase::kRinging || fence != fence_) {
    ++stale_;
    return {};
  }
  NoteBrokenEdge(EdgeThatFailed(rank, fail));
  return Retry(why, now);
}

RoundActions Round::OnAnswer(std::uint32_t rank, const Answer& answer, Time now) {
  REQUIRE(rank < members_.size());
  if (const auto* ready = std::get_if<Ready>(&answer.body)) {
    return OnReady(rank, answer, *ready, now);
  }
  if (const auto* finished = std::get_if<Finished>(&answer.body))
    return OnFinished(rank, answer.fence, *finished);
  if (const auto* fail = std::get_if<struct Fail>(&answer.body)) {
    return OnFail(rank, answer.fence, *fail, now);
  }
  if (answer.fence != fence_) {
    ++stale_;
    return {};
  }
  if (const auto* done = std::get_if<Done>(&answer.body)) return OnDone(rank, *done, now);
  return OnEvaluated(rank, std::get<Evaluated>(answer.body), now);
}

RoundActions Round::OnTick(Time now) {
  if (now >= newcomer_until_) newcomer_until_ = {};
  if (phase_ == Phase::kHolding && !MustWait(now)) return GoOn(now);
  if (std::vector<runtime::NodeId> stuck = WhoIsStuck(now); !stuck.empty()) {
    return {Stuck{.nodes = std::move(stuck), .seconds = runtime::ToSeconds(now - training_since_)}};
  }
  if (quantum_.has_value() && (phase_ == Phase::kTraining || phase_ == Phase::kPreparing)) {
    return TickWithoutBarrier(now);
  }
  if (!deadline_.has_value() || now < *deadline_) return {};
  deadline_.reset();
  if (phase_ != Phase::kFinishing) return OnRingTimeout(now);
  phase_ = Phase::kEnded;
  return {Ended{.status = result_}};
}

// ------------------------------------------------------------------------------------ status ----

std::string Round::Name(std::uint32_t rank) const {
  return absl::StrCat("slot ", members_[rank].slot, " (node ", members_[rank].node.ShortName(),
                      ")");
}

std::string Round::WaitsFor() const {
  std::string names;
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    if (!have_[rank])
      absl::StrAppend(&names, names.empty() ? "" : ", ", "slot ", members_[rank].slot);
  }
  switch (phase_) {
    case Phase::kTraining:
      if (!quantum_.has_value()) return absl::StrCat("the step of ", names);
      return IsPolling() ? absl::StrCat("the answers to poll ", sequence_)
                         : "a drift that passes its mark";
    case Phase::kHolding:
      if (newcomer_until_ > runtime::Time{}) return "a newcomer to fetch the model";
      if (!no_ring_.ok()) return "others to join: " + runtime::MessageOf(no_ring_);
      return lacks_workers()
                 ? absl::StrCat("workers: ", members_.size(), " of at least ", options_.min_workers)
                 : absl::StrCat("another try after: ", last_failure_);
    case Phase::kPreparing: return absl::StrCat("READY of ", names);
    case Phase::kRinging: return absl::StrCat("DONE of ", names);
    case Phase::kEvaluatingBase:
    case Phase::kEvaluatingMean: return absl::StrCat("the evaluation of ", names);
    case Phase::kFinishing: return absl::StrCat("the last words of ", names);
    case Phase::kEnded: return "nothing";
  }
  REQUIRE(false);
}

}  // namespace actors
