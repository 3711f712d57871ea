// The head's sockets: a ROUTER that nodes connect to, an XPUB for what all of them get.
#ifndef RONDO_RUNTIME_NET_ZMQ_LISTEN_SIDE_H_
#define RONDO_RUNTIME_NET_ZMQ_LISTEN_SIDE_H_

#include <absl/container/flat_hash_map.h>

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/net/frame.h"
#include "runtime/net/note.h"
#include "runtime/net/zmq_broadcast.h"
#include "runtime/net/zmq_handles.h"
#include "runtime/net/zmq_side.h"

namespace runtime {

class ZmqListenSide final : public ZmqSide {
 public:
  ZmqListenSide(const ZmqTransportOptions& options, TransportListener& listener,
                TransportBoard& board)
      : options_(options), listener_(listener), board_(board), broadcast_(board) {}

  // ADDRESS_IN_USE, ADDRESS_NOT_LOCAL (exit 2).
  absl::Status Open() override;
  void AddInputs(std::vector<ZmqInput*>& inputs) override;
  void AddPollItems(bool writable, std::vector<zmq_pollitem_t>& items) override;
  void Read(Time now) override;
  std::optional<Time> NextDeadline() const override;
  // A peer that does not keep up has its frames wait for it, then lose; it never holds up others.
  bool Send(NodeId to, Traffic kind, Frame& frame) override;
  bool IsDrained() override;
  void Publish(Traffic kind, Frame frame) override;
  void Welcome(NodeId peer) override;
  void Disconnect(NodeId peer) override;
  void Close(Duration linger) override;

  // After Open, with the ports that the system chose.
  const Address& control_address() const { return control_address_; }
  const Address& broadcast_address() const { return broadcast_.address(); }

 private:
  struct Peer {
    bool welcomed = false;
    bool cut = false;
    // The listener knows it: a frame was delivered.
    bool heard = false;
    // Its connection was lost and the listener is to hear of it.
    bool lost = false;
    // -1: not connected.
    int fd = -1;
    // Frames that may be delivered before it is welcomed, and since when they grow again.
    int allowance = 0;
    Time allowance_since{};
    std::uint64_t arrival = 0;
    // What libzmq's queue of this peer had no room for, in order.
    std::deque<std::pair<Traffic, ZmqMessage>> waiting;
    std::size_t waiting_bytes = 0;
  };

  // True: there were some.
  bool ReadConnectionEvents();
  void OnConnectionEvent(const ConnectionEvent& event);
  void OnConnectionGone(int fd);
  void ReportLostPeers();

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
  void Route(NodeId to, Traffic kind, ZmqMessage body);
  // False if the peer's queue has no room, and `body` is untouched. Else sent, or dropped.
  bool TryRoute(NodeId to, Traffic kind, ZmqMessage& body);
  void RouteWaiting();
  void SendNote(NodeId to, Traffic kind, const Note& note);

  const ZmqTransportOptions& options_;
  TransportListener& listener_;
  TransportBoard& board_;

  ZmqContext context_;
  ZmqSocket router_;
  ZmqInput from_router_;
  ZmqBroadcast broadcast_;
  ConnectionMonitor router_events_;
  Address control_address_;

  absl::flat_hash_map<NodeId, Peer> peers_;
  std::size_t unwelcomed_ = 0;
  std::uint64_t arrivals_ = 0;
  // Open connections of the ROUTER, by descriptor, and whose they are once they spoke.
  absl::flat_hash_map<int, NodeId> connections_;
  std::vector<NodeId> lost_;
  // Peers for whom something waits.
  std::vector<NodeId> slow_;
  Time next_retry_{};
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_ZMQ_LISTEN_SIDE_H_
