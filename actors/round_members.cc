// How a round outlives its members and its failures: views, another attempt, hold-off.
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <utility>

#include "actors/round.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;
using runtime::NodeId;
using runtime::Time;

// protocol.md 6.
constexpr int kMaxAttempts = 5;
constexpr runtime::Duration kShortestHoldOff = std::chrono::seconds(1);
constexpr runtime::Duration kLongestHoldOff = std::chrono::seconds(60);
// L2, once some steps were measured: named after the first two, let go after the last two.
constexpr int kArmedAfterSteps = 3;
constexpr double kSuspectSeconds = 1;
constexpr double kSuspectFactor = 5;
constexpr double kStuckSeconds = 30;
constexpr double kStuckFactor = 20;

void Append(RoundActions more, RoundActions& actions) {
  std::ranges::move(more, std::back_inserter(actions));
}

}  // namespace

// ------------------------------------------------------------------------------------- views ----

std::optional<std::uint32_t> Round::RankOf(NodeId node) const {
  const auto member = std::ranges::find(members_, node, &Member::node);
  if (member == members_.end()) return std::nullopt;
  return static_cast<std::uint32_t>(member - members_.begin());
}

void Round::OpenNextView(std::vector<Member> members, Time now, RoundActions& actions) {
  members_ = std::move(members);
  std::ranges::sort(members_, {}, &Member::slot);
  const auto world_size = static_cast<std::uint32_t>(members_.size());
  weights_.clear();
  std::vector<std::uint64_t> sizes;
  if (options_.shard_sizes != nullptr && world_size > 0) {
    sizes = options_.shard_sizes(world_size).value_or(sizes);
  }
  for (std::uint32_t rank = 0; rank < world_size; ++rank) {
    if (!sizes.empty()) members_[rank].weight = static_cast<float>(sizes[rank]);
    weights_.push_back(members_[rank].weight);
  }
  fence_.view = Next(fence_.view);
  if (paper_counts_.initial_members == 0) paper_counts_.initial_members = world_size;
  states_.assign(world_size, LocalState{});
  ready_.assign(world_size, Ready{});
  done_.assign(world_size, Done{});
  finished_.assign(world_size, std::nullopt);
  have_.assign(world_size, false);
  left_out_.assign(world_size, false);
  PlaceOnRing();
  deadline_.reset();
  sequence_ = 0;
  stopped_ = true;
  marks_.reset();
  newcomer_until_ = {};
  disturbed_ = true;
  BeginTraining(now);
  if (members_.empty()) phase_ = Phase::kHolding;
  if (quantum_.has_value() && !members_.empty()) OpenWithoutBarrier(now);
  actions.push_back(ViewOpened{.members = members_});
  // With reports the debt is paid after the opening ones; a fixed schedule has none.
  const bool hold = !options_.reports && owed_.has_value();
  SendToAll(OpenView{.members = members_,
                     .synchronized_step = synchronized_step_,
                     .hold = hold,
                     .sequence = sequence_},
            actions);
  if (hold) {
    purpose_ = *owed_;
    Append(GoOn(now), actions);
  }
}

std::optional<runtime::Hash128> Round::RootOfLateCommit(const std::vector<bool>& lost) const {
  if (phase_ != Phase::kRinging || purpose_ != RingPurpose::kSynchronize) return std::nullopt;
  std::optional<runtime::Hash128> root;
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    if (lost[rank]) continue;
    if (!have_[rank] || (root.has_value() && *root != done_[rank].root)) return std::nullopt;
    root = done_[rank].root;
  }
  return root;
}

absl::Status Round::CheckAnyoneAdds() const {
  std::string names;
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    if (RingWeight(rank) > 0) return absl::OkStatus();
    absl::StrAppend(&names, names.empty() ? "" : ", ", Name(rank));
  }
  return runtime::MakeError(
      "DIVERGED", runtime::Exit::kRunFailed,
      absl::StrCat("nobody's drift is a number at step ", step_, ", learning rate ",
                   LearningRateAt(options_.schedule, step_), ": ", names),
      "lower optimizer.learning_rate; the last synchronized model is kept");
}

absl::Status Round::CheckRoots(const std::vector<runtime::Hash128>& roots,
                               std::optional<runtime::Hash128> right, const char* moment) const {
  if (!right.has_value()) {
    std::map<runtime::Hash128, int> votes;
    for (const runtime::Hash128& root : roots) ++votes[root];
    const auto common = std::ranges::max_element(
        votes, {}, [](const std::pair<const runtime::Hash128, int>& vote) { return vote.second; });
    // Where no root has most votes, everybody is suspect.
    if (2 * static_cast<std::size_t>(common->second) > roots.size()) right = common->first;
  }
  std::string odd;
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    if (roots[rank] != right) absl::StrAppend(&odd, odd.empty() ? "" : ", ", Name(rank));
  }
  if (odd.empty()) return absl::OkStatus();
  return MakeError(
      "REPLICAS_DIFFER", Exit::kRunFailed,
      absl::StrCat(
          "at ", moment, " of round ", Number(fence_.round), " the members hold different bits",
          right.has_value() ? "; the odd ones: " : ", and no majority tells who is right: ", odd));
}

