// The round machine of the monitor: reports and answers in, orders and decisions out. Pure.
//
// It never looks at a clock, a socket or a disk: time comes with each event, and what it wants done
// comes back as actions. The monitor carries them out; the simulator and the tests drive the same
// machine by hand. protocol.md sections 3 and 4.
//
//   training --all reports--> decide --continue--> training
//                                \--synchronize--> preparing --all READY--> ringing
//   ringing --all DONE, one root--> COMMIT --> training | evaluating
//   ringing (purpose evaluate) --> evaluating --all EVALUATED--> training | preparing | finishing
//   ringing --FAIL, too late--> ABORT --> preparing (another attempt) | training (cancelled)
//   training | preparing --too few members, too soon after failures--> holding --> training
//   any --a member lost, admitted or left--> a new view: training, opened by reports
//   any --Stop, Fail--> finishing --all FINISHED--> ended
//
// A fixed schedule (synchronous, local) skips `decide` and `preparing`: its workers answer READY
// unasked, and START is PREPARE and START in one. A synchronization that was decided is owed: what
// interrupts it, a death or a broken edge, only puts it off (protocol.md 6). Without a barrier
// (round_quantum.cc) the members train on while reports come, and `decide` follows the answers to a
// poll; with overlap they train on through `preparing` and `ringing`, too, and those steps count
// for the next round.
#ifndef RONDO_ACTORS_ROUND_H_
#define RONDO_ACTORS_ROUND_H_

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actors/averaging/cost.h"
#include "actors/averaging/drift_telemetry.h"
#include "actors/averaging/fda_opt.h"
#include "actors/averaging/learning_rate.h"
#include "actors/averaging/local_state.h"
#include "actors/averaging/quantum_monitor.h"
#include "actors/averaging/sync_policy.h"
#include "actors/averaging/theta_tuner.h"
#include "actors/journal_record.h"
#include "actors/messages.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/collective/ring.h"
#include "runtime/group/fence.h"

