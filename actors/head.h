// The head actor: which nodes are there, which run is on, who follows it.
//
// It admits a run, waits for its workers, starts the run's monitor, and passes what happens to
// metrics.jsonl and to the clients that follow. One run at a time.
#ifndef RONDO_ACTORS_HEAD_H_
#define RONDO_ACTORS_HEAD_H_

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "actors/client_messages.h"
#include "actors/flapping.h"
#include "actors/journal.h"
#include "actors/monitor.h"
#include "actors/run_config.h"
#include "actors/run_event.h"
#include "actors/run_folder.h"
#include "actors/run_result.h"
#include "runtime/actor/actor.h"
#include "runtime/actor/roster.h"

namespace actors {

struct HeadOptions {
  std::string address;      // What workers join, for status.
  std::string listen;       // What this process listens on, for the next head.
  std::string runs_folder;  // Runs' folders are made here; empty: in the run.out of each.
  std::function<runtime::Ledger()> sent;
  std::function<runtime::Drops()> dropped;
  // The nodes that are up, and whether they are silent.
  std::function<std::vector<runtime::NodeState>()> nodes;
  // Tries to connect to each of these addresses, and blocks meanwhile; runs on `connector`. Null:
  // whatever a node listens on counts as reachable.
  std::function<std::vector<absl::Status>(const std::vector<std::string>& addresses)> connect;
  runtime::Executor* connector = nullptr;
  // Null: nobody takes this head's runs up again. Else what an earlier head knew is in `known`.
  Journal* journal = nullptr;
  JournalState known;
  std::uint32_t epoch = 1;
  // For checkpoints; null: there are none. Both need the journal.
  runtime::Transfer* transfer = nullptr;
  runtime::Executor* disk = nullptr;
  // The process is to end: `rondo down` (OK), or a journal that cannot be trusted.
  std::function<void(const absl::Status&)> quit;
};

class Head final : public runtime::TypedActor<Head, HeadProtocol>, private RunListener {
 public:
  explicit Head(HeadOptions options) : options_(std::move(options)) {}

  absl::Status OnStart(runtime::Context& context) override;
  absl::Status OnNodeUp(runtime::Context& context, const runtime::NodeInfo& node) override;
  absl::Status OnNodeDown(runtime::Context& context, runtime::NodeId node,
                          const absl::Status& why) override;

  absl::Status On(runtime::Context& context, const SubmitRun& submit,
                  runtime::Responder<RunAccepted> responder);
  absl::Status On(runtime::Context& context, const StopRun& stop,
                  runtime::Responder<StopAccepted> responder);
  absl::Status On(runtime::Context& context, const StatusRequest& request,
                  runtime::Responder<StatusReply> responder);
  absl::Status On(runtime::Context& context, const RunsRequest& request,
                  runtime::Responder<RunsReply> responder);
  absl::Status On(runtime::Context& context, const FetchPart& fetch,
                  runtime::Responder<FilePart> responder);
  absl::Status On(runtime::Context& context, const LeaveNode& leave,
                  runtime::Responder<LeavingNodes> responder);
  absl::Status On(runtime::Context& context, const DownRequest& request,
                  runtime::Responder<Nothing> responder);
  absl::Status On(runtime::Context& context, const ProcessExited& exited);

 private:
  struct NodeBook {
    runtime::NodeInfo info;
    runtime::Time since{};
    bool worker_ready = false;  // Its worker actor runs and waits for a run.
    bool leaving = false;       // Was asked to, by LeaveNode.
    bool held = false;          // Its name flaps (flapping.h).
    std::uint32_t pid = 0;
    std::string host_key;
    std::optional<std::uint32_t> slot_wish;
    std::string ring, transfer;  // Where it listens; empty: it does not say.
    std::optional<Reach> reach;  // None: the head has not yet tried to connect to these.
    std::string unreachable;     // Why one of them cannot be reached.

