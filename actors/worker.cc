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

// A ring that was given up may still read the replica: what could change it waits, not long. So
// does what needs the drift as COMMIT leaves it.
template <typename Message>
bool Worker::Deferred(const Message& message) {
  if (run_ == nullptr || IsOrphan() || !(run_->aborting || run_->settling)) return false;
  if (run_->deferred.size() < kMostDeferred) run_->deferred.emplace_back(message);
  return true;  // Beyond the bound it is dropped, and sent again as any that was lost.
}

void Worker::ObeyDeferred() {
  for (auto& message : std::exchange(run_->deferred, {})) {
    std::visit([this](const auto& waiting) { (void)On(*context_, waiting); }, message);
  }
}

absl::Status Worker::On(runtime::Context& context, const Decision& decision) {
  if (Deferred(decision)) return absl::OkStatus();
  if (!Accept(decision.number, decision.fence, nullptr)) return absl::OkStatus();
  run_->fence = decision.fence;
  if (WithoutBarrier()) {
    ObeyWithoutBarrier(decision);
  } else {
    run_->step = decision.step;
    TrainOn();
  }
  return absl::OkStatus();
}

absl::Status Worker::On(runtime::Context& context, const Order& order) {
  const auto* view = std::get_if<OpenView>(&order.body);
  // The end of a run waits for nothing.
  const bool finish = std::holds_alternative<Finish>(order.body);
  if (!finish && Deferred(order)) return absl::OkStatus();
  if (!Accept(order.number, order.fence, &order.body)) return absl::OkStatus();
  run_->fence = order.fence;
  // The monitor counts the steps; only between two READYs of a fixed schedule it does not see them,
  // and without a barrier each goes on from its own.
  const bool unseen = view != nullptr && !view->hold && !run_->policy->Reports();
  const bool own_pace = WithoutBarrier() && run_->was_member;
  if (!own_pace && (!unseen || run_->members.empty())) run_->step = order.step;
  NoteRunStep(order.step);
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
  run_->quantum.reset();
  run_->trains_freely = run_->overlapping = false;
  DropMark();
  run_->interrupt = order.number;
  const Placement placement{.slot = run_->slot,
                            .rank = run_->rank,
                            .world_size = static_cast<std::uint32_t>(view.members.size())};
  // After the step in hand, which is not repeated: its drift is in the report.
  parts_.training.Run([this, run = run_, placement, view, asked = order.number,
                       opened = order.fence.view, poster = context_->poster()] {
    absl::Status placed = run->replica->Place(placement);
    LocalState state;
    if (placed.ok() && run->policy->Reports()) state = SummarizeOf(*run);
    poster.Post(
        [this, run, view, asked, opened, placed = std::move(placed), state = std::move(state)] {
          if (run != run_ || run->ending || run->fence.view != opened) return;
          // Without a barrier PREPARE may have come meanwhile, and takes the place of the report.
          if (WithoutBarrier() && !IsOrphan()) {
            NoteDrift(state);
            run->quantum.emplace(state);
          }
          if (run->last_order == asked || !placed.ok()) OnPlaced(view, placed, state);
        });
  });
}

