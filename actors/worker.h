// The worker actor: trains locally, reports, obeys the monitor's orders, takes part in the ring.
//
// It is a state machine on the actor thread that never blocks: steps, commits and evaluations run
// on the training executor, the ring on its own thread; both come back by a Poster. One step, in
// the paper's words (Algorithm 1): TrainOn -> OnStepped -> report -> On(Decision) -> TrainOn, or
// On(Prepare) -> Ready -> On(Start) -> ring -> Done -> On(Commit) -> TrainOn. With a server
// optimizer its step is taken between the ring and Done; with overlap there is TrainOn behind
// Ready, too.
#ifndef RONDO_ACTORS_WORKER_H_
#define RONDO_ACTORS_WORKER_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/averaging/learning_rate.h"
#include "actors/averaging/quantum_worker.h"
#include "actors/averaging/sync_policy.h"
#include "actors/messages.h"
#include "actors/replica.h"
#include "actors/run_config.h"
#include "runtime/actor/actor.h"
#include "runtime/actor/executor.h"
#include "runtime/base/clock.h"
#include "runtime/collective/ring.h"
#include "runtime/collective/transfer.h"

namespace actors {

// What a worker is made of; all references outlive it.
struct WorkerParts {
  runtime::Ring& ring;
  runtime::Transfer& transfer;
  runtime::Executor& training;
  TrainerFactory& make_trainer;
  // Measures, for reports only, what the training thread does.
  const runtime::Clock& clock;
  // What this process sent and dropped so far, on the control plane and on the ring.
  std::function<runtime::Ledger()> sent;
  std::function<runtime::Drops()> dropped;
  // Whether whoever runs this process wants it to leave; asked at every status interval.
  std::function<bool()> leave_requested = [] { return false; };
  // Where model.pt is written before it is sent, and the base when the head is gone.
  std::string folder;
  // The process cannot go on: its head is gone, or has let it go. Called once.
  std::function<void(const absl::Status&)> quit;
  runtime::Duration status_interval = std::chrono::milliseconds(200);
  // Whether a head that is gone without a goodbye may come back (NodeOptions::rejoin): the worker
  // trains on meanwhile, for run.orphan_timeout. Else it ends at once.
  bool head_may_return = false;
};

class Worker final : public runtime::TypedActor<Worker, WorkerProtocol> {
 public:
  explicit Worker(WorkerParts parts) : parts_(std::move(parts)) {}

  absl::Status OnStart(runtime::Context& context) override;
  absl::Status OnNodeUp(runtime::Context& context, const runtime::NodeInfo& node) override;
  absl::Status OnNodeDown(runtime::Context& context, runtime::NodeId node,
                          const absl::Status& why) override;
  void OnStop(runtime::Context& context) override;

  absl::Status On(runtime::Context& context, const Assign& assign,
                  runtime::Responder<ReadyToRun> responder);
  absl::Status On(runtime::Context& context, const Recover& recover,
                  runtime::Responder<Recovered> responder);
  absl::Status On(runtime::Context& context, const Resolve& resolve,
                  runtime::Responder<Nothing> responder);
  absl::Status On(runtime::Context& context, const PullBase& pull,
                  runtime::Responder<Pulled> responder);
  absl::Status On(runtime::Context& context, const LendMoments& lend,
                  runtime::Responder<Loan> responder);
  absl::Status On(runtime::Context& context, const Drain& drain);
  absl::Status On(runtime::Context& context, const Decision& decision);
  absl::Status On(runtime::Context& context, const Order& order);

  // Ends this worker's part in an orderly way: `quit` is called with OK once its drift is in a
  // commit (run.on_leave_sync), or at once if it has no part in a run. Actor thread.
  void RequestLeave();

  // The model of the present run, or of the last; null before. Only while nothing trains, which a
  // simulation can tell.
  const Replica* replica() const { return run_ == nullptr ? nullptr : run_->replica.get(); }

 private:
  // What came back from the training thread after one or more steps.
  struct Stepped {
    absl::Status status;
    std::uint64_t order = 0;     // The last one obeyed when the first step began.
    std::uint64_t step = 0;      // The last one taken, by this worker's count.
    std::uint64_t run_step = 0;  // By the run's; without a barrier they differ.
    std::uint64_t steps = 0;
    std::uint64_t samples = 0;
    double loss_sum = 0;
    PredictionCounts predictions;
    BoundaryAction action = BoundaryAction::kTrainOn;
    LocalState state;    // With kReport.
    bool finite = true;  // The drift; looked at only where READY follows, or the loss.
    double seconds = 0;
  };

