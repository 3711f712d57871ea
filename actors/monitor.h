// The monitor actor of one run: assigns the workers, feeds the round machine, carries out what it
// wants done, and re-sends what a member lacks.
//
// It lives on the head's node, one per run. All decisions are the round machine's
// (actors/round.h); here are only names, sockets' refs, and books.
#ifndef RONDO_ACTORS_MONITOR_H_
#define RONDO_ACTORS_MONITOR_H_

#include <absl/status/status.h>

#include <cstdint>
#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/checkpoint.h"
#include "actors/flight_recorder.h"
#include "actors/journal.h"
#include "actors/messages.h"
#include "actors/round.h"
#include "actors/run_config.h"
#include "runtime/actor/actor.h"
#include "runtime/actor/executor.h"
#include "runtime/base/clock.h"
#include "runtime/collective/transfer.h"

namespace actors {

struct MonitorOptions {
  std::uint64_t run = 0;
  std::uint32_t head_epoch = 1;
  RunConfig config;
  std::string folder;  // model.pt is written here.
  // What this process sent so far; its share of the run's bytes is a difference.
  std::function<runtime::Ledger()> sent;
  // Null: no head takes this run up again.
  Journal* journal = nullptr;
  // How checkpoints are fetched and handed out, and who writes them; null: there are none.
  runtime::Transfer* transfer = nullptr;
  runtime::Executor* disk = nullptr;
  // Where it stands, if an earlier head had begun it.
  std::optional<RunPosition> resumed;
  // Then the members of its last view have this long to come back before it goes on without them.
  runtime::Duration return_within = std::chrono::seconds(10);
};

// Which of a worker's listeners others can connect to, as far as the head has tried.
struct Reach {
  bool ring = true;
  bool transfer = true;
};

// A worker that takes part: its node, and the slot it wishes for, if any.
struct Candidate {
  runtime::NodeId node;
  std::optional<std::uint32_t> slot;
  Reach reach = {};
};

// What a person may follow while a run lasts.
struct Progress {
  std::uint64_t step = 0;
  std::uint64_t synchronizations = 0;
  std::optional<double> variance_estimate;
  std::optional<double> theta;  // Round::theta().
  runtime::Ledger sent;         // By all, as far as they told.
  std::uint32_t workers = 0;
};

// Everything that is known when a run is over.
struct RunSummary {
  absl::Status status;
  std::uint64_t steps = 0;
  std::uint64_t samples = 0;
  std::uint64_t synchronizations = 0;
  std::optional<std::uint64_t> reached_step;
  std::optional<Tested> last_test;
  double best_accuracy = 0;
  double train_loss = 0;
  PredictionCounts predictions;  // On batches before the steps on them, by all workers.
  std::optional<double> theta;   // The last; Round::theta().
  std::uint64_t trainable = 0;
  std::uint64_t total = 0;
  RunCounts paper_counts;
  runtime::Ledger sent;
  runtime::Drops dropped;
  double seconds = 0;          // From the first view to the end.
  double compute_seconds = 0;  // Means over the members, as the next three.
  double wait_seconds = 0;
  double ring_seconds = 0;
  double evaluate_seconds = 0;
  std::uint32_t workers = 0;  // In the largest view.
  std::uint32_t workers_final = 0;
  std::uint64_t joins = 0;  // The first view's members included.
  std::uint64_t leaves = 0;
  std::uint64_t deaths = 0;
  std::uint64_t aborts = 0;
  std::uint64_t resets = 0;
  std::uint64_t outliers = 0;  // Workers that became one.
  runtime::Hash128 root;
  bool replicas_equal = false;  // Every commit had one root, and the last one is everybody's.
  bool model_saved = false;
  std::string model_path;
};

// Hears what happens in a run, on the actor thread. The head.
class RunListener {
 public:
  virtual ~RunListener() = default;
  virtual void OnViewOpened(std::uint64_t run, const std::vector<Member>& members) = 0;
  // Before the view without it is opened.
  virtual void OnMemberLost(std::uint64_t run, runtime::NodeId node, std::uint32_t slot,
                            const absl::Status& why) = 0;
  virtual void OnMemberLeft(std::uint64_t run, runtime::NodeId node, std::uint32_t slot) = 0;
  // The node cannot take part in this run, or has not managed to: it is to be told, and let go.
  virtual void OnRefused(std::uint64_t run, runtime::NodeId node, const absl::Status& why) = 0;
  virtual void OnAborted(std::uint64_t run, const Aborted& event, const FlightRecord& record) = 0;
  // Nobody held the base of round `from`; the run goes on from that of round `to`.
  virtual void OnRolledBack(std::uint64_t run, std::uint64_t from, std::uint64_t to,
                            std::uint64_t step) = 0;
  // Something is amiss that does not stop the run.
  virtual void OnNote(std::uint64_t run, const std::string& message) = 0;
  virtual void OnProgress(std::uint64_t run, const Progress& progress) = 0;
  virtual void OnSynchronized(std::uint64_t run, const Synchronized& event) = 0;
  virtual void OnTested(std::uint64_t run, const Tested& event) = 0;
  virtual void OnRunEnded(std::uint64_t run, const RunSummary& summary) = 0;
};

class Monitor final : public runtime::TypedActor<Monitor, MonitorProtocol> {
 public:
  Monitor(MonitorOptions options, const std::vector<Candidate>& candidates, RunListener& listener);

