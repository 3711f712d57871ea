#include "actors/worker.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "actors/run_options.h"
#include "runtime/base/error.h"
#include "runtime/base/failpoint.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;

constexpr runtime::Duration kStatusTimeout = std::chrono::seconds(2);
// Orders that wait until a ring has let go of the replica; a monitor sends fewer in that time.
constexpr std::size_t kMostDeferred = 32;

}  // namespace

absl::Status Worker::OnStart(runtime::Context& context) {
  context_ = &context;
  context.After(parts_.status_interval, [this] { ReportStatus(); });
  return absl::OkStatus();
}

void Worker::OnStop(runtime::Context& context) {
  if (run_ == nullptr) return;
  run_->halt = true;
  if (run_->ringing.has_value()) parts_.ring.Abort(*run_->ringing);
}

// ----------------------------------------------------------------------------------- obedience --

bool Worker::Accept(std::uint64_t number, const runtime::Fence& fence, const Order::Body* body) {
  if (run_ == nullptr || IsOrphan() || fence.run != run_->fence.run) return false;
  // Whoever was to save the model may die while all finish: then another one is to.
  const bool finish = body != nullptr && std::holds_alternative<Finish>(*body);
  if (run_->ending && !finish) return false;
  const bool opens_view = body != nullptr && std::holds_alternative<OpenView>(*body);
  // A newcomer has obeyed nothing yet: it begins with the view that first holds it.
  if (run_->members.empty() && !opens_view) return false;
  if (number != run_->last_order + 1 && !run_->members.empty()) {
    ++run_->stale;  // A copy of an older one, or one that overtook what will be re-sent.
    return false;
  }
  run_->last_order = number;
  run_->sent_report.reset();
  run_->sent_answer.reset();
  StopWaiting();
  return true;
}

// A ring that was given up may still read the replica: what could change it waits, not long.
template <typename Message>
bool Worker::DeferredUntilRingEnds(const Message& message) {
  if (run_ == nullptr || !run_->aborting || IsOrphan()) return false;
  if (run_->deferred.size() < kMostDeferred) run_->deferred.emplace_back(message);
  return true;  // Beyond the bound it is dropped, and sent again as any that was lost.
}

void Worker::ObeyDeferred() {
  run_->aborting = false;
  for (auto& message : std::exchange(run_->deferred, {})) {
    std::visit([this](const auto& waiting) { (void)On(*context_, waiting); }, message);
  }
}

absl::Status Worker::On(runtime::Context& context, const Decision& decision) {
  if (DeferredUntilRingEnds(decision)) return absl::OkStatus();
  if (!Accept(decision.number, decision.fence, nullptr)) return absl::OkStatus();
  run_->fence = decision.fence;
  run_->step = decision.step;
  TrainOn();
  return absl::OkStatus();
}

absl::Status Worker::On(runtime::Context& context, const Order& order) {
  const auto* view = std::get_if<OpenView>(&order.body);
  // The end of a run waits for nothing.
  const bool finish = std::holds_alternative<Finish>(order.body);
  if (!finish && DeferredUntilRingEnds(order)) return absl::OkStatus();
  if (!Accept(order.number, order.fence, &order.body)) return absl::OkStatus();
  run_->fence = order.fence;
  // The monitor counts the steps; only between two READYs of a fixed schedule it does not see them.
  const bool unseen = view != nullptr && !view->hold && !run_->policy->Reports();
  if (!unseen || run_->members.empty()) run_->step = order.step;
  std::visit([&](const auto& body) { Obey(body, order); }, order.body);
  return absl::OkStatus();
}