absl::Status Round::RecordCommit(const runtime::Hash128& root) const {
  CommitRecord record{.fence = fence_, .root = root, .step = step_};
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    if (RingWeight(rank) > 0) record.contributors.push_back(members_[rank].node);
  }
  return options_.record_commit(record);
}

RoundActions Round::OnUnrecorded(const absl::Status& why, Time now) {
  if (absl::IsDataLoss(why)) {
    phase_ = Phase::kEnded;
    deadline_.reset();
    return {Ended{.status = why}};
  }
  RoundActions actions;
  AbortForAnother(why, actions);
  Cancel(why, now, actions);
  return actions;
}

void Round::Resume(const RunPosition& position) {
  REQUIRE(members_.empty() && phase_ == Phase::kEnded);
  fence_.view = position.view;
  fence_.round = position.round;
  if (!position.root.IsNull()) root_ = position.root;
  step_ = synchronized_step_ = tested_step_ = position.step;
  progress_ = static_cast<double>(step_);
  // The journal does not tell who took the steps before: the members of the last view, say.
  paper_counts_ = CountsOf(position.members.size(), position.step, Number(position.round));
  phase_ = Phase::kHolding;
}

void Round::RaiseStep(std::uint64_t step) {
  REQUIRE(members_.empty());
  step_ = std::min(std::max(step_, step), options_.max_steps);
  progress_ = static_cast<double>(step_);
}

RoundActions Round::OnLost(const std::vector<NodeId>& lost, const absl::Status& why, Time now) {
  return Part(lost, why, Parting::kForGood, now);
}

RoundActions Round::OnStrayed(const std::vector<NodeId>& strayed, const absl::Status& why,
                              Time now) {
  return Part(strayed, why, Parting::kForAWhile, now);
}

RoundActions Round::Part(const std::vector<NodeId>& nodes, const absl::Status& why, Parting parting,
                         Time now) {
  REQUIRE(!why.ok());
  std::vector<bool> lost(members_.size(), false);
  std::vector<Member> rest;
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    lost[rank] = std::ranges::find(nodes, members_[rank].node) != nodes.end();
    if (!lost[rank]) rest.push_back(members_[rank]);
  }
  if (phase_ == Phase::kEnded || rest.size() == members_.size()) return {};
  if (phase_ == Phase::kFinishing) return FinishWithout(lost, now);
  if (rest.empty() && parting == Parting::kForGood && !options_.outlives_members) {
    phase_ = Phase::kEnded;
    deadline_.reset();
    return {Ended{.status = why}};
  }
  RoundActions actions;
  // If it is one, every survivor holds the mean, the dead one's drift in it.
  const std::optional<runtime::Hash128> late = RootOfLateCommit(lost);
  const absl::Status recorded = late.has_value() ? RecordCommit(*late) : absl::OkStatus();
  if (absl::IsDataLoss(recorded)) return OnUnrecorded(recorded, now);
  if (late.has_value() && recorded.ok()) {
    Append(CommitRound(*late, Pace::kNewViewFollows, now), actions);
    if (IsEnding() && !options_.reports) owed_ = RingPurpose::kSynchronize;
  } else {
    OweWhatIsInterrupted();
    if (phase_ == Phase::kRinging) {
      const std::string reason = runtime::MessageOf(why);
      actions.push_back(Aborted{.step = step_, .fence = fence_, .reason = reason});
      SendToAll(AbortAttempt{.reason = reason}, actions);
    }
  }
  for (const NodeId node : nodes) {
    std::erase(leaving_, node);
    if (parting == Parting::kForGood) step_counts_.erase(node);
  }
  if (!leaving_.empty() && leaving_.size() == rest.size()) EndWithTheLastMember();
  OpenNextView(std::move(rest), now, actions);
  return actions;
}

// What members who report are asked anyway after the opening reports is not owed: an evaluation
// that is due, the last synchronization.
void Round::OweWhatIsInterrupted() {
  switch (phase_) {
    case Phase::kPreparing:
    case Phase::kRinging:
      if (!options_.reports || purpose_ == RingPurpose::kSynchronize) owed_ = purpose_;
      return;
    case Phase::kEvaluatingMean:
      if (!options_.reports) owed_ = RingPurpose::kEvaluate;
      return;
    case Phase::kEvaluatingBase:
      if (!options_.reports && IsEnding()) owed_ = RingPurpose::kSynchronize;
      return;
    case Phase::kTraining:
    case Phase::kHolding:
    case Phase::kFinishing:
    case Phase::kEnded: return;
  }
}

bool Round::CanAdmit() const {
  if (phase_ != Phase::kTraining && phase_ != Phase::kHolding) return false;
  return !IsEnding() || lacks_workers();
}

