// Runs the actors of one node: their messages, timers, questions, restarts and their end.
//
// Actor thread only. Handlers never nest: whatever a handler asks for (a spawn, a stop, a failed
// send) happens after it returned.
#ifndef RONDO_RUNTIME_ACTOR_ACTOR_HOST_H_
#define RONDO_RUNTIME_ACTOR_ACTOR_HOST_H_

#include <absl/container/flat_hash_map.h>
#include <absl/functional/any_invocable.h>
#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/actor/actor.h"
#include "runtime/actor/drop_counters.h"
#include "runtime/actor/mailbox.h"
#include "runtime/actor/supervisor.h"
#include "runtime/actor/timer_queue.h"
#include "runtime/base/log.h"

namespace runtime {

// What the actors of a node reach outside of them.
class ActorOutside {
 public:
  virtual ~ActorOutside() = default;
  virtual absl::Status Send(const ActorAddress& to, Traffic traffic, Frame frame) = 0;
  virtual absl::Status Publish(Traffic traffic, Frame frame) = 0;
  virtual void Evict(NodeId node, const absl::Status& why) = 0;
  // An actor failed for good: the node has to end.
  virtual void OnEscalation(const absl::Status& why) = 0;
  // The nodes that are up, for an actor that starts late.
  virtual std::vector<NodeInfo> UpNodes() const = 0;
};

class ActorHost {
 public:
  struct Options {
    NodeId self;
    const Clock& clock;
    std::shared_ptr<Mailbox> mailbox;
    ActorOutside& outside;
    DropCounters& drops;
    Logger log;
  };

  explicit ActorHost(Options options);
  ~ActorHost();

  // kAlreadyExists: an actor of that name runs. OnStart is called in the next RunDeferred.
  absl::Status Spawn(const std::string& name, ActorFactory factory, const Supervision& supervision);
  // The actor with id 0, which answers for the node itself.
  absl::Status SpawnNodeActor(ActorFactory factory);
  void Stop(ActorId actor);
  // Every actor, in reverse order of start; all that waits is dropped.
  void StopAll();

  // A frame that is addressed to this node.
  void Deliver(FrameLetter letter);
  void RunPosted(PostedLetter letter);
  void AnnounceUp(const NodeInfo& node);
  // Fails the questions that `concerns` says cannot be answered any more, then tells the actors.
  void AnnounceDown(NodeId node, const absl::Status& why,
                    absl::FunctionRef<bool(NodeId asked)> concerns);

  // A timer of the node itself.
  void After(Duration delay, absl::AnyInvocable<void()> then);
  void RunDeferred();
  // The timers whose time has come, and what they deferred.
  void RunTimers();
  std::optional<Time> NextTimer() const;
  bool HasDeferred() const { return !deferred_.empty(); }

  // Answers a question that reaches nobody.
  void RefuseAsk(const Envelope& question, const absl::Status& why);

  std::uint64_t restarts() const { return restarts_; }

 private:
  class ActorContext;
  struct Cell;
  struct Question {
    Cell* asker = nullptr;
    NodeId asked;
    std::uint64_t timer = 0;
    absl::AnyInvocable<void(absl::StatusOr<const FrameReader*>)> then;
  };

  absl::Status SpawnCell(ActorId id, const std::string& name, ActorFactory factory,
                         const Supervision& supervision);
  void Start(Cell& cell);
  void OnFailure(Cell& cell, const absl::Status& why);
  // Ends a life: its timers, questions and the actor itself go; posted closures become stale.
  void EndLife(Cell& cell);
  void StopCell(Cell& cell);
  // Runs `handle` for the cell's actor; an error or an exception fails the actor.
  void Run(Cell& cell, NodeId sender, absl::FunctionRef<absl::Status()> handle);

  void DeliverTo(Cell& cell, const FrameLetter& letter);
  void DeliverAnswer(const FrameReader& frame);
  std::uint64_t Expect(Cell& cell, NodeId asked, Duration timeout,
                       absl::AnyInvocable<void(absl::StatusOr<const FrameReader*>)> then);
  void Complete(std::uint64_t correlation, absl::StatusOr<const FrameReader*> answer,
                NodeId sender);

  Options options_;
  absl::flat_hash_map<ActorId, std::unique_ptr<Cell>> cells_;
  std::vector<Cell*> started_;  // In order of start; an actor that is restarted keeps its place.
  TimerQueue<Cell*> timers_;    // A timer of the node itself has no cell.
  std::map<std::uint64_t, Question> questions_;  // By correlation.
  std::uint64_t next_correlation_ = 1;
  std::deque<absl::AnyInvocable<void()>> deferred_;
  std::uint64_t restarts_ = 0;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_ACTOR_HOST_H_