void Worker::Obey(const OpenView& view, const Order& order) {
  const auto self = std::ranges::find(view.members, context_->self().node, &Member::node);
  if (self == view.members.end()) return;
  if (run_->members.empty()) run_->synchronized_step = view.synchronized_step;
  run_->was_member = true;
  run_->members = view.members;
  run_->rank = static_cast<std::uint32_t>(self - view.members.begin());
  run_->sequence = 0;
  run_->interrupt = order.number;
  const Placement placement{.slot = run_->slot,
                            .rank = run_->rank,
                            .world_size = static_cast<std::uint32_t>(view.members.size())};
  // After the step in hand, which is not repeated: its drift is in the report.
  parts_.training.Run(
      [this, run = run_, placement, view, asked = order.number, poster = context_->poster()] {
        absl::Status placed = run->replica->Place(placement);
        LocalState state;
        if (placed.ok() && run->policy->Reports()) state = SummarizeOf(*run);
        poster.Post([this, run, view, asked, placed = std::move(placed), state = std::move(state)] {
          if (run == run_ && !run->ending && run->last_order == asked)
            OnPlaced(view, placed, state);
        });
      });
}

void Worker::OnPlaced(const OpenView& view, const absl::Status& placed, const LocalState& state) {
  if (IsOrphan()) return;
  if (!placed.ok()) {
    SendAnswer(Fail{.code = "DATA_UNUSABLE", .message = runtime::MessageOf(placed)});
  } else if (run_->policy->Reports()) {
    SendReport(state);
  } else if (view.hold) {
    return;  // PREPARE follows.
  } else if (run_->ready_for.has_value()) {
    SendReadyUnasked();
  } else {
    TrainOn();
  }
}

void Worker::Obey(const Prepare& prepare, const Order& order) {
  CheckDriftAndSendReady(prepare.purpose);
}

void Worker::Obey(const Start& start, const Order& order) {
  const auto self = std::ranges::find(start.members, context_->self().node, &Member::node);
  if (self == start.members.end()) return;
  const runtime::Traffic traffic = start.purpose == RingPurpose::kSynchronize
                                       ? runtime::Traffic::kRing
                                       : runtime::Traffic::kEvaluation;
  runtime::RingJob job{.fence = order.fence,
                       .traffic = traffic,
                       .rank = static_cast<std::uint32_t>(self - start.members.begin()),
                       .options = RingOptionsOf(run_->config),
                       .transport = RingTransportOf(run_->config),
                       .local = run_->replica->local(),
                       .base = run_->replica->base(),
                       .shadow = run_->replica->shadow(),
                       .layout_hash = run_->replica->layout_hash(),
                       .shadow_owner = run_->replica->shadow_owner()};
  for (const Member& member : start.members) {
    job.members.push_back(
        {.node = member.node, .endpoint = member.endpoint, .weight = member.weight});
  }
  run_->in_doubt.reset();
  run_->ringing = order.fence;
  run_->ring_since = context_->Now();
  parts_.ring.Start(std::move(job), [this, run = run_, fence = order.fence, purpose = start.purpose,
                                     poster = context_->poster()](auto result) {
    poster.Post([this, run, fence, purpose, result = std::move(result)]() mutable {
      if (run == run_) OnRingDone(fence, purpose, std::move(result));
    });
  });
}

void Worker::OnRingDone(const runtime::Fence& fence, RingPurpose purpose,
                        absl::StatusOr<runtime::RingResult> result) {
  run_->ringing.reset();
  if (runtime::ShadowInUse(result.status())) run_->replica->RenewShadow();
  const bool complete = result.ok() && !run_->aborting;
  if (complete && purpose == RingPurpose::kSynchronize && fence == run_->fence) {
    run_->in_doubt = Recovered::InDoubt{.fence = fence, .root = result->root};
  }
  if (IsOrphan()) {
    run_->aborting = false;
    return run_->orphan == Run::Orphan::kStops ? AnswerRecover() : TrainOnAlone();
  }
  if (run_->aborting) {
    ObeyDeferred();
    return;
  }
  if (run_->ending || fence != run_->fence) return;
  if (!result.ok()) {
    if (absl::IsAborted(result.status())) return;
    SendAnswer(Fail{.code = absl::IsDataLoss(result.status()) ? kRingCorrupt : kRingFailed,
                    .message = runtime::MessageOf(result.status())});
    return;
  }
  SendAnswer(Done{.root = result->root,
                  .seconds = runtime::ToSeconds(result->elapsed),
                  .sent = SentInThisRun()});
  runtime::HitFailpoint("worker.done");
}

