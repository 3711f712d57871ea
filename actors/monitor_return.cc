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
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;
using runtime::NodeId;

// A question or its answer may be lost with a connection that is cut; both can be asked again.
constexpr runtime::Duration kAskTimeout = std::chrono::seconds(5);
// A step, or a ring that is given up, may have to end first.
constexpr runtime::Duration kLongestReturn = std::chrono::seconds(120);

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
  if (absl::Status written = options_.journal->Append(record); !written.ok()) {
    listener_.OnNote(options_.run, runtime::MessageOf(written));
  }
}

// --------------------------------------------------------------------------- who comes back ------

void Monitor::PursueWhoReturns() {
  std::vector<NodeId> lost;
  for (auto& [node, member] : members_) {
    if (member.stage != Stage::kAsked && member.stage != Stage::kResolving) continue;
    const runtime::Time now = context_->Now();
    if (now - member.asked_at < kAskTimeout) continue;
    if (now - member.returns_since >= kLongestReturn) {
      lost.push_back(node);
    } else if (member.stage == Stage::kAsked) {
      AskToRecover(member);
    } else {
      Resolve(member);
    }
  }
  for (const NodeId node : lost) {
    Refuse(node, MakeError("EVICTED", Exit::kEvicted, "this worker did not come back into its run",
                           "start it again: it joins as a new node"));
  }
}

void Monitor::AskToRecover(MemberBook& member) {
  if (member.stage != Stage::kAsked) member.returns_since = context_->Now();
  member.stage = Stage::kAsked;
  member.asked_at = context_->Now();
  context_->Ask(WorkerAt(member.node),
                Recover{.run = options_.run,
                        .head_epoch = options_.head_epoch,
                        .monitor = context_->self().actor},
                kAskTimeout, [this, node = member.node](absl::StatusOr<Recovered> recovered) {
                  if (!ended_ && recovered.ok()) OnRecovered(node, *std::move(recovered));
                });
}

void Monitor::OnRecovered(NodeId node, Recovered recovered) {
  MemberBook* const member = Find(node);
  if (member == nullptr || member->stage != Stage::kAsked) return;
  if (!recovered.in_run) {
    absent_.erase(node);
    AssignTo(*member);
  } else if (absent_.contains(node)) {
    member->slot = recovered.slot;
    member->ready = recovered.ready;
    member->recovered = std::move(recovered);
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
void Monitor::OnStray(MemberBook& member, const std::string& what) {
  const NodeId node = member.node;
  absent_[node] = member.slot;
  AskToRecover(member);
  Perform(round_->OnStrayed(
      {node}, absl::UnavailableError(absl::StrCat("the worker in slot ", member.slot, " ", what)),
      context_->Now()));
}

void Monitor::OnPassedOver(const PassedOver& passed_over) {
  for (const NodeId node : passed_over.nodes) {
    MemberBook* const member = Find(node);
    if (member == nullptr || member->stage != Stage::kMember) continue;
    const std::string what = absl::StrCat("was at no step boundary within ", passed_over.seconds,
                                          " s; it comes back with its drift");
    listener_.OnNote(options_.run, absl::StrCat("slot ", member->slot, " ", what));
    OnStray(*member, what);
  }
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
    if (round_->members().empty()) round_->RaiseStep(member.recovered->step);
    Resolve(member);
  }
}

void Monitor::Resolve(MemberBook& member) {
  const std::optional<Recovered::InDoubt>& doubt = member.recovered->in_doubt;
  const bool committed =
      doubt.has_value() && std::ranges::any_of(commits_, [&](const CommitRecord& commit) {
        return commit.fence == doubt->fence && commit.root == doubt->root;
      });
  member.stage = Stage::kResolving;
  member.asked_at = context_->Now();
  context_->Ask(WorkerAt(member.node), actors::Resolve{.run = options_.run, .committed = committed},
                kAskTimeout,
                [this, node = member.node, committed](const absl::StatusOr<Nothing>& done) {
                  if (!ended_ && done.ok()) OnResolved(node, committed);
                });
}

void Monitor::OnResolved(NodeId node, bool committed) {
  MemberBook* const member = Find(node);
  if (member == nullptr || member->stage != Stage::kResolving) return;
  member->root = committed ? member->recovered->in_doubt->root : member->ready->base_root;
  member->stage = Stage::kReady;
  AdmitWhoIsReady();
}

// A member that holds a later round than the journal tells of has heard its COMMIT: the disk has
// lost it since. What it holds is the truth, also for those who are in doubt about that round.
absl::Status Monitor::TakeOverWhatTheJournalLacks(RunPosition& position) {
  for (const auto& [node, member] : members_) {
    if (!member.recovered.has_value() || member.recovered->round < position.round) continue;
    const runtime::Hash128& root = member.ready->base_root;
    if (member.recovered->round > position.round) {
      position.round = member.recovered->round;
      position.root = root;
    } else if (!position.root.IsNull() && position.root != root) {
      return MakeError("REPLICAS_DIFFER", Exit::kUnreadable,
                       absl::StrCat("slot ", member.slot, " (node ", node.ShortName(),
                                    ") holds another model of round ", Number(position.round),
                                    " than the journal or another member"),
                       "stop that worker, and resume again");
    }
  }
  if (position.round == options_.resumed->round) return absl::OkStatus();
  listener_.OnNote(options_.run, absl::StrCat("the journal had lost round ", Number(position.round),
                                              ", which members hold; it is taken over"));
  for (const auto& [node, member] : members_) {
    if (!member.recovered.has_value() || !member.recovered->in_doubt.has_value()) continue;
    const Recovered::InDoubt& doubt = *member.recovered->in_doubt;
    if (doubt.root == position.root) {
      Append(CommitRecord{.fence = doubt.fence, .root = doubt.root}, commits_);
    }
  }
  return absl::OkStatus();
}

// Newcomers that had loaded before there was anybody to compare them with.
void Monitor::RefuseMisfits() {
  std::vector<std::pair<NodeId, absl::Status>> misfits;
  for (const auto& [node, member] : members_) {
    if (member.stage != Stage::kReady) continue;
    if (absl::Status agrees = CheckAgrees(member); !agrees.ok()) misfits.emplace_back(node, agrees);
  }
  for (const auto& [node, why] : misfits) Refuse(node, why);
}

// The run of an earlier head, with the first who can tell what its model is like.
void Monitor::ResumeRun() {
  if (AwaitsReturn(Stage::kTold) || round_ != nullptr) return;
  // Who was there before knows what the run is like; without one, the first newcomer sets it.
  auto knows = std::ranges::find_if(
      members_, [](const auto& entry) { return entry.second.recovered.has_value(); });
  if (knows == members_.end()) {
    knows = std::ranges::find_if(members_,
                                 [](const auto& entry) { return entry.second.ready.has_value(); });
  }
  if (knows == members_.end()) return;
  ReferTo(knows->second);
  if (absl::Status made = MakeRound(); !made.ok()) return Fail(made);
  RunPosition position = *options_.resumed;
  if (absl::Status equal = TakeOverWhatTheJournalLacks(position); !equal.ok()) return Fail(equal);
  round_->Resume(position);
  if (stop_requested_) round_->RequestStop();
  RefuseMisfits();
  ResolveWhoTold();
  AdmitWhoIsReady();
}

}  // namespace actors