  // Everything of one run; shared with the tasks that are in flight for it, which check `halt` and
  // `interrupt` between two steps.
  struct Run {
    RunConfig config;
    runtime::ActorRef<MonitorProtocol> monitor;
    std::uint32_t slot = 0;
    std::unique_ptr<Replica> replica;
    std::unique_ptr<WorkerPolicy> policy;
    LearningRateSchedule schedule;
    std::atomic<bool> halt{false};
    // The steps that began before this order are to end at the next boundary.
    std::atomic<std::uint64_t> interrupt{0};
    // The training thread's: the drift is no number any more. No step is taken before the next
    // base.
    bool diverged = false;

    // Below: the actor thread's alone.
    runtime::Fence fence;
    std::vector<Member> members;
    std::uint32_t rank = 0;
    std::uint64_t step = 0;
    std::uint64_t synchronized_step = 0;
    std::uint64_t sequence = 0;
    std::uint64_t last_order = 0;
    std::uint64_t last_answer = 0;
    // The last report or answer, until the monitor is known to have it.
    std::optional<StateReport> sent_report;
    std::optional<Answer> sent_answer;
    std::uint64_t lacking_before = 0;
    bool stepping = false;  // On the training thread.
    std::optional<runtime::Fence> ringing;
    bool aborting = false;  // `ringing` was given up, and still reads the replica.
    std::deque<std::variant<Decision, Order>> deferred;  // Until the ring has let go; bounded.
    // A fixed schedule: at a boundary, READY was said or is to be said once the view is open.
    std::optional<RingPurpose> ready_for;
    bool ready_is_finite = true;
    bool ending = false;
    // Without a barrier (worker_quantum.cc); none in lockstep, and until the view is open.
    std::optional<QuantumWorker> quantum;
    bool trains_freely = false;  // Step after step, until it is stopped.
    // Of the last boundary, for status and for CommittedDrift.
    float drift_squared = 0;
    float drift_along_xi = 0;
    // COMMIT was obeyed, and the training thread has not come to it yet: other orders wait.
    bool settling = false;
    // Overlap: READY was said, and this worker trains on without a word until it is known what
    // becomes of the ring, which has its model as it was at that step.
    bool overlapping = false;
    std::uint64_t step_at_ready = 0;
    bool marked = false;  // What is trained from here on is in no ring (Replica::Mark).
    // The run's step as last told, and this worker's own count then.
    std::uint64_t told_step = 0;
    std::uint64_t step_when_told = 0;
    bool due_told = false;
    std::uint64_t max_interval = 0;  // As COMMIT says; before the first as the config does.
    double step_seconds = 0;         // Smoothed.
    // Without its head (worker_orphan.cc).
    enum class Orphan {
      kNo,
      kTrainsOn,
      kStops,   // Recover was asked; the step in hand, or the ring, ends first.
      kAtRest,  // Recover was answered.
    };
    Orphan orphan = Orphan::kNo;
    bool was_member = false;  // It holds drift that is its own.
    std::optional<Recovered::InDoubt> in_doubt;

    std::uint64_t fetches = 0;  // Of a base; the last one is the one that counts.
    bool adopting = false;      // The training thread takes over what was fetched.
    // What this newcomer's optimizer begins with (worker_moments.cc).
    enum class Moments { kFresh, kBorrowing, kSettled };
    Moments moments = Moments::kFresh;
    std::string fresh_moments;  // Why they stayed fresh; until that is told.
    // What this member lends to others, until then.
    std::optional<Loan> loan;
    runtime::Time loan_ends{};

    std::uint64_t stale = 0;
    // Since the last commit, of which READY told a part.
    struct Loss {
      double sum = 0;
      std::uint64_t steps = 0;
      PredictionCounts predictions;
    };
    Loss loss;
    Loss told_loss;
    Finished totals;
    std::optional<runtime::Time> waiting_since;
    std::optional<runtime::Time> ring_since;
    std::optional<CommittedDrift> committed_drift;  // Of the last commit; for the next READY.
  };

