// What a worker says to its monitor: reports and answers, each until the monitor is known to have
// it, and its status.
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "actors/run_options.h"
#include "actors/worker.h"
#include "runtime/base/failpoint.h"

namespace actors {
namespace {

constexpr runtime::Duration kStatusTimeout = std::chrono::seconds(2);

}  // namespace

// For the round that begins, or goes on in another view: then whoever has trained in it trains on.
void Worker::DrawParticipation() {
  const ParticipantsOptions options = ParticipantsOptionsOf(run_->config);
  if (options.share >= 1) return;
  std::vector<std::uint32_t> slots;
  for (const Member& member : run_->members) slots.push_back(member.slot);
  // A step in hand is not yet in the count.
  const bool has_trained = run_->loss.steps > 0 || (run_->stepping && !run_->rests);
  run_->rests =
      !has_trained && !Participates(options, runtime::Number(run_->fence.round), run_->slot, slots);
}

void Worker::SendReport(const LocalState& state, bool due) {
  if (IsOrphan()) return;
  StateReport report{.fence = run_->fence,
                     .number = ++run_->last_answer,
                     .sequence = run_->sequence,
                     .step = run_->step,
                     .state = state,
                     .due = due,
                     .rests = run_->rests};
  report.fence.attempt = 0;
  NoteDrift(state);
  if (!run_->trains_freely) run_->waiting_since = context_->Now();
  // Lost or refused, it is re-sent when the monitor says what it lacks.
  (void)context_->Tell(run_->monitor, report);
  run_->sent_report = std::move(report);
}

void Worker::NoteDrift(const LocalState& state) {
  run_->drift_squared = state.squared_norm;
  run_->drift_along_xi = state.xi_id.IsNull() ? 0 : state.projection;
}

// After the step in hand. What is no number trains on in no ring.
void Worker::GetReady(const Prepare& prepare) {
  parts_.training.Run(
      [this, run = run_, prepare, fence = run_->fence, poster = context_->poster()] {
        const bool finite = IsFinite(*run);
        const bool marked = finite && prepare.train_on;
        marked ? run->replica->Mark() : run->replica->Unmark();
        poster.Post([this, run, purpose = prepare.purpose, fence, finite, marked] {
          if (run != run_ || run->ending || fence != run->fence || IsOrphan()) return;
          run->marked = marked;
          SendReady(purpose, finite);
          if (marked) TrainOnThroughRing();
        });
      });
}

// What is no number has weight 0 in the ring, and is gone with the next base (protocol.md 6).
void Worker::SendReady(RingPurpose purpose, bool finite) {
  const double steps = std::max<double>(1, static_cast<double>(run_->loss.steps));
  run_->told_loss = run_->loss;
  SendAnswer(Ready{.purpose = purpose,
                   .step = run_->step,
                   .weight = finite ? run_->members[run_->rank].weight : 0,
                   .root = run_->replica->root(),
                   .loss = finite ? run_->loss.sum / steps : 0,
                   .predictions = run_->loss.predictions,
                   .drift = run_->committed_drift,
                   .rests = run_->rests});
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
  if (!run_->overlapping) run_->waiting_since = context_->Now();
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
                             .predictions = run_->totals.predictions,
                             .orphan = IsOrphan(),
                             .ring_received = ringing ? flow.received : 0,
                             .ring_for_next = ringing ? flow.for_next : 0,
                             .step_seconds = run_->step_seconds},
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
