// The head's sockets: a ROUTER that nodes connect to, an XPUB for what all of them get.
#ifndef RONDO_RUNTIME_NET_ZMQ_LISTEN_SIDE_H_
#define RONDO_RUNTIME_NET_ZMQ_LISTEN_SIDE_H_

#include <absl/container/flat_hash_map.h>

#include <vector>

#include "runtime/net/frame.h"
#include "runtime/net/note.h"
#include "runtime/net/zmq_handles.h"
#include "runtime/net/zmq_side.h"

namespace runtime {

class ZmqListenSide final : public ZmqSide {
 public:
  ZmqListenSide(const ZmqTransportOptions& options, TransportListener& listener,
                TransportBoard& board)
      : options_(options), listener_(listener), board_(board) {}

  // ADDRESS_IN_USE, ADDRESS_NOT_LOCAL (exit 2).
  absl::Status Open() override;
  void AddPollItems(bool writable, std::vector<zmq_pollitem_t>& items) override;
  void Read(Time now) override;
  // A peer whose queue is full loses the frame; it never holds up the others.
  bool Send(NodeId to, Traffic kind, Frame& frame) override;
  void Publish(Traffic kind, Frame frame) override;
  void Welcome(NodeId peer) override;
  void Disconnect(NodeId peer) override;
  void Close(Duration linger) override;

  // After Open, with the ports that the system chose.
  const Address& control_address() const { return control_address_; }
  const Address& broadcast_address() const { return broadcast_address_; }

 private:
  struct Peer {
    bool welcomed = false;
    bool cut = false;
    // Its connection was lost and the listener is to hear of it.
    bool lost = false;
    // -1: not connected.
    int fd = -1;
    // Frames that may be delivered before it is welcomed, and since when they grow again.
    int allowance = 0;
    Time allowance_since{};
    std::uint64_t arrival = 0;
  };

  absl::Status OpenRouter();
  absl::Status OpenBroadcast();
  absl::Status BindBroadcast();

  void ReadConnectionEvents();
  void OnConnectionEvent(const ConnectionEvent& event);
  void OnConnectionGone(int fd);
  void ReportLostPeers();
  void ReadSubscriptions();

  bool ReadOneMessage(Time now);
  void OnMessage(NodeId sender, ZmqMessage& body, Time now);
  void OnHello(NodeId sender, const Note& note, int fd, Time now);
  void OnFrame(NodeId sender, ZmqMessage& body, Time now);
  void Relay(NodeId sender, const Envelope& envelope, ZmqMessage& body);
  // Takes one from the allowance of a peer that is not welcomed.
  bool MaySpeak(Peer& peer, Time now);

  Peer& Admit(NodeId sender, int fd, Time now);
  void MakeRoomForOneMore();
  void Forget(NodeId peer);
  // 0 or errno.
  int Route(NodeId to, ZmqMessage& body);
  void RouteOrDrop(NodeId to, Traffic kind, ZmqMessage body);
  void SendNote(NodeId to, Traffic kind, const Note& note);

  const ZmqTransportOptions& options_;
  TransportListener& listener_;
  TransportBoard& board_;

  ZmqContext context_;
  ZmqSocket router_;
  ZmqSocket broadcast_;
  ConnectionMonitor router_events_;
  ConnectionMonitor broadcast_events_;
  Address control_address_;
  Address broadcast_address_;

  absl::flat_hash_map<NodeId, Peer> peers_;
  std::size_t unwelcomed_ = 0;
  std::uint64_t arrivals_ = 0;
  // Open connections of the ROUTER, by descriptor, and whose they are once they spoke.
  absl::flat_hash_map<int, NodeId> connections_;
  std::vector<NodeId> lost_;

  // Connections that subscribed to frames, and to their node's name (see SubscriptionTo).
  std::uint64_t subscriptions_ = 0;
  absl::flat_hash_map<NodeId, int> subscribed_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_ZMQ_LISTEN_SIDE_H_
