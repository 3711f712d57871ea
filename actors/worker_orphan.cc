// How a worker lives without its head (protocol.md 7): it trains on, and what became of a ring that
// it completed waits until a head asks. A head that comes back, or one that was started anew, asks
// Recover, says by Resolve what became of that ring, and opens a view: the drift is kept, each step
// of it once.
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "actors/worker.h"
#include "runtime/base/error.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;

// A worker without a run waits this long for its head.
constexpr runtime::Duration kIdlePatience = std::chrono::seconds(600);

}  // namespace

absl::Status Worker::OnNodeUp(runtime::Context& context, const runtime::NodeInfo& node) {
  head_ = node.id;
  // Whoever is in a run waits on until the head shows that it knows it.
  if (!IsOrphan()) context.Cancel(std::exchange(orphan_timer_, runtime::TimerId::kNone));
  return absl::OkStatus();
}

void Worker::OnHeadMissing(const absl::Status& why) {
  if (run_ != nullptr && !run_->ending && run_->was_member) {
    if (!IsOrphan()) WaitForHead(runtime::FromSeconds(run_->config.run.orphan_timeout));
    BecomeOrphan();
    return;
  }
  // A newcomer stays what it is: this head takes it as it left it, another one assigns it anew.
  WaitForHead(kIdlePatience);
}

void Worker::WaitForHead(runtime::Duration patience) {
  context_->Cancel(orphan_timer_);
  orphan_timer_ = context_->After(patience, [this, patience] {
    const absl::Status why = MakeError(
        "HEAD_LOST", Exit::kHeadUnreachable,
        absl::StrCat("the head went away and did not come back within ",
                     runtime::ToSeconds(patience), " s"),
        "start it again with rondo head --resume; run.orphan_timeout is how long workers wait");
    if (!IsOrphan()) return Quit(why);
    run_->halt = true;
    run_->ending = true;
    if (run_->ringing.has_value()) parts_.ring.Abort(*run_->ringing);
    SaveBaseAndQuit(why);
  });
}

void Worker::BecomeOrphan() {
  run_->orphan = Run::Orphan::kTrainsOn;
  run_->rests = false;  // Without a head nobody would ever draw it again.
  StopWaiting();
  run_->quantum.reset();
  run_->trains_freely = run_->overlapping = run_->settling = false;
  run_->sent_report.reset();
  run_->sent_answer.reset();
  run_->deferred.clear();
  run_->interrupt = 0;
  recovering_.reset();
  resolving_.reset();
  if (std::exchange(pulling_, std::nullopt).has_value()) StopFetching();
  if (run_->ringing.has_value()) {
    // The others may complete it, and have told the head that they did: it is not given up lightly.
    context_->After(runtime::LongestCarriage(run_->replica->layout().total),
                    [this, run = run_, fence = *run_->ringing] {
                      if (run == run_ && IsOrphan() && run->ringing == fence) AbortRingAlone();
                    });
  }
  GoOnAlone();
}

// After a step, and after the ring. One that reads `local` itself stops the training.
void Worker::GoOnAlone() {
  const bool in_ring = run_->ringing.has_value();
  if (run_->stepping || run_->orphan == Run::Orphan::kAtRest) return;
  if (run_->orphan == Run::Orphan::kStops) return in_ring ? void() : AnswerRecover();
  if (!in_ring || run_->marked) TrainOnAlone();
}

// Without our DONE no head can have committed it.
void Worker::AbortRingAlone() {
  run_->aborting = true;
  parts_.ring.Abort(*run_->ringing);
}

void Worker::TrainOnAlone() {
  if (run_->in_doubt.has_value() && !std::exchange(run_->marked, true)) {
    parts_.training.Run([run = run_] { run->replica->Mark(); });
  }
  // A fixed schedule speaks only after a step: the last one is left to the view to come.
  const std::uint64_t last = run_->config.run.max_steps - (run_->policy->Reports() ? 0 : 1);
  if (!run_->halt && run_->step < last) TrainOn();
}

absl::Status Worker::On(runtime::Context& context, const Recover& recover,
                        runtime::Responder<Recovered> responder) {
  const bool in_run =
      run_ != nullptr && run_->fence.run == recover.run && run_->was_member && !quitting_;
  if (!in_run) {
    responder.Answer(Recovered{});
    return absl::OkStatus();
  }
  // The last words of a run that has ended did not reach the head that knew of it.
  run_->ending = run_->halt = false;
  run_->monitor.address = {.node = context.sender(), .actor = recover.monitor};
  run_->orphan = Run::Orphan::kStops;
  run_->quantum.reset();
  run_->trains_freely = run_->overlapping = run_->settling = false;
  run_->deferred.clear();
  run_->interrupt = run_->last_order + 1;
  recovering_.emplace(std::move(responder));
  if (run_->ringing.has_value()) AbortRingAlone();
  GoOnAlone();
  return absl::OkStatus();
}

void Worker::AnswerRecover() {
  run_->orphan = Run::Orphan::kAtRest;
  // After what is still under way on the training thread, a commit perhaps.
  parts_.training.Run([this, run = run_, poster = context_->poster()] {
    poster.Post([this, run] {
      if (run != run_ || run->orphan != Run::Orphan::kAtRest || !recovering_.has_value()) return;
      std::exchange(recovering_, std::nullopt)
          ->Answer(Recovered{.in_run = true,
                             .ready = Describe(),
                             .slot = run->slot,
                             .round = run->fence.round,
                             .step = run->step,
                             .in_doubt = run->in_doubt});
    });
  });
}

absl::Status Worker::On(runtime::Context& context, const Resolve& resolve,
                        runtime::Responder<Nothing> responder) {
  const bool is_ours = run_ != nullptr && run_->fence.run == resolve.run && run_->was_member;
  if (is_ours && !IsOrphan() && run_->members.empty()) {
    // It was obeyed before, or is being; that answer was lost, or will be.
    if (resolving_.has_value()) {
      resolving_.emplace(std::move(responder));
    } else {
      responder.Answer(Nothing{});
    }
    return absl::OkStatus();
  }
  if (!is_ours || run_->orphan != Run::Orphan::kAtRest) {
    responder.Answer(absl::FailedPreconditionError("this worker was not asked to recover"));
    return absl::OkStatus();
  }
  const bool committed = resolve.committed && run_->in_doubt.has_value();
  const runtime::Hash128 root = committed ? run_->in_doubt->root : run_->replica->root();
  if (committed) run_->fence.round = Next(run_->fence.round);
  run_->in_doubt.reset();
  run_->marked = false;
  run_->ready_for.reset();
  run_->members.clear();
  run_->last_order = 0;  // Another head counts its orders anew; the next one opens a view.
  run_->orphan = Run::Orphan::kNo;
  context.Cancel(std::exchange(orphan_timer_, runtime::TimerId::kNone));
  resolving_.emplace(std::move(responder));
  parts_.training.Run(
      [this, run = run_, committed, root, &transfer = parts_.transfer, poster = context.poster()] {
        committed ? void(run->replica->Commit(root)) : run->replica->Unmark();
        if (committed && std::exchange(run->diverged, false)) {
          run->replica->ResetToBase();
          run->replica->ResetOptimizer();
        }
        transfer.Offer(run->replica->Offer());
        run->replica->ReuseOldBase();
        poster.Post([this, run] {
          if (run != run_ || !resolving_.has_value()) return;
          std::exchange(resolving_, std::nullopt)->Answer(Nothing{});
        });
      });
  return absl::OkStatus();
}

}  // namespace actors