  absl::Status OnStart(runtime::Context& context) override;
  absl::Status OnNodeDown(runtime::Context& context, runtime::NodeId node,
                          const absl::Status& why) override;

  absl::Status On(runtime::Context& context, const StateReport& report);
  absl::Status On(runtime::Context& context, const Answer& answer);
  absl::Status On(runtime::Context& context, const MemberStatus& status,
                  runtime::Responder<MemberStatusReply> responder);
  absl::Status On(runtime::Context& context, const Leave& leave,
                  runtime::Responder<Nothing> responder);
  absl::Status On(runtime::Context& context, const ModelPart& part,
                  runtime::Responder<Nothing> responder);

  // By the head, on the actor thread.
  // One more worker, at any moment of the run; beyond max_workers it waits for a place.
  void AddCandidate(const Candidate& candidate);
  // Ends the run at the next boundary, with a synchronization; one that has not begun does so with
  // whoever has loaded. STOPPED if there is nobody.
  void RequestStop();
  // Another head is to go on with the run from here. `taken` is called once, from this actor: a
  // checkpoint of the present round is on the disk, or there can be none.
  void TakeLastCheckpoint(std::function<void()> taken);
  void Fail(const absl::Status& why);
  // A member's process ended: what its launcher says of it, with the last lines of its log.
  void OnProcessExited(runtime::NodeId node, const std::string& description,
                       const std::string& last_lines);
  std::string WaitsFor() const;
  // The run holds, for want of workers.
  bool IsPaused() const;
  // What a node of this run is about, for status; none for the others.
  struct Standing {
    const char* state = "UP";  // Or "JOINING", "LEAVING".
    std::string reason;
  };
  std::optional<Standing> StandingOf(runtime::NodeId node) const;
  // Of a member, synchronizations included; 0: not known.
  double StepsPerSecondOf(runtime::NodeId node) const;
  std::uint64_t step() const { return round_ ? round_->step() : 0; }
  runtime::Drops Dropped() const;
  // By the head and all members, in this run, as far as they have told.
  runtime::Ledger SentByAll() const;

 private:
  enum class Stage {
    kWaiting,    // For a place: max_workers are there.
    kLoading,    // ASSIGN is with it.
    kAsked,      // RECOVER is with it.
    kTold,       // It has answered; what it is told waits for the others that are to come back.
    kResolving,  // RESOLVE is with it.
    kPulling,    // It fetches the base of the present round.
    kReady,      // Can enter the next view, if it holds that base.
    kMember,
  };
  struct MemberBook {
    runtime::NodeId node;
    std::uint32_t slot = 0;
    Reach reach = {};
    Stage stage = Stage::kWaiting;
    std::optional<ReadyToRun> ready;
    std::optional<Recovered> recovered;  // It keeps its drift.
    runtime::Hash128 root;               // Of the base it holds, until it is a member.
    runtime::Hash128 pulled;             // The last that it was told to fetch.
    int races_lost = 0;                  // Bases that were replaced before it came in with them.
    std::optional<runtime::Time> pulls_fail_since;
    runtime::Time returns_since{};      // It was first asked to Recover;
    runtime::Time asked_at{};           // and last asked that, or to Resolve.
    std::vector<std::uint64_t> resets;  // Rounds at which its drift was no number.
    std::uint64_t first_order = 0;      // Opened the view that first held it.
    std::uint64_t last_answer = 0;
    std::uint64_t lacking_before = 0;
    MemberStatus status;
    // Its pace: what it had done, and when; measured anew each second.
    std::uint64_t paced_step = 0;
    runtime::Time paced_at{};
    double steps_per_second = 0;
    std::optional<runtime::Responder<Nothing>> leaving;
  };
  // What a member did before it was gone.
  struct Past {
    runtime::Ledger sent;
    runtime::Drops dropped;
    std::uint64_t samples = 0;
    PredictionCounts predictions;
    RunCounts paper_counts;  // Of rounds that were given up by a rollback.
  };

  // Membership (monitor_members.cc).
  MemberBook* Find(runtime::NodeId node);
  std::uint32_t FreeSlot(std::optional<std::uint32_t> wish) const;
  void AssignTo(MemberBook& member);
  void AssignWaiting();
  void OnReadyToRun(runtime::NodeId node, absl::StatusOr<ReadyToRun> ready);
  void ReferTo(const MemberBook& member);
  // With reference_, what all members have built.
  absl::Status CheckAgrees(const MemberBook& member) const;
  bool OwnData() const { return options_.config.data.placement == DataPlacement::kOwn; }
  // As it enters a view: with the weight that its own data give it.
  Member SeatOf(const MemberBook& member) const;
  void TryBegin();
  void BeginRun();
  void OnViewOpened(const ViewOpened& opened);
  void OnLeft(runtime::NodeId node);
  void Lose(runtime::NodeId node, const absl::Status& why);
  void Refuse(runtime::NodeId node, const absl::Status& why);
  void Forget(runtime::NodeId node);
  // True: its drift was no number so often that it is to go.
  bool NoteReset(runtime::NodeId node, std::uint64_t round);
  void ExpelHopeless(runtime::NodeId node);
  void LetGoOfStuck(runtime::NodeId node, double seconds);
  void Expel(const MemberBook& member, const absl::Status& why);
  Standing StandingOfMember(runtime::NodeId node) const;
  void CheckWait();