namespace actors {

// Of so many ranks, by rank. An error, as there is none for ranks that cannot all have a shard,
// leaves the weights as they are: those members say for themselves that they cannot train.
using ShardSizesOf =
    std::function<absl::StatusOr<std::vector<std::uint64_t>>(std::uint32_t world_size)>;

struct RoundOptions {
  std::uint64_t run = 0;
  std::uint32_t head_epoch = 1;
  std::uint32_t min_workers = 1;  // With fewer members nothing is decided.
  bool reports = true;            // Members report (fda); else they follow a fixed schedule.
  bool leave_with_synchronization = true;  // A leaver's drift is averaged in before it goes.
  bool commits_mean = true;                // Else what a server optimizer makes of it.
  bool overlap = false;          // Without a barrier: members train on while the ring runs.
  bool refuse_outliers = false;  // Their drifts are not averaged in (averaging/drift_telemetry.h).
  // The members' weights are the sizes of their shards of the common samples. Null: each keeps the
  // weight that it comes with.
  ShardSizesOf shard_sizes;
  std::uint64_t max_steps = 0;
  // In place of the policy's own theta one that is chosen as the rounds go (theta = "auto").
  std::optional<ThetaTunerOptions> tune_theta;
  std::optional<FdaOptOptions> fda_opt;  // The same, by fda-opt's rule.
  // theta of step t is theta · (eta_t / eta_0)^theta_lr_exponent (algorithm.md 1).
  double theta_lr_exponent = 0;
  std::uint64_t evaluate_every = 0;  // Steps; 0: only at the end.
  bool evaluate_mean = false;        // Else the base of the last synchronization.
  std::optional<double> target_accuracy;
  LearningRateSchedule schedule;
  std::uint64_t model_floats = 0;          // What the ring carries; bounds the first ring's time.
  std::uint64_t chunk_bytes = 512 * 1024;  // The ring's; bounds how long it may stand still.
  runtime::RingTransport transport = runtime::RingTransport::kAuto;
  // What the members hold before the first commit.
  runtime::Hash128 base_root;
  std::uint64_t layout_hash = 0;
  // A run whose members are all lost waits for others, who bring or are given a base. Else it ends.
  bool outlives_members = false;
  // An error: the record is not on the disk, and the attempt is given up. kDataLoss: it may be, so
  // that neither COMMIT nor ABORT can be said; the run ends here without a word to its members.
  std::function<absl::Status(const CommitRecord&)> record_commit = [](const CommitRecord&) {
    return absl::OkStatus();
  };
};

// What the machine wants done, in order.
struct PublishDecision {
  Decision decision;
};
struct SendOrder {
  std::optional<std::uint32_t> rank;  // One member, or all.
  Order order;
};
// Facts for the log, the metrics and the followers.
struct Synchronized {
  std::uint64_t round = 0;  // After it.
  std::uint64_t step = 0;
  std::uint32_t contributors = 0;           // To the mean, one that died after the ring included.
  std::vector<runtime::NodeId> reset;       // Others of the ring, whose drift was no number.
  std::vector<runtime::NodeId> left_out;    // And those whose drift was unlike the others'.
  std::optional<double> variance_estimate;  // None for a fixed schedule.
  std::optional<double> theta;              // Of the round that ends; Round::theta().
  std::string choice;                       // Why the next rounds have another; empty: they do not.
  double loss = 0;                          // Mean over members.
  PredictionCounts predictions;             // Of all members, since the last.
  double ring_seconds = 0;                  // Of the slowest member.
  double prepare_seconds = 0;               // From the decision to START.
  double control_seconds = 0;               // From the decision to COMMIT, without the ring.
  runtime::Hash128 root;
  std::vector<MemberDrift> drifts;  // In the round before this one, by slot.
  // Overlap: what the variance grew by while the ring of the round before this one ran.
  std::optional<double> variance_added;
  runtime::Ledger sent;  // All members, so far.
  bool last = false;     // The synchronization that ends the run.
};
struct Tested {
  std::uint64_t step = 0;
  bool of_mean = false;
  double accuracy = 0;
  double loss = 0;
  std::uint64_t samples = 0;
  bool reached_target = false;
};
// A new view, with the weights that hold in it; what follows goes to its members.
struct ViewOpened {
  std::vector<Member> members;
};
// An attempt at a round was given up; no drift is lost by it.
struct Aborted {
  std::uint64_t step = 0;
  runtime::Fence fence;
  std::string reason;
};
// Members whose step takes so long that the training thread must be stuck, though the process
// lives.
struct Stuck {
  std::vector<runtime::NodeId> nodes;
  double seconds = 0;
};
// A member that asked to leave is in no view any more.
struct Left {
  runtime::NodeId node;
};
struct Ended {
  absl::Status status;  // OK: the run did what it should.
};
// Without a barrier: these were not at a step boundary in time. The round goes on without them, and
// they come back with their drift, as members that strayed.
struct PassedOver {
  std::vector<runtime::NodeId> nodes;
  double seconds = 0;  // That they were waited for.
};
using RoundAction = std::variant<PublishDecision, SendOrder, Synchronized, Tested, ViewOpened,
                                 Aborted, Stuck, PassedOver, Left, Ended>;
using RoundActions = std::vector<RoundAction>;

class Round {
 public:
  enum class Phase {
    kTraining,
    kHolding,  // All members are at a boundary, where something keeps the next thing from starting.
    kPreparing,
    kRinging,
    kEvaluatingBase,
    kEvaluatingMean,
    kFinishing,
    kEnded,
  };

  // `policy` decides when to synchronize and is borrowed. With `quantum` nobody waits for its
  // decisions (round_quantum.cc).
  Round(const RoundOptions& options, const MonitorPolicy& policy,
        std::optional<QuantumMonitor> quantum = std::nullopt);

  // Opens the first view; `members` by slot. Weights are set by the machine.
  RoundActions Begin(std::vector<Member> members, runtime::Time now);
  // Or takes up a run where it stood, at first without members: they come by Admit.
  void Resume(const RunPosition& position);
  // Members that come back have trained on by themselves: the run's steps go on from the highest
  // of theirs. Only while there are no members.
  void RaiseStep(std::uint64_t step);

  // Events. A stale or impossible one changes nothing and is counted in stale().
  RoundActions OnReport(std::uint32_t rank, const StateReport& report, runtime::Time now);
  RoundActions OnAnswer(std::uint32_t rank, const Answer& answer, runtime::Time now);
  // How far a member is in its steps, and in the ring: a ring is waited for as long as something
  // moves.
  void OnStatus(std::uint32_t rank, const MemberStatus& status, runtime::Time now);
  // Checks the deadlines of the present phase.
  RoundActions OnTick(runtime::Time now);
  // Ends the run at the next boundary, with a synchronization of whoever is there: it waits for no
  // more members, however few there are.
  void RequestStop() { stop_requested_ = true; }
  // Ends the run at once: FINISH to all members.
  RoundActions Fail(const absl::Status& why, runtime::Time now);