  bool WithoutBarrier() const { return run_->config.strategy.decision == DecisionName::kQuantum; }
  bool IsOrphan() const { return run_ != nullptr && run_->orphan != Run::Orphan::kNo; }
  void BecomeOrphan();
  void GoOnAlone();
  void TrainOnAlone();
  void AbortRingAlone();
  void AnswerRecover();
  void WaitForHead(runtime::Duration patience);
  void OnHeadMissing(const absl::Status& why);
  ReadyToRun Describe() const;
  // `body`: of an order; null: a decision.
  bool Accept(std::uint64_t number, const runtime::Fence& fence, const Order::Body* body);
  template <typename Message>
  bool Deferred(const Message& message);
  void ObeyDeferred();
  void BorrowMoments();
  void OnLent(const Member& donor, const absl::StatusOr<Loan>& loan);
  void SettleMoments(const absl::Status& taken);
  void AnswerBorrowers();
  void EndLoanInTime();
  void FetchBase();
  void StopFetching();
  void OnFetched(const absl::Status& fetched);
  void AnswerPull(std::string failure);
  void OnBuilt(absl::StatusOr<std::unique_ptr<Replica>> built);
  void Obey(const OpenView& view, const Order& order);
  void Obey(const Prepare& prepare, const Order& order);
  void Obey(const Start& start, const Order& order);
  void Obey(const Commit& commit, const Order& order);
  void Settle(const Commit& commit);
  void Obey(const AbortAttempt& abort, const Order& order);
  void Obey(const EvaluateMean& evaluate, const Order& order);
  void Obey(const Finish& finish, const Order& order);

  void TrainOn();
  // The drift as it is; its norm is no number if the drift is none.
  static LocalState SummarizeOf(Run& run);
  static bool IsFinite(Run& run);
  static absl::Status TakeStep(Run& run, Stepped& stepped);
  static Stepped StepToBoundary(Run& run, const runtime::Clock& clock, Stepped stepped,
                                std::uint64_t synchronized_step);
  void OnStepped(const Stepped& stepped);
  void OnPlaced(const OpenView& view, const absl::Status& placed, const LocalState& state);
  void SendReport(const LocalState& state, bool due = false);
  void ObeyWithoutBarrier(const Decision& decision);
  void OnFreeStep(const Stepped& stepped);
  void NoteRunStep(std::uint64_t step);
  std::uint64_t RunStep() const;
  bool SomethingIsDue() const;
  void Speak(const std::optional<QuantumReport>& report, bool due = false);
  void NoteDrift(const LocalState& state);
  void GetReady(const Prepare& prepare);
  void TrainOnThroughRing();
  void GoOnThroughRing();
  void DropMark();
  void SendReady(RingPurpose purpose, bool finite);
  void SendReadyUnasked();
  void SendAnswer(Answer::Body body);
  void OnRingDone(const runtime::Fence& fence, RingPurpose purpose,
                  absl::StatusOr<runtime::RingResult> result);
  void TakeServerStep(const runtime::Fence& fence, const runtime::RingResult& result);
  void OnRoundDone(const runtime::Fence& fence, RingPurpose purpose,
                   const absl::StatusOr<runtime::RingResult>& result);
  void Evaluate(bool shadow);
  void SendModel(const std::string& path, std::uint64_t offset);
  void SendFinished();
  void ReportStatus();
  void ResendWhatLacks(std::uint64_t held);
  void StopWaiting();
  void SaveBaseAndQuit(const absl::Status& why);
  void Quit(const absl::Status& why);
  runtime::Ledger SentInThisRun() const;
  runtime::Drops DroppedInThisRun() const;

  WorkerParts parts_;
  runtime::Context* context_ = nullptr;
  std::shared_ptr<Run> run_;
  // Of run_, while its model is being built. Not in Run, which a task may keep alive for longer
  // than the context through which this answers.
  std::optional<runtime::Responder<ReadyToRun>> assigned_;
  struct Pulling {
    PullBase order;
    runtime::Responder<Pulled> responder;
  };
  std::optional<Pulling> pulling_;
  std::vector<runtime::Responder<Loan>> borrowers_;  // At most kMaxMembers.
  std::optional<runtime::Responder<Nothing>> resolving_;
  std::optional<runtime::Responder<Recovered>> recovering_;
  runtime::NodeId head_;  // Null: gone.
  runtime::TimerId orphan_timer_ = runtime::TimerId::kNone;
  // Until this run began: belongs to earlier ones.
  runtime::Ledger sent_before_;
  runtime::Drops dropped_before_;
  bool leaving_ = false;
  bool quitting_ = false;
};

}  // namespace actors

#endif  // RONDO_ACTORS_WORKER_H_
