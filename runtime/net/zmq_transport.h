// Transport over ZeroMQ: ROUTER and XPUB on the listening side, DEALER and SUB on the others.
//
// One control thread owns all sockets. Others hand it orders by a bounded outbox. The routing id of
// a node is its incarnation, so a reconnect keeps its identity and a restarted process never takes
// over its predecessor's. On every connection the transports greet each other by notes (note.h):
// so the connecting side knows whether it found a head of its version, and learns at its welcome
// where broadcasts are. Nothing else is answered before the layer above answers.
#ifndef RONDO_RUNTIME_NET_ZMQ_TRANSPORT_H_
#define RONDO_RUNTIME_NET_ZMQ_TRANSPORT_H_

#include <atomic>
#include <deque>
#include <memory>
#include <thread>

#include "runtime/net/address.h"
#include "runtime/net/outbox.h"
#include "runtime/net/transport.h"
#include "runtime/net/zmq_side.h"

namespace runtime {

class ZmqTransport final : public Transport {
 public:
  explicit ZmqTransport(ZmqTransportOptions options);
  ~ZmqTransport() override;  // Stops without linger.

  // Once. Listening: bound when it returns; ADDRESS_IN_USE, ADDRESS_NOT_LOCAL, PORT_RANGE_EXHAUSTED
  // (exit 2). Connecting: begins to, and retries without end; see DiagnoseConnect.
  absl::Status Start(TransportListener& listener) override;
  void Stop(Duration linger) override;

  absl::Status Send(NodeId to, Traffic kind, Frame frame) override;
  absl::Status Publish(Traffic kind, Frame frame) override;
  void Welcome(NodeId peer) override;
  void Disconnect(NodeId peer) override;
  void SetHeartbeat(NodeId to, Duration interval, absl::AnyInvocable<Frame()> make) override;
  Ledger SentBytes() const override { return board_.sent(); }
  Drops Dropped() const override { return board_.drops(); }

  // Listening side, after Start: with the ports that were taken.
  const Address& control_address() const { return control_address_; }
  const Address& broadcast_address() const { return broadcast_address_; }

  // Connecting side: OK if a head of our version is connected, else why not, for a person
  // (connect_diagnosis.h). Meaningful a second after Start. May take `patience`, and as long as the
  // resolver takes: not on the control thread.
  absl::Status DiagnoseConnect(Duration patience = std::chrono::milliseconds(300)) const;

 private:
  struct Heartbeat {
    NodeId to;
    Duration interval{};
    Time next{};
    absl::AnyInvocable<Frame()> make;
  };

  absl::Status PutFrame(Order order, std::size_t bytes);
  // The control thread.
  void Run();
  int PollMilliseconds(Time now) const;
  void Turn(int poll_milliseconds);
  // Sleeps until there is something to do. True: orders may have come.
  bool Wait(int milliseconds);
  void WaitToWrite(int milliseconds, short events);
  void Drain(Time deadline);
  void CarryOutOrders();
  // False: it must wait for the connection.
  bool CarryOut(Order& order);
  void Beat(Time now);

  const ZmqTransportOptions options_;
  const SteadyClock clock_;
  TransportBoard board_;
  Outbox outbox_;
  Address control_address_;
  Address broadcast_address_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::int64_t> linger_nanoseconds_{0};
  std::thread thread_;

  // The control thread's.
  std::unique_ptr<ZmqSide> side_;
  std::deque<Order> orders_;
  std::optional<Heartbeat> heartbeat_;
  // The sockets of a wait, by either way.
  std::vector<ZmqInput*> inputs_;
  std::vector<zmq_pollitem_t> items_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_ZMQ_TRANSPORT_H_