  // Newcomers (monitor_newcomers.cc).
  void Pull(MemberBook& member);
  // The present members, as whom a node of that host can fetch the base from: those that can be
  // reached, or whoever is there if nobody can and `others` are none.
  std::vector<Member> DonorsFor(const std::string& host_key, bool others) const;
  void OnPulled(runtime::NodeId node, const runtime::Hash128& root,
                const absl::StatusOr<Pulled>& pulled);
  void AdmitWhoIsReady();

  // Checkpoints (monitor_checkpoint.cc).
  void TakeCheckpointIfDue();
  void TakeCheckpoint();
  void OnCheckpoint(const CheckpointRecord& record, const absl::Status& taken);
  bool NobodyHoldsTheBase() const;
  void RollBack();
  void GoBackToTheInitialModel();
  void OnLoaded(absl::StatusOr<Checkpoint> loaded);
  void GoOnFrom(RunPosition position);

  // Members that come back (monitor_return.cc).
  void AskToRecover(MemberBook& member);
  void Resolve(MemberBook& member);
  // Asks again whoever does not answer, and lets go who never does.
  void PursueWhoReturns();
  void OnRecovered(runtime::NodeId node, Recovered recovered);
  void OnStray(MemberBook& member, const std::string& what);
  void OnPassedOver(const PassedOver& passed_over);
  // Until all who may come back have reached `stage`, or have been waited for long enough.
  bool AwaitsReturn(Stage stage) const;
  void ResolveWhoTold();
  void OnResolved(runtime::NodeId node, bool committed);
  void ResumeRun();
  void RefuseMisfits();
  absl::Status TakeOverWhatTheJournalLacks(RunPosition& position);
  absl::StatusOr<ShardSizesOf> CheckedShardSizes() const;
  absl::Status MakeRound();
  absl::Status RecordCommit(const CommitRecord& record);
  void RecordView(const std::vector<Member>& members);

  // True if `number` is newer than what the member said before. A member says one thing at a time
  // and re-sends only the last, so that what was skipped is of no use any more.
  bool Accept(MemberBook& member, std::uint64_t number);
  void NotePace(MemberBook& member);
  void Perform(RoundActions actions);
  void Send(const RoundAction& action);
  void SendTo(const Member& member, const RoundAction& action);
  void ResendWhatLacks(MemberBook& member, std::uint64_t last_order);
  void OnTick();
  void End(const absl::Status& status);
  const Finished* LastWordsOf(runtime::NodeId node) const;
  runtime::ActorRef<WorkerProtocol> WorkerAt(runtime::NodeId node) const;

  const MonitorOptions options_;
  RunListener& listener_;
  runtime::Context* context_ = nullptr;
  std::map<runtime::NodeId, MemberBook> members_;  // Those that take part or are to.
  std::optional<ReadyToRun> reference_;            // What all members have built.
  std::string reference_of_;                       // "slot 0".
  Past past_;
  // Members of the last view of an earlier head that have not come back.
  std::map<runtime::NodeId, std::uint32_t> absent_;
  std::optional<runtime::Time> return_until_;
  std::deque<CommitRecord> commits_;
  std::optional<CheckpointRecord> checkpoint_;
  runtime::Time next_checkpoint_{};  // Not before.
  bool taking_checkpoint_ = false;
  std::function<void()> after_last_checkpoint_;  // Null: this is not the end.
  std::string checkpoint_failure_;  // That was told; "" since the last one that was kept.
  bool rolling_back_ = false;
  runtime::Hash128 offered_;  // Root of the base that this process hands out.
  std::string last_loss_reason_;
  std::optional<runtime::Time> lacks_workers_since_;
  runtime::Time heard_{};  // Any member, or a view was opened.
  bool stop_requested_ = false;
  std::unique_ptr<MonitorPolicy> policy_;
  std::unique_ptr<Round> round_;
  FlightRecorder recorder_;
  std::deque<RoundAction> recent_orders_;
  std::uint64_t last_order_ = 0;
  runtime::Ledger sent_before_;
  runtime::Time began_{};
  std::uint64_t progress_step_ = 0;
  std::uint64_t joins_ = 0, leaves_ = 0, deaths_ = 0, aborts_ = 0, resets_ = 0, outliers_ = 0;
  std::uint32_t most_workers_ = 0;
  double last_loss_ = 0;
  std::ofstream model_;
  std::uint64_t model_bytes_ = 0;
  runtime::NodeId model_from_;
  bool model_saved_ = false;
  bool ended_ = false;
};

}  // namespace actors

#endif  // RONDO_ACTORS_MONITOR_H_
