// Members that come back: of a view of an earlier head, or of this one that had lost sight of them.
//
// They have trained on by themselves, and may hold a ring of which they do not know whether it was
// committed. RECOVER asks where each stands; once all who are expected have told, or too late,
// RESOLVE tells each what became of its ring: COMMIT if the journal says so, else ABORT. Then each
// enters the next view as a newcomer does, but with its drift (protocol.md 7 and 9).
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "actors/monitor.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;
using runtime::NodeId;

// A step, or a ring that is given up, may have to end first.
constexpr runtime::Duration kRecoverTimeout = std::chrono::seconds(60);
constexpr runtime::Duration kResolveTimeout = std::chrono::seconds(10);

}  // namespace

// ------------------------------------------------------------------------------------- journal --

absl::Status Monitor::RecordCommit(const CommitRecord& record) {
  if (options_.journal != nullptr) {
    absl::Status written = options_.journal->Append(record);
    if (!written.ok()) return written;
  }
  Append(record, commits_);
  return absl::OkStatus();
}

// Without it a later head expects the members of the view before: it loses time, nothing else.
void Monitor::RecordView(const std::vector<Member>& members) {
  if (options_.journal == nullptr || members.empty()) return;
  ViewRecord record{.run = options_.run,
                    .view = round_->fence().view,
                    .round = round_->round(),
                    .root = round_->root(),
                    .step = round_->step()};
  for (const Member& member : members) record.seats.push_back({member.node, member.slot});
  (void)options_.journal->Append(record);
}

// --------------------------------------------------------------------------- who comes back ------

void Monitor::AskToRecover(MemberBook& member) {
  member.stage = Stage::kAsked;
  context_->Ask(WorkerAt(member.node),
                Recover{.run = options_.run,
                        .head_epoch = options_.head_epoch,
                        .monitor = context_->self().actor},
                kRecoverTimeout, [this, node = member.node](absl::StatusOr<Recovered> recovered) {
                  if (!ended_) OnRecovered(node, std::move(recovered));
                });
}

void Monitor::OnRecovered(NodeId node, absl::StatusOr<Recovered> recovered) {
  MemberBook* const member = Find(node);
  if (member == nullptr || member->stage != Stage::kAsked) return;
  if (!recovered.ok()) {
    // Gone again: OnNodeDown follows. Or it cannot end its step: the silent one is let go.
    if (!absl::IsUnavailable(recovered.status())) Lose(node, recovered.status());
    return;
  }
  if (!recovered->in_run) {
    absent_.erase(node);
    AssignTo(*member);
  } else if (absent_.contains(node)) {
    member->slot = recovered->slot;
    member->ready = recovered->ready;
    member->recovered = *std::move(recovered);
    member->stage = Stage::kTold;
    absent_.erase(node);
  } else {
    // Its drift may be in a commit already.
    Refuse(node, MakeError("EVICTED", Exit::kEvicted,
                           "this run went on without this worker, whose drift is lost",
                           "start it again: it joins as a new node"));
  }
  ResolveWhoTold();
}

// It did not hear us for longer than it waits, though we heard it: the others go on meanwhile.
void Monitor::OnStray(MemberBook& member) {
  const NodeId node = member.node;
  absent_[node] = member.slot;
  AskToRecover(member);
  Perform(round_->OnStrayed({node},
                            absl::UnavailableError(absl::StrCat("the worker in slot ", member.slot,
                                                                " was cut off from the head")),
                            context_->Now()));
}

bool Monitor::AwaitsReturn(Stage stage) const {
  if (!return_until_.has_value() || context_->Now() >= *return_until_) return false;
  return !absent_.empty() || std::ranges::any_of(members_, [stage](const auto& entry) {
    return entry.second.stage >= Stage::kAsked && entry.second.stage < stage;
  });
}

void Monitor::ResolveWhoTold() {
  if (ended_ || AwaitsReturn(Stage::kTold)) return;
  if (round_ == nullptr && options_.resumed.has_value()) ResumeRun();
  if (ended_ || round_ == nullptr) return;
  for (auto& [node, member] : members_) {
    if (member.stage != Stage::kTold) continue;
    const std::optional<Recovered::InDoubt>& doubt = member.recovered->in_doubt;
    const bool committed =
        doubt.has_value() && std::ranges::any_of(commits_, [&](const CommitRecord& commit) {
          return commit.fence == doubt->fence && commit.root == doubt->root;
        });
    if (round_->members().empty()) round_->RaiseStep(member.recovered->step);
    member.stage = Stage::kResolving;
    context_->Ask(WorkerAt(node), Resolve{.run = options_.run, .committed = committed},
                  kResolveTimeout, [this, node = node, committed](absl::StatusOr<Nothing> done) {
                    if (!ended_) OnResolved(node, committed, done.status());
                  });
  }
}

void Monitor::OnResolved(NodeId node, bool committed, const absl::Status& resolved) {
  MemberBook* const member = Find(node);
  if (member == nullptr || member->stage != Stage::kResolving) return;
  if (!resolved.ok()) {
    // Gone again, or it did not obey in time: what it holds now nobody knows.
    if (!absl::IsUnavailable(resolved)) Lose(node, resolved);
    return;
  }
  member->root = committed ? member->recovered->in_doubt->root : member->ready->base_root;
  member->stage = Stage::kReady;
  AdmitWhoIsReady();
}

// The run of an earlier head, with the first who can tell what its model is like.
void Monitor::ResumeRun() {
  if (AwaitsReturn(Stage::kTold) || round_ != nullptr) return;
  const auto ready = std::ranges::find_if(
      members_, [](const auto& entry) { return entry.second.ready.has_value(); });
  if (ready == members_.end()) return;
  ReferTo(ready->second);
  if (absl::Status made = MakeRound(); !made.ok()) return Fail(made);
  round_->Resume(*options_.resumed);
  if (stop_requested_) round_->RequestStop();
  ResolveWhoTold();
  AdmitWhoIsReady();
}

}  // namespace actors