void Worker::Obey(const Commit& commit, const Order& order) {
  run_->fence.round = Next(run_->fence.round);
  run_->in_doubt.reset();
  run_->synchronized_step = order.step;
  run_->ready_for.reset();
  run_->loss_sum = 0;
  run_->loss_count = 0;
  parts_.training.Run([run = run_, root = commit.root, &transfer = parts_.transfer] {
    run->replica->Commit(root);
    runtime::HitFailpoint("worker.commit");
    if (std::exchange(run->diverged, false)) run->replica->ResetOptimizer();
    transfer.Offer(run->replica->Offer());
    run->replica->ReuseOldBase();
  });
  if (commit.then_evaluate) {
    Evaluate(/*shadow=*/false);
  } else if (!commit.then_wait) {
    TrainOn();
  }
}

void Worker::Obey(const AbortAttempt& abort, const Order& order) {
  run_->in_doubt.reset();
  run_->aborting = run_->ringing.has_value();
  // Also of a ring that is complete here: its connections may hold chunks that nobody took.
  parts_.ring.Abort(order.fence);
}

void Worker::Obey(const EvaluateMean& evaluate, const Order& order) { Evaluate(/*shadow=*/true); }

void Worker::Evaluate(bool shadow) {
  parts_.training.Run([this, run = run_, &clock = parts_.clock, shadow, rank = run_->rank,
                       parts = static_cast<std::uint32_t>(run_->members.size()),
                       asked = run_->last_order, poster = context_->poster()] {
    const runtime::Time begin = clock.Now();
    auto counts = shadow ? run->replica->EvaluateShadow(rank, parts)
                         : run->replica->EvaluateBase(rank, parts);
    const double seconds = runtime::ToSeconds(clock.Now() - begin);
    poster.Post([this, run, counts = std::move(counts), seconds, asked] {
      if (run != run_ || run->ending) return;
      run->totals.evaluate_seconds += seconds;
      if (run->last_order != asked) return;  // A new view opened meanwhile.
      if (!counts.ok()) {
        SendAnswer(Fail{.code = "WORKER_FAILED", .message = runtime::MessageOf(counts.status())});
        return;
      }
      SendAnswer(Evaluated{
          .correct = counts->correct, .samples = counts->samples, .loss_sum = counts->loss_sum});
    });
  });
}

// ------------------------------------------------------------------------------------ training --

void Worker::TrainOn() {
  run_->ready_for.reset();
  run_->stepping = true;
  parts_.training.Run([this, run = run_, &clock = parts_.clock, step = run_->step,
                       synchronized = run_->synchronized_step, order = run_->last_order,
                       poster = context_->poster()] {
    Stepped stepped = StepToBoundary(*run, clock, {.order = order, .step = step}, synchronized);
    poster.Post([this, run, stepped = std::move(stepped)]() mutable {
      run->stepping = false;
      if (run == run_ && !run->ending) OnStepped(std::move(stepped));
    });
  });
}

// A step that finds no number trains no more, and counts all the same: the others go on.
absl::Status Worker::TakeStep(Run& run, Stepped& stepped) {
  runtime::HitFailpoint("worker.step");
  if (run.diverged) return absl::OkStatus();
  absl::StatusOr<StepOutcome> outcome = run.replica->Step(stepped.step + 1);
  if (absl::IsDataLoss(outcome.status())) {
    run.diverged = true;
    return absl::OkStatus();
  }
  if (!outcome.ok()) return outcome.status();
  ++stepped.steps;
  stepped.samples += outcome->samples;
  stepped.loss_sum += outcome->loss;
  return absl::OkStatus();
}

LocalState Worker::SummarizeOf(Run& run) {
  LocalState state = run.replica->Summarize();
  if (run.diverged) state.squared_norm = std::numeric_limits<float>::quiet_NaN();
  return state;
}