  // The members change. Nodes that are not in the view are ignored.
  // The verdict on dead members; none of them is heard again. `why` if nobody is left.
  RoundActions OnLost(const std::vector<runtime::NodeId>& lost, const absl::Status& why,
                      runtime::Time now);
  // The same of members that did not hear us for a while, and come back by Admit with their drift.
  RoundActions OnStrayed(const std::vector<runtime::NodeId>& strayed, const absl::Status& why,
                         runtime::Time now);
  // Whether a newcomer can enter now: between two rounds, with the base of the present one.
  bool CanAdmit() const;
  RoundActions Admit(const std::vector<Member>& newcomers, runtime::Time now);
  // Whether the members and these would form a ring. A run that goes on does not hold for who has
  // no place in it.
  bool HasPlaceFor(const std::vector<Member>& newcomers) const;
  // The base has been replaced `races_lost` >= 2 times before this newcomer had fetched it: the
  // next round waits, until a view opens or WaitNoMore. At most 1 s and twice what a ring takes,
  // and twice as long each further time: who fetches at all comes in at last. (Else never, if
  // rounds outrun its link.)
  void WaitForNewcomer(int races_lost, runtime::Time now);
  void WaitNoMore() { newcomer_until_ = {}; }
  // The member goes as soon as its drift is in a commit (or, without leave_with_synchronization,
  // between two rounds): Left. The last one cannot go; its run ends instead.
  RoundActions OnLeave(runtime::NodeId node, runtime::Time now);

  Phase phase() const { return phase_; }
  std::uint64_t step() const { return step_; }
  std::uint64_t synchronized_step() const { return synchronized_step_; }
  runtime::RoundId round() const { return fence_.round; }
  const runtime::Fence& fence() const { return fence_; }
  const std::vector<Member>& members() const { return members_; }
  std::optional<std::uint32_t> RankOf(runtime::NodeId node) const;
  std::optional<double> variance_estimate() const { return variance_estimate_; }
  // In force; none for a fixed schedule, and while it is being chosen.
  std::optional<double> theta() const;
  std::optional<std::uint64_t> reached_step() const { return reached_step_; }
  std::optional<Tested> last_test() const { return last_test_; }
  double best_accuracy() const { return best_accuracy_; }
  std::uint64_t synchronizations() const { return Number(fence_.round); }
  runtime::Hash128 root() const { return root_; }
  std::uint64_t stale() const { return stale_ + (quantum_.has_value() ? quantum_->dropped() : 0); }
  // Fewer members than min_workers, or none between some of them that these can connect to: waits
  // for newcomers.
  bool lacks_workers() const {
    const bool too_few = members_.size() < options_.min_workers || !no_ring_.ok();
    return members_.empty() || (too_few && !stop_requested_);
  }
  // OK, or why the members of the present view form no ring: START is refused.
  const absl::Status& no_ring() const { return no_ring_; }
  // For the bytes that the paper's formula gives.
  const RunCounts& paper_counts() const { return paper_counts_; }
  // Last words of each member, for the result; by rank, empty until FINISHED.
  const std::vector<std::optional<Finished>>& finished() const { return finished_; }
  // For how long the others have waited for the step of this member, if longer than is usual
  // (protocol.md 6, L2); 0: it is not late.
  double LatenessOf(std::uint32_t rank, runtime::Time now) const;
  // Whom the machine waits for and why, for status: "READY of slot 2".
  std::string WaitsFor() const;

 private:
  runtime::Fence WithoutAttempt() const;
  Order NewOrder(Order::Body body);
  void SendToAll(Order::Body body, RoundActions& actions);

