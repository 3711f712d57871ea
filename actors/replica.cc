#include "actors/replica.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "actors/averaging/drift.h"
#include "actors/run_options.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
absl::StatusOr<std::unique_ptr<Replica>> Replica::Build(const RunConfig& config,
                                                        TrainerFactory& make_trainer) {
  ASSIGN_OR_RETURN(std::unique_ptr<Trainer> trainer, make_trainer(config));
  std::unique_ptr<Summarizer> summarizer;
  if (WatchesDrifts(config.strategy.name)) {
    absl::StatusOr<std::unique_ptr<Summarizer>> made =
        MakeSummarizer(EstimatorOptionsOf(config, trainer->layout().trainable));
    if (!made.ok()) {
      return runtime::MakeError("CONFIG_CONFLICT", runtime::Exit::kUsage,
                                std::string(made.status().message()));
    }
    summarizer = *std::move(made);
  }
  return std::unique_ptr<Replica>(new Replica(std::move(trainer), std::move(summarizer), config));
}

Replica::Replica(std::unique_ptr<Trainer> trainer, std::unique_ptr<Summarizer> summarizer,
                 const RunConfig& config)
    : trainer_(std::move(trainer)),
      summarizer_(std::move(summarizer)),
      server_(ServerOptimizerOptionsOf(config)),
      layout_hash_(trainer_->layout().Hash()),
      base_(std::make_shared<runtime::AlignedBuffer>(
          actors::CommittedFloats(server_, trainer_->layout().total))),
      shadow_(std::make_shared<runtime::AlignedBuffer>(base_->size())),
      keep_mark_(config.strategy.overlap),
      direction_(summarizer_ != nullptr && summarizer_->UsesDirection()
                     ? trainer_->layout().trainable
                     : 0) {
  std::ranges::copy(local(), base_->span().begin());
  root_ = runtime::RootOf(layout_hash_, base_->span());
}

runtime::Hash128 Replica::TakeServerStep() {
  reading_ = ReadDriftAndMean();
  ServerStep(server_, layout().total, layout().trainable, base_->span(), shadow_->span());
  return runtime::RootOf(layout_hash_, shadow_->span());
}

std::span<const float> Replica::local() const {
  const absl::Span<float> local = trainer_->local();
  return {local.data(), local.size()};
}

const LocalState& Replica::Summarize() {
  REQUIRE(summarizer_ != nullptr);
  summarizer_->Summarize(Trainable(local()), Trainable(base()),
                         {.id = direction_id_, .values = direction_.span()}, state_);
  return state_;
}

bool Replica::DriftIsFinite() const { return std::isfinite(SquaredDrift(local(), base())); }

DriftReading Replica::ReadDriftAndMean() const {
  return ReadDrift(Trainable(input()), Trainable(base()),
                   Trainable(shadow_->span().first(layout().total)));
}

void Replica::TakeDirection(const runtime::Hash128& root, double squared_update) {
  if (direction_.size() == 0) return;
  const bool moved = ComputeUpdateDirection(Trainable(shadow()), Trainable(base()), squared_update,
                                            direction_.span());
  direction_id_ = moved ? XiId{.newer_base = root, .older_base = root_} : XiId{};
}

DriftReading Replica::Commit(const runtime::Hash128& root) {
  const DriftReading reading = HasServerOptimizer() ? reading_ : ReadDriftAndMean();
  TakeDirection(root, HasServerOptimizer() ? SquaredDrift(Trainable(shadow()), Trainable(base()))
                                           : reading.squared_mean);
  if (!marked_) {
    TakeShadow(root);
    return reading;
  }
  MoveLocal(mark(), shadow());
  swap(base_, shadow_);
  root_ = root;
  Unmark();
  return reading;
}

void Replica::MoveLocal(std::span<const float> from, std::span<const float> to) {
  const absl::Span<float> local = trainer_->local();
  const std::size_t trainable = trainer_->layout().trainable;
  for (std::size_t i = 0; i < trainable; ++i) local[i] = to[i] + (local[i] - from[i]);
  std::copy(to.begin() + static_cast<std::ptrdiff_t>(trainable), to.end(),
            local.begin() + static_cast<std::ptrdiff_t>(trainable));
}

void Replica::Rebase(const runtime::Hash128& root) {
  direction_id_ = XiId{};
  MoveLocal(base(), shadow());
  swap(base_, shadow_);
  root_ = root;
}

void Replica::Mark() {
  if (mark_.size() == 0) mark_ = runtime::AlignedBuffer(layout().total);
  std::ranges::copy(local(), mark_.span().begin());
  marked_ = true;
}

void Replica::Unmark() {
  marked_ = false;
  if (!keep_mark_) mark_ = {};
}

void Replica::Adopt(const runtime::Hash128& root) {
  direction_id_ = XiId{};
  TakeShadow(root);
}

void Replica::TakeShadow(const runtime::Hash128& root) {
  swap(base_, shadow_);
  root_ = root;
  ResetToBase();
}

void Replica::ResetToBase() { std::ranges::copy(base(), trainer_->local().begin()); }

runtime::TransferOffer Replica::CopyOfMoments() const {
  auto copy = std::make_shared<runtime::AlignedBuffer>(MomentFloats());
  const std::span<float> floats = copy->span();
  trainer_->optimizer().CopyMoments({floats.data(), floats.size()});
  return {.root = runtime::RootOf(layout_hash_, floats), .owner = copy, .floats = floats};
}

absl::StatusOr<EvaluationCounts> Replica::EvaluateBase(std::uint32_t part, std::uint32_t parts) {
  return trainer_->Evaluate({base().data(), base().size()}, part, parts);
}

absl::StatusOr<EvaluationCounts> Replica::EvaluateShadow(std::uint32_t part, std::uint32_t parts) {
  return trainer_->Evaluate({shadow().data(), shadow().size()}, part, parts);
}

absl::Status Replica::SaveBase(const std::string& path) {
  return trainer_->Save({base().data(), base().size()}, path);
}

}  // namespace actors