bool Worker::IsFinite(Run& run) {
  run.diverged = run.diverged || !run.replica->DriftIsFinite();
  return !run.diverged;
}

// Algorithm 1, lines 4 to 7, on the training thread: a step, and its drift as a small state.
Worker::Stepped Worker::StepToBoundary(Run& run, const runtime::Clock& clock, Stepped stepped,
                                       std::uint64_t synchronized_step) {
  const runtime::Time begin = clock.Now();
  if (run.interrupt > stepped.order) return stepped;  // Another order has overtaken this one.
  do {
    stepped.status = TakeStep(run, stepped);
    if (!stepped.status.ok()) break;
    ++stepped.step;
    stepped.action = run.policy->AtBoundary(
        {.step = stepped.step, .steps_since_synchronization = stepped.step - synchronized_step});
  } while (stepped.action == BoundaryAction::kTrainOn && !run.halt &&
           run.interrupt <= stepped.order);
  if (stepped.status.ok() && stepped.action == BoundaryAction::kReport) {
    stepped.state = SummarizeOf(run);
    stepped.finite = !run.diverged;
  } else if (stepped.status.ok()) {
    stepped.finite = IsFinite(run);
  }
  stepped.seconds = runtime::ToSeconds(clock.Now() - begin);
  return stepped;
}

void Worker::OnStepped(Stepped stepped) {
  run_->loss_sum += stepped.loss_sum;
  run_->loss_count += stepped.steps;
  run_->totals.samples += stepped.samples;
  run_->totals.compute_seconds += stepped.seconds;
  if (IsOrphan()) {
    run_->step = std::max(run_->step, stepped.step);
    // What a step cannot do, the next one will say to whoever can hear it.
    if (run_->orphan == Run::Orphan::kStops) return AnswerRecover();
    return stepped.status.ok() && stepped.finite ? TrainOnAlone() : void();
  }
  const bool overtaken = stepped.order != run_->last_order;
  // Which step it was is the monitor's to say, by the order that came meanwhile.
  if (!overtaken || !run_->policy->Reports()) run_->step = stepped.step;
  if (!stepped.status.ok()) {
    SendAnswer(Fail{.code = "WORKER_FAILED",
                    .message = absl::StrCat("step ", stepped.step + 1, ", learning rate ",
                                            run_->config.optimizer.learning_rate, ": ",
                                            runtime::MessageOf(stepped.status))});
    return;
  }
  run_->ready_is_finite = stepped.finite;
  switch (stepped.action) {
    case BoundaryAction::kTrainOn: return;  // Halted, or a new view goes on from here.
    case BoundaryAction::kReport:
      if (overtaken) return;
      ++run_->sequence;
      SendReport(stepped.state);
      return;
    case BoundaryAction::kReadyToSynchronize: run_->ready_for = RingPurpose::kSynchronize; break;
    case BoundaryAction::kReadyToEvaluate: run_->ready_for = RingPurpose::kEvaluate; break;
  }
  if (!overtaken) SendReadyUnasked();
}

// ------------------------------------------------------------------------------------- answers --

void Worker::SendReport(const LocalState& state) {
  if (IsOrphan()) return;
  StateReport report{.fence = run_->fence,
                     .number = ++run_->last_answer,
                     .sequence = run_->sequence,
                     .step = run_->step,
                     .state = state};
  report.fence.attempt = 0;
  run_->drift_squared = state.squared_norm;
  run_->waiting_since = context_->Now();
  // Lost or refused, it is re-sent when the monitor says what it lacks.
  (void)context_->Tell(run_->monitor, report);
  run_->sent_report = std::move(report);
}

void Worker::CheckDriftAndSendReady(RingPurpose purpose) {
  parts_.training.Run(
      [this, run = run_, purpose, fence = run_->fence, poster = context_->poster()] {
        const bool finite = IsFinite(*run);
        poster.Post([this, run, purpose, fence, finite] {
          if (run == run_ && !run->ending && fence == run->fence) SendReady(purpose, finite);
        });
      });
}

