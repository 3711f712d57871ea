// One worker's copy of the model: what it trains, and what it averages.
//
//   base    global model of the last committed round; changes only at Commit
//   local   live parameters, the trainer's; written by Step and Commit
//   shadow  what the ring leaves behind; the next base, if the head commits it
//   mark    `local` as the ring reads it, of a worker that trains on before it knows whether that
//           ring is committed (protocol.md 7): overlap, or a head that is gone; allocated only then
//   xi      direction of the last global update (estimator `linear` only)
//
// With a server optimizer base and shadow hold, behind the model, what it remembers: the committed
// state (averaging/server_optimizer.h).
//
// All of it belongs to the worker's training thread, except that the ring reads its input and
// `base` and writes `shadow` from START to DONE. The input is `local`, while no step runs, or
// `mark`. Nothing here knows of messages.
#ifndef RONDO_ACTORS_REPLICA_H_
#define RONDO_ACTORS_REPLICA_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "actors/averaging/drift_kernel_table.h"
#include "actors/averaging/estimator.h"
#include "actors/averaging/local_state.h"
#include "actors/averaging/server_optimizer.h"
#include "actors/run_config.h"
#include "actors/training/trainer.h"
#include "runtime/base/aligned_buffer.h"
#include "runtime/base/hash.h"
#include "runtime/collective/transfer.h"

namespace actors {

// Builds the trainer that a config asks for; the apps give the one that knows torch.
using TrainerFactory =
    absl::AnyInvocable<absl::StatusOr<std::unique_ptr<Trainer>>(const RunConfig& config)>;

class Replica {
 public:
  // `base` begins as the trainer's fresh parameters, which follow from run.seed alone.
  static absl::StatusOr<std::unique_ptr<Replica>> Build(const RunConfig& config,
                                                        TrainerFactory& make_trainer);

  const Layout& layout() const { return trainer_->layout(); }
  std::uint64_t layout_hash() const { return layout_hash_; }
  DataSummary Data() const { return trainer_->Data(); }
  // Root of `base`.
  const runtime::Hash128& root() const { return root_; }

  absl::Status Place(const Placement& placement) { return trainer_->Place(placement); }
  void AtRunStep(std::uint64_t step) { trainer_->AtRunStep(step); }
  absl::StatusOr<StepOutcome> Step(std::uint64_t step, double learning_rate) {
    return trainer_->Step(step, learning_rate);
  }
  // The drift of the trainable part as a small state; the reference is valid until the next call.
  const LocalState& Summarize();
  void ResetToBase();  // local = base.
  void ResetOptimizer() { trainer_->optimizer().Reset(); }
  // Whether every drift is a number: checked before READY, over buffers too.
  bool DriftIsFinite() const;

  std::span<const float> local() const;
  // What the ring works on; see Mark.
  std::span<const float> input() const { return marked_ ? mark_.span() : local(); }
  std::span<const float> base() const { return base_->span().first(layout().total); }
  std::span<float> shadow() { return shadow_->span().first(layout().total); }
  // Into which a base of others, the committed state, is fetched.
  std::span<float> fetched() { return shadow_->span(); }
  std::size_t CommittedFloats() const { return base_->size(); }
  // Empty: none.
  std::span<const float> mark() const { return marked_ ? mark_.span() : std::span<float>(); }
  std::shared_ptr<const void> shadow_owner() const { return shadow_; }
  // Sockets may still read from `shadow`: takes another vector.
  void RenewShadow() { shadow_ = std::make_shared<runtime::AlignedBuffer>(base_->size()); }

  // Whether what the ring leaves in `shadow` is not yet what can be committed.
  bool HasServerOptimizer() const { return server_.name != ServerOptimizer::kNone; }
  // Makes it that, and returns its root. Once for each ring that is complete, before Commit.
  runtime::Hash128 TakeServerStep();
  // base = local = shadow, whose root is `root`; xi = the direction from the old base to the new.
  // What was trained since Mark stays: local = shadow + (local - mark). Returns how the drift that
  // the ring had of this worker lies to that of the mean.
  DriftReading Commit(const runtime::Hash128& root);
  // The same with a model that others made: this worker starts from it with drift 0 and without xi.
  void Adopt(const runtime::Hash128& root);
  // The same, but the drift stays, because it is in nobody's mean: local += shadow - base. Buffers
  // are not averages of steps: they are taken over.
  void Rebase(const runtime::Hash128& root);
  // What is trained from here on is in no ring that was begun before.
  void Mark();
  // There is no such ring any more, or none that will be committed.
  void Unmark();
  // `base`, for others to fetch. A base that was offered is given up, not written to, as long as
  // someone sends from it; call ReuseOldBase once it is no longer offered.
  runtime::TransferOffer Offer() const { return {root_, base_, base_->span()}; }
  void ReuseOldBase() {
    if (shadow_.use_count() > 1) RenewShadow();
  }

  // What the optimizer remembers (FlatOptimizer), for others to fetch; without floats, if that is
  // nothing. A copy: the caller's.
  runtime::TransferOffer CopyOfMoments() const;
  std::size_t MomentFloats() const { return trainer_->optimizer().MomentFloats(); }
  absl::Status TakeMoments(std::span<const float> moments) {
    return trainer_->optimizer().TakeMoments({moments.data(), moments.size()});
  }

  absl::StatusOr<EvaluationCounts> EvaluateBase(std::uint32_t part, std::uint32_t parts);
  absl::StatusOr<EvaluationCounts> EvaluateShadow(std::uint32_t part, std::uint32_t parts);
  absl::Status SaveBase(const std::string& path);

 private:
  DriftReading ReadDriftAndMean() const;
  void TakeDirection(const runtime::Hash128& root, double squared_update);
  void TakeShadow(const runtime::Hash128& root);
  // The trainable part of local becomes `to` + (local - from), the rest of it `to`.
  void MoveLocal(std::span<const float> from, std::span<const float> to);
  Replica(std::unique_ptr<Trainer> trainer, std::unique_ptr<Summarizer> summarizer,
          const RunConfig& config);

  std::span<const float> Trainable(std::span<const float> all) const {
    return all.first(trainer_->layout().trainable);
  }

  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<Summarizer> summarizer_;  // Null: a fixed schedule needs no states.
  const ServerOptimizerOptions server_;
  std::uint64_t layout_hash_;
  std::shared_ptr<runtime::AlignedBuffer> base_;
  std::shared_ptr<runtime::AlignedBuffer> shadow_;
  const bool keep_mark_;  // The memory of it, for the next one.
  bool marked_ = false;
  runtime::AlignedBuffer mark_;
  runtime::AlignedBuffer direction_;
  XiId direction_id_;
  DriftReading reading_;  // With a server optimizer, of the mean before its step.
  runtime::Hash128 root_;
  LocalState state_;
};

}  // namespace actors

#endif  // RONDO_ACTORS_REPLICA_H_
