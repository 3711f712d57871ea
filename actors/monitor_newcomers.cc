// How whoever has loaded comes into a run: it fetches the base of the present round, and enters
// between two rounds.
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "actors/monitor.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;
using runtime::NodeId;

// The answer may be on its way when the time that it may take is over.
constexpr runtime::Duration kAnswerMargin = std::chrono::milliseconds(800);
// Donors that are dead may not be known as such yet, for as long as any profile's bound.
constexpr runtime::Duration kPullPatience = std::chrono::seconds(30);
constexpr runtime::Duration kPullAgainAfter = std::chrono::milliseconds(500);

}  // namespace

void Monitor::Pull(MemberBook& member) {
  member.stage = Stage::kPulling;
  if (!member.pulled.IsNull() && member.pulled != round_->root()) ++member.races_lost;
  member.pulled = round_->root();
  if (member.races_lost >= 2) round_->WaitForNewcomer(member.races_lost, context_->Now());
  const runtime::Duration longest = runtime::LongestCarriage(reference_->committed);
  PullBase pull{.run = options_.run,
                .root = round_->root(),
                .seconds = runtime::ToSeconds(longest),
                .keep_drift = member.recovered.has_value()};
  // Newcomers share the members out between them.
  pull.donors = DonorsFor(member.ready->transfer.host_key, offered_ == round_->root());
  if (!pull.donors.empty()) {
    std::rotate(pull.donors.begin(),
                pull.donors.begin() + static_cast<std::ptrdiff_t>(member.slot % pull.donors.size()),
                pull.donors.end());
  }
  if (offered_ == round_->root()) {
    pull.donors.push_back(
        {.node = context_->self().node, .endpoint = options_.transfer->endpoint()});
  }
  // The base, and before it a donor's moments.
  context_->Ask(WorkerAt(member.node), pull, 3 * longest + kLendTimeout + kAnswerMargin,
                [this, node = member.node, root = pull.root](const absl::StatusOr<Pulled>& pulled) {
                  if (!ended_) OnPulled(node, root, pulled);
                });
}

std::vector<Member> Monitor::DonorsFor(const std::string& host_key, bool others) const {
  std::vector<Member> reachable, all;
  for (Member donor : round_->members()) {
    const auto book = members_.find(donor.node);
    if (book == members_.end()) continue;  // Lost while all finish.
    donor.endpoint = book->second.ready->transfer;
    const bool same_host = !host_key.empty() && donor.endpoint.host_key == host_key;
    if (book->second.reach.transfer || same_host) reachable.push_back(donor);
    all.push_back(std::move(donor));
  }
  return reachable.empty() && !others ? all : reachable;
}

void Monitor::OnPulled(NodeId node, const runtime::Hash128& root,
                       const absl::StatusOr<Pulled>& pulled) {
  MemberBook* const member = Find(node);
  if (member == nullptr) return;
  member->stage = Stage::kReady;
  // Without an answer it is not known what it holds.
  member->root = pulled.ok() ? pulled->root : runtime::Hash128{};
  if (pulled.ok() && !pulled->fresh_moments.empty()) {
    listener_.OnNote(options_.run,
                     absl::StrCat("slot ", member->slot,
                                  " begins with fresh optimizer moments: ", pulled->fresh_moments));
  }
  if (member->root == root) {
    member->pulls_fail_since.reset();
  } else if (root == round_->root()) {
    // Not because a newer base has come meanwhile.
    const runtime::Time now = context_->Now();
    if (!member->pulls_fail_since.has_value()) member->pulls_fail_since = now;
    if (now - *member->pulls_fail_since >= kPullPatience) {
      Refuse(node, MakeError("MODEL_NOT_FETCHED", Exit::kHeadUnreachable,
                             absl::StrCat("no member could hand the model over: ",
                                          pulled.ok() ? pulled->failure
                                                      : runtime::MessageOf(pulled.status())),
                             "check that the workers reach each other: rondo join --advertise"));
      return;
    }
    member->stage = Stage::kPulling;
    context_->After(kPullAgainAfter, [this, node] {
      MemberBook* const again = Find(node);
      if (ended_ || again == nullptr || again->stage != Stage::kPulling) return;
      again->stage = Stage::kReady;  // Who can hand it over may have changed.
      AdmitWhoIsReady();
    });
    return;
  }
  AdmitWhoIsReady();
}

void Monitor::AdmitWhoIsReady() {
  if (ended_ || round_ == nullptr || !round_->CanAdmit() || AwaitsReturn(Stage::kPulling)) {
    return;
  }
  if (NobodyHoldsTheBase()) return RollBack();
  const bool donors = !round_->members().empty() || offered_ == round_->root();
  std::vector<Member> newcomers, others;
  // Those who can be connected to first: the others may have a place between them.
  for (const bool reachable : {true, false}) {
    for (auto& [node, member] : members_) {
      if (member.stage != Stage::kReady || member.reach.ring != reachable) continue;
      const bool holds_base = member.root == round_->root();
      std::vector<Member>& group = holds_base ? newcomers : others;
      group.push_back(SeatOf(member));
      if (!round_->HasPlaceFor(group)) {
        group.pop_back();
      } else if (!holds_base && (donors || member.root.IsNull())) {
        Pull(member);
      }
    }
  }
  if (!newcomers.empty()) Perform(round_->Admit(newcomers, context_->Now()));
}

}  // namespace actors