// What is no number has weight 0 in the ring, and is gone with the next base (protocol.md 6).
void Worker::SendReady(RingPurpose purpose, bool finite) {
  const double steps = std::max<double>(1, static_cast<double>(run_->loss_count));
  SendAnswer(Ready{.purpose = purpose,
                   .step = run_->step,
                   .weight = finite ? run_->members[run_->rank].weight : 0,
                   .root = run_->replica->root(),
                   .loss = finite ? run_->loss_sum / steps : 0});
  runtime::HitFailpoint("worker.ready");
}

// Of a fixed schedule: the head assigns the attempt.
void Worker::SendReadyUnasked() {
  run_->fence.attempt = 0;
  SendReady(*run_->ready_for, run_->ready_is_finite);
}

void Worker::SendAnswer(Answer::Body body) {
  if (IsOrphan()) return;
  Answer answer{.fence = run_->fence, .number = ++run_->last_answer, .body = std::move(body)};
  run_->waiting_since = context_->Now();
  (void)context_->Tell(run_->monitor, answer);  // Re-sent when lacking, as a report is.
  run_->sent_answer = std::move(answer);
}

void Worker::StopWaiting() {
  const runtime::Time now = context_->Now();
  if (run_->ring_since.has_value()) {
    run_->totals.ring_seconds += runtime::ToSeconds(now - *run_->ring_since);
  } else if (run_->waiting_since.has_value()) {
    run_->totals.wait_seconds += runtime::ToSeconds(now - *run_->waiting_since);
  }
  run_->ring_since.reset();
  run_->waiting_since.reset();
}

void Worker::ReportStatus() {
  context_->After(parts_.status_interval, [this] { ReportStatus(); });
  if (parts_.leave_requested()) RequestLeave();
  if (run_ == nullptr || run_->replica == nullptr) return;
  if (run_->monitor.address.node != head_) return;  // It is gone; its successor will ask.
  const runtime::RingFlow flow = parts_.ring.Flow();
  const bool ringing = run_->ringing == flow.fence && flow.fence == run_->fence;
  context_->Ask(run_->monitor,
                MemberStatus{.fence = run_->fence,
                             .last_order = run_->last_order,
                             .last_answer = run_->last_answer,
                             .step = run_->step,
                             .dropped = DroppedInThisRun(),
                             .drift_squared = run_->drift_squared,
                             .sent = SentInThisRun(),
                             .samples = run_->totals.samples,
                             .orphan = IsOrphan(),
                             .ring_received = ringing ? flow.received : 0,
                             .ring_for_next = ringing ? flow.for_next : 0},
                kStatusTimeout, [this, run = run_](absl::StatusOr<MemberStatusReply> reply) {
                  if (reply.ok() && run == run_) ResendWhatLacks(reply->last_answer);
                });
}

// A reply may cross what was sent just before it; so only what two replies in a row lack is sent
// again.
void Worker::ResendWhatLacks(std::uint64_t held) {
  const std::uint64_t lacking = held < run_->last_answer ? run_->last_answer : 0;
  if (lacking != 0 && lacking == run_->lacking_before) {
    if (run_->sent_answer.has_value() && run_->sent_answer->number == lacking) {
      (void)context_->Tell(run_->monitor, *run_->sent_answer);
    } else if (run_->sent_report.has_value() && run_->sent_report->number == lacking) {
      (void)context_->Tell(run_->monitor, *run_->sent_report);
    }
  }
  run_->lacking_before = lacking;
}

runtime::Ledger Worker::SentInThisRun() const {
  runtime::Ledger sent = parts_.sent();
  for (std::size_t kind = 0; kind < runtime::kTrafficKinds; ++kind) {
    sent.bytes[kind] -= sent_before_.bytes[kind];
  }
  return sent;
}

runtime::Drops Worker::DroppedInThisRun() const {
  runtime::Drops dropped = parts_.dropped();
  dropped -= dropped_before_;
  dropped.fence += run_->stale;
  return dropped;
}

}  // namespace actors