    bool IsCandidate() const { return worker_ready && reach.has_value() && !leaving && !held; }
  };
  // kAborted: ended by a person, without a result.
  enum class RunState { kWaiting, kRunning, kDone, kFailed, kAborted };
  struct RunMember {
    std::uint32_t slot = 0;
    std::string name;                    // Of its node.
    std::optional<DriftOfWorker> drift;  // The last that was told.
  };
  struct RunBook {
    std::uint64_t number = 0;
    std::string id;
    RunConfig config;
    RunState state = RunState::kWaiting;
    std::unique_ptr<RunFolder> folder;
    std::optional<runtime::ActorRef<FollowerProtocol>> follower;
    runtime::Time submitted{};
    std::uint64_t step = 0;
    std::uint64_t synchronizations = 0;
    std::uint64_t last_sync_step = 0;
    std::uint64_t ring_bytes = 0;
    std::map<runtime::NodeId, RunMember> members;  // Of the present view.
    runtime::Drops dropped_before;                 // By this process, when the run was submitted.
    std::uint64_t events_failed = 0;               // Lines that the disk refused.
  };
  struct EndedRun {
    std::string id;
    std::string folder;
    runtime::Time submitted{};
    std::string status;  // JSON, as `rondo status` shows it.
    std::string result;  // JSON, what `rondo runs` tells besides; of a failed run its error.
  };

  // What an earlier head knew: the runs that ended, and the one that was on.
  void TakeOver();
  absl::Status TakeUp(const JournalState::Run& known);
  absl::Status Record(const JournalRecord& record);
  void StartMonitor(std::vector<Candidate> candidates, std::optional<RunPosition> resumed);
  void StartWorkerOn(NodeBook& node);
  void OfferCandidate(const NodeBook& node);
  // A worker whose name flaps is held back (flapping.h): what is to be known of it, and the hold.
  void NoteGone(const NodeBook& node);
  void HoldBack(NodeBook& node);
  Candidate CandidateOf(const NodeBook& node) const;
  void ConnectBack();
  void OnConnectedBack(const std::vector<runtime::NodeId>& ids,
                       const std::vector<absl::Status>& results);
  void TryStart();
  void WaitForWorkers();
  void OnWaitedTooLong(std::uint64_t run);
  void Emit(RunEvent event);
  void EndRun(const absl::Status& status, std::optional<RunResult> result);
  RunResult ResultOf(const RunSummary& summary) const;
  // head_drifts.cc.
  std::vector<DriftOfWorker> TakeDrifts(const Synchronized& event);
  void NoteOutliers(const Synchronized& event);
  bool IsOn() const;
  // The workers that `name` means; see schema::LeaveNode.
  absl::StatusOr<std::vector<runtime::NodeId>> FindWorkers(const std::string& name) const;
  void SendDrain(runtime::NodeId node);
  // As JSON (head_status.cc).
  const char* StateName() const;
  nlohmann::json RunJson() const;
  nlohmann::json NodeJson(const NodeBook& node, const runtime::NodeState* liveness) const;
  std::string WaitsFor() const;
  std::string StatusJson() const;
  absl::StatusOr<std::string> RunsJson(const std::string& run_id) const;
  void KeepEnded(const EndEvent& end);

  void OnViewOpened(std::uint64_t run, const std::vector<Member>& members) override;
  void OnMemberLost(std::uint64_t run, runtime::NodeId node, std::uint32_t slot,
                    const absl::Status& why) override;
  void OnMemberLeft(std::uint64_t run, runtime::NodeId node, std::uint32_t slot) override;
  void OnRefused(std::uint64_t run, runtime::NodeId node, const absl::Status& why) override;
  void OnAborted(std::uint64_t run, const Aborted& event, const FlightRecord& record) override;
  void OnRolledBack(std::uint64_t run, std::uint64_t from, std::uint64_t to,
                    std::uint64_t step) override;
  void OnNote(std::uint64_t run, const std::string& message) override;
  void OnProgress(std::uint64_t run, const Progress& progress) override;
  void OnSynchronized(std::uint64_t run, const Synchronized& event) override;
  void OnTested(std::uint64_t run, const Tested& event) override;
  void OnRunEnded(std::uint64_t run, const RunSummary& summary) override;

  const HeadOptions options_;
  runtime::Context* context_ = nullptr;
  runtime::Time started_{};
  std::map<runtime::NodeId, NodeBook> nodes_;
  Flapping flapping_;
  bool connecting_back_ = false;
  std::optional<RunBook> run_;
  std::vector<EndedRun> ended_runs_;  // Newest last; bounded.
  Monitor* monitor_ = nullptr;        // Of the run that is on; owned by the node.
  runtime::Drops dropped_before_;     // Of members of runs that ended.
};

}  // namespace actors

#endif  // RONDO_ACTORS_HEAD_H_
