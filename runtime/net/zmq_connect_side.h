// A node's sockets: a DEALER to the head and, once welcomed, a SUB for what it publishes.
#ifndef RONDO_RUNTIME_NET_ZMQ_CONNECT_SIDE_H_
#define RONDO_RUNTIME_NET_ZMQ_CONNECT_SIDE_H_

#include <string>
#include <vector>

#include "runtime/net/connect_diagnosis.h"
#include "runtime/net/note.h"
#include "runtime/net/zmq_handles.h"
#include "runtime/net/zmq_side.h"

namespace runtime {

// Reconnects by itself, with the same routing id, until it is cut off or closed. Whatever it is
// given to send goes to the head, which relays what is for a third node.
class ZmqConnectSide final : public ZmqSide {
 public:
  ZmqConnectSide(const ZmqTransportOptions& options, TransportListener& listener,
                 TransportBoard& board)
      : options_(options), listener_(listener), board_(board) {}

  absl::Status Open() override;
  void AddInputs(std::vector<ZmqInput*>& inputs) override;
  bool WaitsToWrite() const override { return hello_is_due_; }
  void AddPollItems(bool writable, std::vector<zmq_pollitem_t>& items) override;
  void Read(Time now) override;
  std::optional<Time> NextDeadline() const override { return rebuild_at_; }
  // Waits while there is no connection: what waits is not lost when the head comes late.
  bool Send(NodeId to, Traffic kind, Frame& frame) override;
  // Only the listening side publishes, welcomes and disconnects.
  void Publish(Traffic kind, Frame frame) override;
  void Welcome(NodeId peer) override;
  void Disconnect(NodeId peer) override;
  void Close(Duration linger) override;

 private:
  absl::Status OpenDealer();
  absl::Status Subscribe(const Address& broadcasts);
  void ReadConnectionEvents(Time now);
  void OnConnectionEvent(const ConnectionEvent& event, Time now);
  void ReadControl();
  void ReadBroadcasts();
  void OnNote(const Note& note);
  void OnWelcome(std::uint64_t port);
  void OnCutOff();
  // Delivers `body` if it is a frame.
  void OnBytes(const ZmqMessage& body);

  const ZmqTransportOptions& options_;
  TransportListener& listener_;
  TransportBoard& board_;

  ZmqContext context_;
  ZmqSocket dealer_;
  ZmqSocket broadcasts_;
  ZmqInput from_dealer_;
  ZmqInput from_broadcasts_;
  ConnectionMonitor events_;
  std::optional<Address> broadcasts_address_;
  ConnectDiagnosis diagnosis_;
  // The connection ended since the listener was told last.
  bool lost_ = false;
  bool hello_is_due_ = false;
  // libzmq gives up after a failed handshake of some kinds, without a word. If it does not say that
  // it tries again, we begin anew.
  std::optional<Time> rebuild_at_;
  Time read_at_{};  // Of the last Read.
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_ZMQ_CONNECT_SIDE_H_