  RoundActions Decide(runtime::Time now);
  RoundActions Act(const Verdict& verdict, runtime::Time now);
  void Continue(runtime::Time now, RoundActions& actions);
  // Whether the next synchronization or evaluation has to wait; then the machine is holding.
  bool MustWait(runtime::Time now) const;
  bool MustHold(runtime::Time now);
  RoundActions GoOn(runtime::Time now);
  void OpenNextView(std::vector<Member> members, runtime::Time now, RoundActions& actions);
  void DropLeavers(runtime::Time now, RoundActions& actions);
  void EndWithTheLastMember();
  std::optional<runtime::Hash128> RootOfLateCommit(const std::vector<bool>& lost) const;
  // The present attempt failed: another one, or none for a while.
  void AbortForAnother(const absl::Status& why, RoundActions& actions);
  RoundActions Retry(const absl::Status& why, runtime::Time now);
  void Cancel(const absl::Status& why, runtime::Time now, RoundActions& actions);
  // What one member has in the present ring, in chunks.
  struct Flow {
    std::uint32_t received = 0;
    std::uint32_t for_next = 0;
    bool operator==(const Flow&) const = default;
  };
  // From rank to rank, in the order of the ring.
  struct Edge {
    std::uint32_t from;
    std::uint32_t to;
    auto operator<=>(const Edge&) const = default;
  };
  std::vector<Edge> RingEdges(const std::vector<std::uint32_t>& order) const;
  Edge EdgeThatFailed(std::uint32_t rank, const struct Fail& fail) const;
  // Of a ring that stands still: those over which nothing comes, though something is there.
  std::vector<Edge> SilentEdges() const;
  int DistrustOf(const std::vector<std::uint32_t>& order) const;
  void NoteBrokenEdge(Edge edge);
  runtime::Duration LongestStandstill() const;
  RoundActions OnRingTimeout(runtime::Time now);
  void PlaceOnRing();
  void BeginPrepare(RingPurpose purpose, runtime::Time now, RoundActions& actions);
  // Who adds nothing, because its drift is no number or an outlier's, or because it rests while
  // others trained, has weight 0.
  float RingWeight(std::uint32_t rank) const;
  bool AnyoneTrained() const;
  absl::Status CheckAnyoneAdds() const;
  // What holds at the present step: theta follows the rate.
  SyncRule RuleNow() const;
  // What theta = "auto" makes of the round that is committed now: Synchronized::choice.
  std::string TuneTheta(runtime::Time now);
  std::optional<double> VarianceOfRing() const;
  void JudgeDrifts();
  void NoteWhatTheRingAdded();
  // The variance at which to synchronize, for it to be theta when the mean is adopted.
  double ThetaForOverlap() const;
  void LeaveOutOutliers();
  void BeginRing(RingPurpose purpose, runtime::Time now, RoundActions& actions);
  RoundActions OnReady(std::uint32_t rank, const Answer& answer, const Ready& ready,
                       runtime::Time now);
  RoundActions OnDone(std::uint32_t rank, const Done& done, runtime::Time now);
  RoundActions OnEvaluated(std::uint32_t rank, const Evaluated& evaluated, runtime::Time now);
  RoundActions OnFinished(std::uint32_t rank, const runtime::Fence& fence,
                          const Finished& finished);
  RoundActions OnFail(std::uint32_t rank, const runtime::Fence& fence, const struct Fail& fail,
                      runtime::Time now);
  RoundActions FinishWithout(const std::vector<bool>& lost, runtime::Time now);
  // FINISH to all, of whom the rank `saver_` sends its model.
  void SendFinish(runtime::Time now, RoundActions& actions);
  void OweWhatIsInterrupted();
  // kNewViewFollows: nothing is tested, and the run does not end yet.
  enum class Pace { kAsPlanned, kNewViewFollows };
  absl::Status RecordCommit(const runtime::Hash128& root) const;
  Synchronized EventOfCommit(runtime::Time now);
  RoundActions CommitRound(const runtime::Hash128& root, Pace pace, runtime::Time now);
  RoundActions OnUnrecorded(const absl::Status& why, runtime::Time now);
  enum class Parting { kForGood, kForAWhile };
  RoundActions Part(const std::vector<runtime::NodeId>& nodes, const absl::Status& why,
                    Parting parting, runtime::Time now);
  void BeginFinish(const absl::Status& status, runtime::Time now, RoundActions& actions);

  // Without a barrier (round_quantum.cc).
  RoundActions OnReportWithoutBarrier(std::uint32_t rank, const StateReport& report,
                                      runtime::Time now);
  RoundActions Follow(const QuantumMove& move, runtime::Time now);
  void OpenWithoutBarrier(runtime::Time now);
  bool IsPolling() const { return deadline_.has_value(); }  // While training.
  void Poll(runtime::Time now, RoundActions& actions);
  void PublishPoll(const QuantumPoll& poll, runtime::Time now, RoundActions& actions);
  void ReleaseWithoutBarrier(runtime::Time now, RoundActions& actions);
  void StopAll(runtime::Time now, RoundActions& actions);
  RoundActions PassOver(runtime::Time now);
  RoundActions TickWithoutBarrier(runtime::Time now);
  bool SomethingIsDue() const;
  // A member's own count of its steps. `in_view`: it has obeyed the present view.
  void CountSteps(std::uint32_t rank, std::uint64_t steps, bool in_view);
  runtime::Duration Patience() const;

