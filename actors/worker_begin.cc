// How a worker comes into a run: it builds model and data, and fetches the base of the present
// round.
#include <utility>

#include "actors/run_options.h"
#include "actors/worker.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;

}  // namespace

absl::Status Worker::On(runtime::Context& context, const Assign& assign,
                        runtime::Responder<ReadyToRun> responder) {
  // A run that the head that asks does not know, or that this worker has no part in, is over.
  if (run_ != nullptr && !run_->ending && !IsOrphan() && run_->was_member) {
    responder.Answer(absl::FailedPreconditionError("this worker is in another run"));
    return absl::OkStatus();
  }
  absl::StatusOr<RunConfig> config = ParseRunConfig(assign.config, "the head's config");
  if (!config.ok()) {
    responder.Answer(config.status());
    return absl::OkStatus();
  }
  pulling_.reset();
  borrowers_.clear();
  context.Cancel(std::exchange(orphan_timer_, runtime::TimerId::kNone));
  if (run_ != nullptr) run_->halt = true;
  run_ = std::make_shared<Run>();
  run_->config = *std::move(config);
  run_->max_interval = run_->config.strategy.max_interval.value_or(0);
  run_->monitor.address = {.node = context.sender(), .actor = assign.monitor};
  run_->slot = assign.slot;
  run_->fence = {.run = assign.run, .head_epoch = assign.head_epoch};
  assigned_.emplace(std::move(responder));
  parts_.training.Run(
      [this, run = run_, &make_trainer = parts_.make_trainer, poster = context.poster()] {
        auto built = Replica::Build(run->config, make_trainer);
        poster.Post([this, run, built = std::move(built)]() mutable {
          if (run == run_) OnBuilt(std::move(built));
        });
      });
  return absl::OkStatus();
}

void Worker::OnBuilt(absl::StatusOr<std::unique_ptr<Replica>> built) {
  runtime::Responder<ReadyToRun> responder = *std::move(assigned_);
  assigned_.reset();
  if (!built.ok()) {
    responder.Answer(built.status());
    run_ = nullptr;
    return;
  }
  run_->replica = *std::move(built);
  absl::StatusOr<std::unique_ptr<WorkerPolicy>> policy = MakeWorkerPolicy(SyncPolicyOptionsOf(
      run_->config, run_->replica->layout().trainable, run_->replica->Data().train_samples));
  if (!policy.ok()) {
    responder.Answer(
        MakeError("CONFIG_CONFLICT", Exit::kUsage, runtime::MessageOf(policy.status())));
    run_ = nullptr;
    return;
  }
  run_->policy = *std::move(policy);
  run_->schedule = LearningRateScheduleOf(run_->config);
  responder.Answer(Describe());
  parts_.transfer.Offer(run_->replica->Offer());
}

// While nothing trains.
ReadyToRun Worker::Describe() const {
  const DataSummary data = run_->replica->Data();
  return {.layout_hash = run_->replica->layout_hash(),
          .trainable = run_->replica->layout().trainable,
          .total = run_->replica->layout().total,
          .base_root = run_->replica->root(),
          .data_fingerprint = data.fingerprint,
          .train_samples = data.train_samples,
          .test_samples = data.test_samples,
          .endpoint = parts_.ring.endpoint(),
          .transfer = parts_.transfer.endpoint(),
          .sample_shape = data.sample_shape,
          .samples_by_class = data.samples_by_class,
          .committed = run_->replica->CommittedFloats()};
}

absl::Status Worker::On(runtime::Context& context, const PullBase& pull,
                        runtime::Responder<Pulled> responder) {
  if (run_ == nullptr || run_->ending || run_->replica == nullptr || !run_->members.empty() ||
      pull.run != run_->fence.run || IsOrphan()) {
    responder.Answer(absl::FailedPreconditionError("this worker is no newcomer of that run"));
    return absl::OkStatus();
  }
  pulling_.emplace(Pulling{.order = pull, .responder = std::move(responder)});
  // What is under way ends first; then this is gone on with.
  if (run_->moments == Run::Moments::kBorrowing || run_->adopting) return absl::OkStatus();
  const bool borrows = run_->moments == Run::Moments::kFresh && !pull.keep_drift &&
                       !pull.donors.empty() && run_->replica->MomentFloats() > 0;
  borrows ? BorrowMoments() : FetchBase();
  return absl::OkStatus();
}

void Worker::FetchBase() {
  const PullBase& pull = pulling_->order;
  if (run_->replica->root() == pull.root) {  // The answer to an earlier order was lost.
    StopFetching();
    return AnswerPull("");
  }
  runtime::TransferJob job{.root = pull.root,
                           .layout_hash = run_->replica->layout_hash(),
                           .into = run_->replica->fetched(),
                           .deadline = context_->Now() + runtime::FromSeconds(pull.seconds)};
  for (const Member& donor : pull.donors) job.donors.push_back({donor.node, donor.endpoint});
  parts_.transfer.Fetch(std::move(job), [this, run = run_, fetch = ++run_->fetches,
                                         poster = context_->poster()](auto result) {
    poster.Post([this, run, fetch, result = std::move(result)] {
      if (run == run_ && fetch == run->fetches) OnFetched(result.status());
    });
  });
}

// What is under way, if anything, writes to the replica no more.
void Worker::StopFetching() {
  ++run_->fetches;
  parts_.transfer.Fetch({}, [](auto) {});
}

void Worker::OnFetched(const absl::Status& fetched) {
  if (!fetched.ok()) return AnswerPull(runtime::MessageOf(fetched));
  run_->adopting = true;
  parts_.training.Run([this, run = run_, root = pulling_->order.root,
                       keep_drift = pulling_->order.keep_drift, &transfer = parts_.transfer,
                       poster = context_->poster()] {
    keep_drift ? run->replica->Rebase(root) : run->replica->Adopt(root);
    transfer.Offer(run->replica->Offer());
    run->replica->ReuseOldBase();
    poster.Post([this, run] {
      run->adopting = false;
      if (run == run_ && pulling_.has_value()) FetchBase();  // Another one, or none.
    });
  });
}

void Worker::AnswerPull(std::string failure) {
  std::exchange(pulling_, std::nullopt)
      ->responder.Answer(Pulled{.root = run_->replica->root(),
                                .failure = std::move(failure),
                                .fresh_moments = std::exchange(run_->fresh_moments, {})});
}

}  // namespace actors
