// A node: one process of the cluster (or one of many in a simulation), with its actors, its
// mailbox, its part in the membership, and its way to the network.
//
// A node has no thread of its own: NodeThread (runtime/actor/node_thread.h) runs it in real life,
// a simulation calls RunReady. That caller is the actor thread; the transport's thread pushes into
// the mailbox and notes who lives.
#ifndef RONDO_RUNTIME_ACTOR_NODE_H_
#define RONDO_RUNTIME_ACTOR_NODE_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/actor/actor.h"
#include "runtime/actor/actor_host.h"
#include "runtime/actor/membership.h"
#include "runtime/actor/node_actor.h"
#include "runtime/base/mutex.h"

namespace runtime {

class Node final : private TransportListener, private ActorOutside, private MembershipHost {
 public:
  // `clock` and `transport` outlive the node.
  Node(NodeOptions options, const Clock& clock, Transport& transport);
  ~Node() override;

  // Before Start, or on the actor thread:

  // kAlreadyExists: an actor of that name runs. Actors start in the order of Spawn.
  absl::Status Spawn(const std::string& name, ActorFactory factory,
                     const Supervision& supervision = {});
  // Lets the head start actors of this kind here (Context::SpawnOn).
  void RegisterKind(const std::string& kind, absl::AnyInvocable<std::unique_ptr<Actor>()> make,
                    const Supervision& supervision = {});
  absl::Status Start();

  // On the actor thread:

  // Handles what is ready, at most a few hundred messages. True: more is ready.
  bool RunReady();
  // When the next timer is due.
  std::optional<Time> NextTimer() const { return host_.NextTimer(); }
  // Stops the actors in reverse order of their start, says goodbye, and closes the transport, which
  // has `linger` to send what it still holds. Idempotent.
  void Stop(Duration linger, const std::string& reason = "it was asked to stop");

  // On any thread:

  NodeId id() const { return options_.id; }
  Mailbox& mailbox() { return *mailbox_; }
  // The head's node is joined once started.
  bool IsJoined() const;
  // Why this node has to end: its join was refused, its head is gone, it was evicted, or an actor
  // failed for good (its error); nothing while it has not.
  std::optional<absl::Status> Ended() const;
  // Returns when the node has joined or ended, or at `deadline`. Real time only.
  // The reason for which it ended; kDeadlineExceeded.
  absl::Status WaitJoined(Time deadline);
  // Returns when the node has ended, or at `deadline`. Real time only.
  std::optional<absl::Status> WaitEnded(Time deadline);
  // Makes Ended() return `why`, unless it has ended already.
  void RequestEnd(const absl::Status& why) { OnEnd(why); }

  // The nodes that are up, as this one sees it: the head sees all, another its head.
  std::vector<NodeState> Nodes() const { return roster_.Nodes(clock_.Now()); }
  // Of this node and of its transport.
  Drops Dropped() const;
  std::uint64_t restarts() const { return host_.restarts(); }  // Actor thread.

 private:
  // TransportListener; the transport's thread.
  void OnFrame(NodeId from, Frame frame) override;
  void OnDisconnected(NodeId peer, absl::Status why) override;

  // ActorOutside.
  absl::Status Send(const ActorAddress& to, Traffic traffic, Frame frame) override;
  absl::Status Publish(Traffic traffic, Frame frame) override;
  void Evict(NodeId node, const absl::Status& why) override;
  void OnEscalation(const absl::Status& why) override { OnEnd(why); }
  std::vector<NodeInfo> UpNodes() const override { return up_; }

  // MembershipHost.
  void After(Duration delay, absl::AnyInvocable<void()> then) override;
  void OnUp(const NodeInfo& node) override;
  void OnDown(NodeId node, const absl::Status& why) override;
  void OnJoined() override;
  void OnEnd(const absl::Status& why) override;

  bool IsSelf(NodeId node) const {
    return node == options_.id || (options_.is_head && node == kHeadNode);
  }
  absl::Status SendLocal(Frame frame);
  void Handle(Letter letter);
  void HandleFrame(NodeId source, FrameLetter letter);
  // A frame that passes through the head from one node to another.
  void Relay(const FrameLetter& letter);

  NodeOptions options_;
  const Clock& clock_;
  Transport& transport_;
  DropCounters drops_;
  const std::shared_ptr<Mailbox> mailbox_;
  Roster roster_;
  ActorKinds kinds_;
  ActorHost host_;
  const std::unique_ptr<Membership> membership_;
  std::vector<NodeInfo> up_;  // In order of arrival.
  bool started_ = false;
  bool stopped_ = false;

  mutable Mutex mutex_;
  Condition changed_;
  bool joined_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> ended_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_NODE_H_
