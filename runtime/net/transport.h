// The seam between nodes and the network: whole frames to a node, best effort, in order per pair.
//
// The cluster is a star: one listening node (the head) and nodes that connect to it. A frame for a
// third node is relayed by the head. Two implementations: ZmqTransport (real sockets, one control
// thread) and sim::SimNetwork (virtual time, no thread). Actors cannot tell them apart.
#ifndef RONDO_RUNTIME_NET_TRANSPORT_H_
#define RONDO_RUNTIME_NET_TRANSPORT_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/net/traffic.h"

namespace runtime {

// One encoded frame (runtime/net/frame.h): fixed header, then a Cap'n Proto message. Words, so that
// Cap'n Proto can read it in place.
using Frame = std::vector<std::uint64_t>;

// The head that a node connected to, whatever its incarnation.
inline constexpr NodeId kHeadNode{0, 1};

// Called by the transport on its own thread; must return quickly and never call back into it,
// except Send and Publish.
class TransportListener {
 public:
  virtual ~TransportListener() = default;
  // `from` is the incarnation that the connection belongs to, not one that the frame claims; on the
  // connecting side always kHeadNode, also for relayed frames. The frame's header and checksum were
  // verified; on the listening side also that the envelope's sender is `from`.
  virtual void OnFrame(NodeId from, Frame frame) = 0;
  // The connection to `peer` is gone (kUnavailable, with what the operating system or the
  // handshake said). A hint for the failure detector, not a verdict.
  virtual void OnDisconnected(NodeId peer, absl::Status why) = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;

  // Begins to deliver to `listener`, which must outlive Stop().
  virtual absl::Status Start(TransportListener& listener) = 0;
  // No listener call happens after Stop returns. Frames not yet sent have `linger` to leave, and
  // peers that were just cut off to hear it and go: without Disconnect, the last frames to a peer
  // that talks on may be lost.
  virtual void Stop(Duration linger) = 0;

  // All below: any thread, never blocks.
  // kResourceExhausted: the outbox is at its bound; kUnavailable: no such peer.
  virtual absl::Status Send(NodeId to, Traffic kind, Frame frame) = 0;
  // To every connected node that was welcomed (Welcomed, below). Listening side only. A fast path:
  // a copy may be lost or come twice, so whoever publishes numbers them and re-sends on demand.
  virtual absl::Status Publish(Traffic kind, Frame frame) = 0;
  // Listening side: the peer passed the handshake of the layer above, or is cut off. Until it is
  // welcomed, only its first few frames are delivered, and it takes no part in Publish. A welcome
  // outlives a lost connection, until Disconnect; a peer that is cut off is told to stay away,
  // after all that was sent to it before, and no OnDisconnected follows here.
  virtual void Welcome(NodeId peer) = 0;
  virtual void Disconnect(NodeId peer) = 0;
  // Calls `make` every `interval` on the transport's thread, and sends what it returns to `to`.
  // So a node that is busy, or whose actors are, still shows that it lives. One per transport.
  virtual void SetHeartbeat(NodeId to, Duration interval, absl::AnyInvocable<Frame()> make) = 0;

  // What was sent by this side, and dropped on arrival.
  virtual Ledger SentBytes() const = 0;
  virtual Drops Dropped() const = 0;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_TRANSPORT_H_