  // Notes that `rank` did what the phase asks for; true if it was the last one to.
  bool IsComplete(std::uint32_t rank);
  // All members are at `step`.
  void AdvanceTo(std::uint64_t step);
  // Names the members, by rank in `roots`, whose root is not the right one; without `right`, not
  // the one that most hold.
  absl::Status CheckRoots(const std::vector<runtime::Hash128>& roots,
                          std::optional<runtime::Hash128> right, const char* moment) const;
  void BeginTraining(runtime::Time now);
  void NoteStepTime(runtime::Time now);
  std::vector<runtime::NodeId> WhoIsStuck(runtime::Time now) const;
  bool EvaluationIsDue() const;
  bool IsEnding() const;
  RoundActions FailNow(std::string_view code, const std::string& message, runtime::Time now) {
    return Fail(runtime::MakeError(code, runtime::Exit::kRunFailed, message), now);
  }
  std::string Name(std::uint32_t rank) const;

  const RoundOptions options_;
  const MonitorPolicy& policy_;

  Phase phase_ = Phase::kEnded;
  runtime::Fence fence_;  // Of the present or the last attempt.
  std::uint64_t orders_ = 0;
  std::vector<Member> members_;
  std::vector<float> weights_;  // The ring's, by rank.
  runtime::Hash128 root_;
  std::uint64_t stale_ = 0;

  // Training.
  std::uint64_t sequence_ = 0;
  std::uint64_t step_ = 0;
  std::uint64_t synchronized_step_ = 0;
  std::uint64_t tested_step_ = 0;
  std::vector<LocalState> states_;
  std::optional<double> variance_estimate_;
  SyncRule rule_;
  std::optional<ThetaTuner> tuner_;
  std::optional<FdaOptThreshold> threshold_;
  // When the first step of this round could begin; later by what tests have taken since.
  runtime::Time resumed_at_{};
  bool disturbed_ = true;  // And not only steps were between then and the decision.

  // The last ring that was committed, until its members have told of their drifts in it; these,
  // until they are told in turn.
  struct CommittedRing {
    std::map<runtime::NodeId, float> weights;
    std::uint64_t steps = 0;         // Since the one before.
    std::optional<double> variance;  // When it was decided; with overlap.
  };
  CommittedRing committed_;
  std::vector<MemberDrift> drifts_;
  std::optional<double> variance_added_;  // By the last ring but one.
  std::optional<double> usual_addition_;
  OutlierWatch outliers_;
  std::vector<bool> left_out_;  // By rank, from READY to the next.
  // Without a barrier: whoever trains goes its own pace, and `step_` is what they have done on
  // average.
  struct StepCount {
    std::uint64_t steps = 0;
    double step_seconds = 0;  // Its usual step; 0: not known yet.
  };
  std::optional<QuantumMonitor> quantum_;  // None: lockstep.
  std::optional<Quanta> marks_;            // That hold, or are to be published.
  bool stopped_ = true;                    // All are at a boundary, or on their way to it.
  bool overlaps_ = false;                  // The members train on through the present ring.
  bool drift_left_ = false;                // They did through the last one that was committed.
  double progress_ = 0;                    // Steps, of which step_ is the whole part.
  std::map<runtime::NodeId, StepCount> step_counts_;

  // The ring: its order, as ranks, and what went wrong in the present round.
  std::vector<std::uint32_t> ring_order_;
  absl::Status no_ring_;              // Why there is no order; OK if there is.
  std::vector<Flow> flows_;           // By rank.
  std::map<Edge, int> broken_edges_;  // How often each failed in this view.
  // What was decided, and not yet committed or cancelled; it outlives the view.
  std::optional<RingPurpose> owed_;
  std::string last_failure_;
  int failed_attempts_ = 0;
  runtime::Duration hold_off_{};
  runtime::Time not_before_{};      // The next PREPARE.
  runtime::Time newcomer_until_{};  // Then it does not wait for it any more.
  std::vector<runtime::NodeId> leaving_;

  // What of the present phase each member has done.
  std::vector<bool> have_;
  std::vector<Ready> ready_;
  std::vector<Done> done_;
  std::vector<std::optional<Finished>> finished_;
  RunCounts paper_counts_;
  std::uint32_t saver_ = 0;  // The rank whose model becomes model.pt.
  std::vector<bool> gone_;   // Lost while all finished.
  RingPurpose purpose_ = RingPurpose::kSynchronize;
  Evaluated counts_;

  runtime::Time decided_at_{};
  runtime::Time started_at_{};
  std::optional<runtime::Time> deadline_;
  double usual_ring_seconds_ = 0;
  runtime::Time training_since_{};
  double usual_step_seconds_ = 0;  // Of the slowest member, from one boundary to the next.
  int measured_steps_ = 0;

  bool stop_requested_ = false;
  bool target_reached_ = false;
  std::optional<std::uint64_t> reached_step_;
  std::optional<Tested> last_test_;
  double best_accuracy_ = 0;
  absl::Status result_;
};

}  // namespace actors

#endif  // RONDO_ACTORS_ROUND_H_