void Worker::OnPlaced(const OpenView& view, const absl::Status& placed, const LocalState& state) {
  if (IsOrphan()) return;
  if (!placed.ok()) {
    SendAnswer(Fail{.code = "DATA_UNUSABLE", .message = runtime::MessageOf(placed)});
  } else if (WithoutBarrier()) {
    Speak(run_->quantum->OnPoll({.poll = view.sequence}));
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
  run_->trains_freely = run_->overlapping = false;
  GetReady(prepare);
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
                       .local = run_->replica->input(),
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
  if (!run_->overlapping) run_->ring_since = context_->Now();
  parts_.ring.Start(std::move(job), [this, run = run_, fence = order.fence, purpose = start.purpose,
                                     poster = context_->poster()](auto result) {
    poster.Post([this, run, fence, purpose, result = std::move(result)]() mutable {
      if (run == run_) OnRingDone(fence, purpose, std::move(result));
    });
  });
}

void Worker::OnRingDone(const runtime::Fence& fence, RingPurpose purpose,
                        absl::StatusOr<runtime::RingResult> result) {
  if (result.ok() && purpose == RingPurpose::kSynchronize && run_->replica->HasServerOptimizer()) {
    TakeServerStep(fence, *result);
  } else {
    OnRoundDone(fence, purpose, result);
  }
}

// As long as that takes it counts as a part of the ring.
void Worker::TakeServerStep(const runtime::Fence& fence, const runtime::RingResult& result) {
  parts_.training.Run([this, run = run_, fence, result = runtime::RingResult(result),
                       poster = context_->poster()]() mutable {
    result.root = run->replica->TakeServerStep();
    poster.Post([this, run, fence, result] {
      if (run == run_) OnRoundDone(fence, RingPurpose::kSynchronize, result);
    });
  });
}

void Worker::OnRoundDone(const runtime::Fence& fence, RingPurpose purpose,
                         const absl::StatusOr<runtime::RingResult>& result) {
  run_->ringing.reset();
  if (runtime::ShadowInUse(result.status())) run_->replica->RenewShadow();
  const bool complete = result.ok() && !run_->aborting;
  if (complete && purpose == RingPurpose::kSynchronize && fence == run_->fence) {
    run_->in_doubt = Recovered::InDoubt{.fence = fence, .root = result->root};
  }
  const bool aborted = std::exchange(run_->aborting, false);
  if (IsOrphan()) return GoOnAlone();
  if (aborted) return ObeyDeferred();
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
  run_->max_interval = commit.max_interval;
  run_->ready_for.reset();
  run_->loss.sum -= run_->told_loss.sum;
  run_->loss.steps -= run_->told_loss.steps;
  run_->loss.predictions -= run_->told_loss.predictions;
  Settle(commit);
  run_->trains_freely = WithoutBarrier() && !commit.then_evaluate && !commit.then_wait;
  if (commit.then_evaluate) {
    Evaluate(/*shadow=*/false);
  } else if (!commit.then_wait && !run_->stepping) {
    TrainOn();
  }
}

void Worker::Settle(const Commit& commit) {
  const Quanta marks{.poll = commit.sequence, .quantum = commit.quantum};
  const bool keeps_drift = std::exchange(run_->marked, false);
  run_->settling = keeps_drift && run_->quantum.has_value();
  if (run_->quantum.has_value() && !keeps_drift) {
    // Whoever waited in the ring has no drift now, and is past no mark.
    (void)run_->quantum->OnCommit(marks, {});
  }
  parts_.training.Run([this, run = run_, root = commit.root, round = Number(run_->fence.round),
                       marks, keeps_drift, &transfer = parts_.transfer,
                       poster = context_->poster()] {
    const DriftReading reading = run->replica->Commit(root);
    runtime::HitFailpoint("worker.commit");
    if (!keeps_drift && std::exchange(run->diverged, false)) run->replica->ResetOptimizer();
    transfer.Offer(run->replica->Offer());
    run->replica->ReuseOldBase();
    LocalState left;
    if (keeps_drift) left = SummarizeOf(*run);
    // Before whatever comes of the steps that follow.
    poster.Post([this, run, round, reading, marks, keeps_drift, left = std::move(left)] {
      run->committed_drift = {.round = round, .reading = reading};
      if (keeps_drift) {
        run->committed_drift->squared_end = run->drift_squared;
        run->committed_drift->projection_end = run->drift_along_xi;
      }
      if (run != run_ || run->ending || !std::exchange(run->settling, false)) return;
      run->overlapping = false;
      NoteDrift(left);
      Speak(run->quantum->OnCommit(marks, left));
      ObeyDeferred();
    });
  });
}

void Worker::Obey(const AbortAttempt& abort, const Order& order) {
  run_->in_doubt.reset();
  DropMark();
  run_->aborting = run_->ringing.has_value();
  // Also of a ring that is complete here: its connections may hold chunks that nobody took.
  parts_.ring.Abort(order.fence);
}

void Worker::Obey(const EvaluateMean& evaluate, const Order& order) { Evaluate(/*shadow=*/true); }

void Worker::Evaluate(bool shadow) {
  parts_.training.Run([this, run = run_, &clock = parts_.clock, shadow, rank = run_->rank,
                       parts = static_cast<std::uint32_t>(run_->members.size()),
                       run_step = run_->told_step, asked = run_->last_order,
                       poster = context_->poster()] {
    const runtime::Time begin = clock.Now();
    run->replica->AtRunStep(run_step);  // As the order told all members.
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
                       run_step = RunStep(), synchronized = run_->synchronized_step,
                       order = run_->last_order, poster = context_->poster()] {
    Stepped stepped = StepToBoundary(
        *run, clock, {.order = order, .step = step, .run_step = run_step}, synchronized);
    poster.Post([this, run, stepped = std::move(stepped)]() mutable {
      run->stepping = false;
      if (run == run_ && !run->ending) OnStepped(stepped);
    });
  });
}

// A step that finds no number trains no more, and counts all the same: the others go on.
absl::Status Worker::TakeStep(Run& run, Stepped& stepped) {
  runtime::HitFailpoint("worker.step");
  if (run.diverged) return absl::OkStatus();
  run.replica->AtRunStep(stepped.run_step + 1);
  absl::StatusOr<StepOutcome> outcome =
      run.replica->Step(stepped.step + 1, LearningRateAt(run.schedule, stepped.run_step + 1));
  if (absl::IsDataLoss(outcome.status())) {
    run.diverged = true;
    return absl::OkStatus();
  }
  if (!outcome.ok()) return outcome.status();
  ++stepped.steps;
  stepped.samples += outcome->samples;
  stepped.loss_sum += outcome->loss;
  stepped.predictions += outcome->predictions;
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
    ++stepped.run_step;
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

void Worker::OnStepped(const Stepped& stepped) {
  run_->loss.sum += stepped.loss_sum;
  run_->loss.steps += stepped.steps;
  run_->loss.predictions += stepped.predictions;
  run_->totals.samples += stepped.samples;
  run_->totals.predictions += stepped.predictions;
  run_->totals.compute_seconds += stepped.seconds;
  if (stepped.steps > 0) {
    const double seconds = stepped.seconds / static_cast<double>(stepped.steps);
    run_->step_seconds =
        run_->step_seconds == 0 ? seconds : 0.8 * run_->step_seconds + 0.2 * seconds;
  }
  if (IsOrphan()) {
    run_->step = std::max(run_->step, stepped.step);
    // What a step cannot do, the next one will say to whoever can hear it.
    const bool able = stepped.status.ok() && stepped.finite;
    return able || run_->orphan == Run::Orphan::kStops ? GoOnAlone() : void();
  }
  const bool overtaken = stepped.order != run_->last_order;
  // Which step it was is the monitor's to say, by the order that came meanwhile.
  if (!overtaken || !run_->policy->Reports() || WithoutBarrier()) run_->step = stepped.step;
  if (!stepped.status.ok()) {
    SendAnswer(Fail{.code = "WORKER_FAILED",
                    .message = absl::StrCat("step ", stepped.step + 1, ", learning rate ",
                                            LearningRateAt(run_->schedule, stepped.run_step + 1),
                                            ": ", runtime::MessageOf(stepped.status))});
    return;
  }
  run_->ready_is_finite = stepped.finite;
  if (WithoutBarrier()) return OnFreeStep(stepped);
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

}  // namespace actors