RoundActions Round::Admit(const std::vector<Member>& newcomers, Time now) {
  REQUIRE(CanAdmit());
  RoundActions actions;
  std::vector<Member> members = members_;
  std::ranges::copy(newcomers, std::back_inserter(members));
  OpenNextView(std::move(members), now, actions);
  return actions;
}

void Round::WaitForNewcomer(int races_lost, Time now) {
  const double once = 1 + 2 * usual_ring_seconds_;
  const runtime::Duration patience =
      runtime::FromSeconds(std::ldexp(once, std::min(races_lost - 2, 10)));
  newcomer_until_ = std::max(
      newcomer_until_, now + std::min(patience, runtime::LongestCarriage(options_.model_floats)));
}

RoundActions Round::OnLeave(NodeId node, Time now) {
  if (!RankOf(node).has_value()) return {Left{.node = node}};
  if (phase_ == Phase::kFinishing || phase_ == Phase::kEnded) return {};
  if (std::ranges::find(leaving_, node) != leaving_.end()) return {};
  leaving_.push_back(node);
  if (leaving_.size() == members_.size()) {
    EndWithTheLastMember();
    return {};
  }
  RoundActions actions;
  const bool between_rounds = phase_ == Phase::kTraining || phase_ == Phase::kHolding;
  // Too few to synchronize: its drift cannot be averaged in before others come.
  if (between_rounds && (!options_.leave_with_synchronization || lacks_workers())) {
    DropLeavers(now, actions);
  }
  return actions;
}

// Nobody would hold the model: the run ends, and the last one that is to leave with it.
void Round::EndWithTheLastMember() {
  leaving_.pop_back();
  RequestStop();
}

void Round::DropLeavers(Time now, RoundActions& actions) {
  const std::vector<NodeId> leavers = std::exchange(leaving_, {});
  std::vector<Member> rest;
  for (const Member& member : members_) {
    if (std::ranges::find(leavers, member.node) == leavers.end()) rest.push_back(member);
  }
  REQUIRE(!rest.empty());
  for (const NodeId leaver : leavers) {
    actions.push_back(Left{.node = leaver});
    step_counts_.erase(leaver);
  }
  OpenNextView(std::move(rest), now, actions);
}

// --------------------------------------------------------------------------- a stuck member -----

void Round::BeginTraining(Time now) {
  phase_ = Phase::kTraining;
  training_since_ = now;
}

void Round::NoteStepTime(Time now) {
  const double seconds = runtime::ToSeconds(now - training_since_);
  usual_step_seconds_ = measured_steps_ == 0 ? seconds : 0.8 * usual_step_seconds_ + 0.2 * seconds;
  ++measured_steps_;
}

double Round::LatenessOf(std::uint32_t rank, Time now) const {
  const bool others_wait = std::ranges::any_of(have_, [](bool done) { return done; });
  if (phase_ != Phase::kTraining || measured_steps_ < kArmedAfterSteps || !others_wait ||
      have_[rank]) {
    return 0;
  }
  const double seconds = runtime::ToSeconds(now - training_since_);
  return seconds > std::max(kSuspectSeconds, kSuspectFactor * usual_step_seconds_) ? seconds : 0;
}

std::vector<NodeId> Round::WhoIsStuck(Time now) const {
  std::vector<NodeId> stuck;
  const double bound = std::max(kStuckSeconds, kStuckFactor * usual_step_seconds_);
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    if (LatenessOf(rank, now) > bound) stuck.push_back(members_[rank].node);
  }
  return stuck;
}

// --------------------------------------------------------------------------- another attempt ----

void Round::AbortForAnother(const absl::Status& why, RoundActions& actions) {
  last_failure_ = runtime::MessageOf(why);
  actions.push_back(Aborted{.step = step_, .fence = fence_, .reason = last_failure_});
  SendToAll(AbortAttempt{.reason = last_failure_}, actions);
}

RoundActions Round::Retry(const absl::Status& why, Time now) {
  RoundActions actions;
  AbortForAnother(why, actions);
  if (++failed_attempts_ >= kMaxAttempts) {
    Cancel(why, now, actions);
    return actions;
  }
  OweWhatIsInterrupted();
  BeginPrepare(purpose_, now, actions);
  return actions;
}

// Nobody loses drift: members train on, and the next PREPARE waits, longer each time.
void Round::Cancel(const absl::Status& why, Time now, RoundActions& actions) {
  owed_.reset();
  failed_attempts_ = 0;
  hold_off_ = std::clamp(2 * hold_off_, kShortestHoldOff, kLongestHoldOff);
  not_before_ = now + hold_off_;
  if (purpose_ == RingPurpose::kEvaluate) {
    tested_step_ = step_;  // This test is left out.
    if (!IsEnding()) return Continue(now, actions);
    purpose_ = RingPurpose::kSynchronize;
    if (!options_.reports) owed_ = purpose_;
    phase_ = Phase::kHolding;
    return;
  }
  if (IsEnding()) return Append(Fail(why, now), actions);
  Continue(now, actions);
}

}  // namespace actors
