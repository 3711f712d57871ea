// A node's part in the cluster: the head admits and judges (Admission), every other node joins and
// keeps its link to the head (HeadLink).
#ifndef RONDO_RUNTIME_ACTOR_MEMBERSHIP_H_
#define RONDO_RUNTIME_ACTOR_MEMBERSHIP_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/actor/actor.h"
#include "runtime/actor/drop_counters.h"
#include "runtime/actor/mailbox.h"
#include "runtime/actor/roster.h"
#include "runtime/base/log.h"
#include "runtime/group/failure_detector.h"
#include "runtime/net/frame.h"
#include "runtime/net/transport.h"

namespace runtime {

// A counter of the layer above that rises while it gets on. Any thread.
using ProgressCounter = std::shared_ptr<const std::atomic<std::uint64_t>>;

struct NodeOptions {
  NodeId id;  // RandomNodeId(), or drawn from the seed of a simulation.
  // What Join says of this node; for the head, what its own actors see.
  std::string name;
  std::string role;
  std::string address;
  std::string details;
  // The head: what it demands. A node: what it shows. Empty: none.
  std::string token;

  LivenessProfile liveness = LivenessProfile::Local();  // The head's is told to the nodes.
  MailboxLimits mailbox;
  Logger log;

  // The head's node only.
  bool is_head = false;
  // Silence condemns a node only while another one of this role is heard: else the head's own
  // network may be what failed (protocol.md 6). Empty: it always does.
  std::string witness_role;
  std::uint32_t epoch = 1;
  // The last word on a node that passed all other checks, on the actor thread; an error carries the
  // UserError that the node is refused with. Absent: everyone is admitted.
  absl::AnyInvocable<absl::Status(const NodeInfo&)> admit;

  // The other nodes only.
  Duration join_timeout = std::chrono::seconds(10);
  std::vector<ProgressCounter> progress;  // Told in each heartbeat, in this order; at most 64.
  // Whether the node ends (with exit 3, or 9 if it was evicted) when it has lost its head for good.
  bool end_when_head_is_lost = true;
  // A head that is gone without a goodbye (HEAD_LOST) may come back, or be started anew: the node
  // asks to join again, for as long as it lives. Its actors hear OnNodeDown, later OnNodeUp.
  bool rejoin = false;

  // What this node says it was built from. Differs from the truth in tests only.
  std::uint16_t protocol = kProtocolVersion;
  std::uint64_t fingerprint = SchemaFingerprint();
};

// What Membership needs of its node.
class MembershipHost {
 public:
  virtual ~MembershipHost() = default;
  virtual void After(Duration delay, absl::AnyInvocable<void()> then) = 0;
  virtual void OnUp(const NodeInfo& node) = 0;
  virtual void OnDown(NodeId node, const absl::Status& why) = 0;
  // This node was admitted.
  virtual void OnJoined() = 0;
  // This node has to end.
  virtual void OnEnd(const absl::Status& why) = 0;
};

class Membership {
 public:
  struct Parts {
    NodeOptions& options;
    const Clock& clock;
    Transport& transport;
    Roster& roster;
    DropCounters& drops;
    MembershipHost& host;
  };

  virtual ~Membership() = default;

  // On the transport's thread, before anything waits in a mailbox: notes that `from` lives. True:
  // the frame was nothing but a sign of life, and is done with.
  virtual bool OnArrival(NodeId from, const FrameReader& frame) = 0;

  // All below: actor thread.
  virtual void Start() = 0;
  // False: the frame was membership's own, or of a stranger, and is done with. True: it is an
  // actor's.
  virtual bool OnFrame(NodeId from, const FrameReader& frame) = 0;
  virtual void OnDisconnected(NodeId peer, const absl::Status& why) = 0;
  // kUnavailable: nothing can be sent to `node`; else the peer of the transport to send it to.
  virtual absl::StatusOr<NodeId> RouteTo(NodeId node) const = 0;
  virtual void Evict(NodeId node, const absl::Status& why) = 0;
  virtual void Stop(const std::string& reason) = 0;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_MEMBERSHIP_H_
