// A run that outlives all its workers: every so many rounds the head fetches the base, as a
// newcomer would, and keeps it on its disk. If nobody is left who holds the base of the present
// round, the run goes on from the last one that was kept, or from the initial model, and says so
// (protocol.md 9).
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "actors/monitor.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::NodeId;

// The members may not serve the base of a commit that is still on its way to them.
constexpr runtime::Duration kTryAgainAfter = std::chrono::milliseconds(500);

}  // namespace

void Monitor::TakeLastCheckpoint(std::function<void()> taken) {
  after_last_checkpoint_ = std::move(taken);
  if (round_ == nullptr) return std::exchange(after_last_checkpoint_, nullptr)();
  TakeCheckpointIfDue();
}

void Monitor::TakeCheckpointIfDue() {
  const std::uint64_t every = options_.config.run.checkpoint_every;
  const bool is_last = after_last_checkpoint_ != nullptr;
  const std::uint64_t kept = checkpoint_.has_value() ? Number(checkpoint_->round) : 0;
  if (taking_checkpoint_) return;
  if (options_.transfer == nullptr || every == 0 || rolling_back_ || round_->members().empty() ||
      round_->synchronizations() < kept + (is_last ? 1 : every)) {
    if (is_last) std::exchange(after_last_checkpoint_, nullptr)();
    return;
  }
  if (context_->Now() >= next_checkpoint_) TakeCheckpoint();
}

void Monitor::TakeCheckpoint() {
  taking_checkpoint_ = true;
  const std::uint64_t round = round_->synchronizations();
  Checkpoint checkpoint{.round = round_->round(),
                        .step = round_->synchronized_step(),
                        .layout_hash = reference_->layout_hash,
                        .root = round_->root(),
                        .floats = std::make_shared<runtime::AlignedBuffer>(reference_->committed)};
  CheckpointRecord record{.run = options_.run,
                          .round = checkpoint.round,
                          .root = checkpoint.root,
                          .step = checkpoint.step,
                          .path = absl::StrCat(options_.folder, "/checkpoint-", round)};
  runtime::TransferJob job{
      .root = checkpoint.root,
      .layout_hash = checkpoint.layout_hash,
      .into = checkpoint.floats->span(),
      .deadline = context_->Now() + runtime::LongestCarriage(reference_->committed),
      .traffic = runtime::Traffic::kCheckpoint};
  for (const Member& donor : DonorsFor(options_.transfer->endpoint().host_key, false)) {
    job.donors.push_back({donor.node, donor.endpoint});
  }
  options_.transfer->Fetch(std::move(job), [this, checkpoint, record, disk = options_.disk,
                                            poster = context_->poster()](auto fetched) {
    if (!fetched.ok()) {
      poster.Post([this, record, why = fetched.status()] { OnCheckpoint(record, why); });
      return;
    }
    disk->Run([this, checkpoint, record, poster] {
      absl::Status saved = SaveCheckpoint(checkpoint, record.path);
      poster.Post([this, record, saved = std::move(saved)] { OnCheckpoint(record, saved); });
    });
  });
}

void Monitor::OnCheckpoint(const CheckpointRecord& record, const absl::Status& taken) {
  taking_checkpoint_ = false;
  next_checkpoint_ = context_->Now() + kTryAgainAfter;
  const absl::Status kept = taken.ok() ? options_.journal->Append(record) : taken;
  if (!kept.ok()) {
    // The one before is still there, and this is tried again. That the members hold a newer base by
    // now is nothing to tell.
    const std::string why = absl::IsNotFound(kept) ? "" : runtime::MessageOf(kept);
    if (!why.empty() && why != checkpoint_failure_) {
      listener_.OnNote(options_.run,
                       absl::StrCat("no checkpoint of round ", Number(record.round), ": ", why));
    }
    checkpoint_failure_ = why;
    return;
  }
  checkpoint_failure_.clear();
  const std::optional<CheckpointRecord> before = std::exchange(checkpoint_, record);
  std::error_code error;
  if (before.has_value() && before->path != record.path) {
    std::filesystem::remove(before->path, error);
  }
  if (after_last_checkpoint_ != nullptr) std::exchange(after_last_checkpoint_, nullptr)();
}

// Of those who wait for a place, and who could still come back with it.
bool Monitor::NobodyHoldsTheBase() const {
  if (options_.transfer == nullptr || !round_->members().empty() || offered_ == round_->root()) {
    return false;
  }
  bool any = false;
  for (const auto& [node, member] : members_) {
    if (member.stage != Stage::kReady && member.stage >= Stage::kAsked) return false;
    if (member.stage != Stage::kReady) continue;
    if (member.root == round_->root() || member.root.IsNull()) return false;
    any = true;
  }
  return any;
}

void Monitor::RollBack() {
  if (std::exchange(rolling_back_, true)) return;
  if (!checkpoint_.has_value()) {
    GoBackToTheInitialModel();
    return;
  }
  options_.disk->Run([this, path = checkpoint_->path, poster = context_->poster()] {
    absl::StatusOr<Checkpoint> loaded = LoadCheckpoint(path);
    poster.Post([this, loaded = std::move(loaded)]() mutable { OnLoaded(std::move(loaded)); });
  });
}

// Whoever has loaded just now holds it. Who had fetched another base meanwhile is of no use any
// more.
void Monitor::GoBackToTheInitialModel() {
  std::optional<runtime::Hash128> initial;
  std::vector<NodeId> others;
  for (const auto& [node, member] : members_) {
    if (member.stage != Stage::kReady) continue;
    if (!member.recovered.has_value() && member.root == member.ready->base_root) {
      initial = member.root;
    } else {
      others.push_back(node);
    }
  }
  if (initial.has_value()) return GoOnFrom({.root = *initial});
  rolling_back_ = false;
  for (const NodeId node : others) {
    Refuse(node, runtime::MakeError("EVICTED", runtime::Exit::kEvicted,
                                    "no worker is left who holds the model of this run",
                                    "start it again: it joins as a new node"));
  }
}

void Monitor::OnLoaded(absl::StatusOr<Checkpoint> loaded) {
  if (ended_) return;
  if (!loaded.ok()) return Fail(loaded.status());
  if (loaded->layout_hash != reference_->layout_hash) {
    return Fail(runtime::MakeError(
        "CHECKPOINT_UNREADABLE", runtime::Exit::kUnreadable,
        absl::StrCat(checkpoint_->path, " is of a model of another architecture")));
  }
  options_.transfer->Offer(
      {.root = loaded->root, .owner = loaded->floats, .floats = loaded->floats->span()});
  offered_ = loaded->root;
  GoOnFrom({.round = loaded->round, .root = loaded->root, .step = loaded->step});
}

void Monitor::GoOnFrom(RunPosition position) {
  const runtime::RoundId from = round_->round();
  position.view = round_->fence().view;
  // If it cannot be written, the next view tells a later head the same.
  (void)options_.journal->Append(RollbackRecord{.run = options_.run,
                                                .from = from,
                                                .to = position.round,
                                                .root = position.root,
                                                .step = position.step});
  listener_.OnRolledBack(options_.run, Number(from), Number(position.round), position.step);
  // Whoever still comes back from what is undone is not taken.
  absent_.clear();
  commits_.clear();
  recent_orders_.clear();
  last_order_ = 0;
  past_.paper_counts += round_->paper_counts();
  if (absl::Status made = MakeRound(); !made.ok()) return Fail(made);
  round_->Resume(position);
  if (stop_requested_) round_->RequestStop();
  rolling_back_ = false;
  AdmitWhoIsReady();
}

}  // namespace actors
