// The listening side's XPUB: one copy of a frame to every subscriber. The control thread's.
//
// It has a port of its own, because a ROUTER and a PUB cannot share one. A node learns of it at its
// welcome. Who looks for open ports can subscribe too: what is published is no secret until
// connections are encrypted.
#ifndef RONDO_RUNTIME_NET_ZMQ_BROADCAST_H_
#define RONDO_RUNTIME_NET_ZMQ_BROADCAST_H_

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/net/zmq_handles.h"
#include "runtime/net/zmq_side.h"

namespace runtime {

class ZmqBroadcast {
 public:
  explicit ZmqBroadcast(TransportBoard& board) : board_(board) {}

  // Beside `control`: same host or name, a port of `ports`, or any.
  absl::Status Open(void* context, const Address& control, std::optional<PortRange> ports);
  const Address& address() const { return address_; }

  void AddInputs(std::vector<ZmqInput*>& inputs);
  void AddPollItems(std::vector<zmq_pollitem_t>& items) const;
  // Takes in who came and went, as far as a wait showed it.
  void Read();
  // Also what came since.
  void ReadNow();
  // Broadcasts reach it now.
  bool Reaches(NodeId node) const { return subscribed_.contains(node); }
  // A subscriber that does not keep up loses the frame.
  void Send(Traffic kind, ZmqMessage message);

  void Close(int linger_milliseconds);

 private:
  // False: to nothing of ours.
  bool OnSubscription(bool begins, std::span<const std::byte> topic);

  TransportBoard& board_;
  Address address_;
  ZmqSocket socket_;
  ZmqInput input_;
  ConnectionMonitor events_;
  // Open connections, by descriptor, that have not subscribed yet.
  absl::flat_hash_set<int> silent_;
  // Connections that subscribed to frames.
  std::uint64_t subscriptions_ = 0;
  // Connections that subscribed to the name of a node (zmq_wire.h).
  absl::flat_hash_map<NodeId, int> subscribed_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_ZMQ_BROADCAST_H_
