// A connection that a ring member opens itself: a DEALER, and what libzmq tells of it. Chunks may
// go either way on it; see RingHello.
//
// Ring thread only.
#ifndef RONDO_RUNTIME_COLLECTIVE_ZMQ_RING_DIAL_H_
#define RONDO_RUNTIME_COLLECTIVE_ZMQ_RING_DIAL_H_

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "runtime/net/zmq_handles.h"
#include "runtime/net/zmq_input.h"

namespace runtime {

class ZmqRingDial {
 public:
  ZmqRingDial() = default;
  ~ZmqRingDial() { Close(); }
  ZmqRingDial(const ZmqRingDial&) = delete;
  ZmqRingDial& operator=(const ZmqRingDial&) = delete;

  // Connects; what goes wrong is a failure, now or later. No part over `max_bytes` is taken in.
  void Open(void* context, const std::string& address, std::size_t max_bytes);
  // Gives up what was not sent, and forgets a failure.
  void Close();
  bool IsUsable() const { return socket_ != nullptr && failure_.empty(); }
  bool HasFailed() const { return !failure_.empty(); }

  // Copies. False, and a failure, if it cannot be sent.
  bool Send(std::span<const std::byte> bytes, bool more = false);
  // Takes `body` over if it can be sent.
  bool Send(zmq_msg_t& body);
  // Receives the first part of a message, if one is there; the others by Receive(socket()).
  bool Receive(ZmqMessage& first) { return input_.Receive(first); }
  void* socket() const { return socket_.get(); }

  void SetFailure(std::string why);
  // Why the connection cannot be used any more, once.
  std::optional<std::string> TakeFailure();

  // What to wait for.
  ZmqInput* input() { return &input_; }
  ZmqInput* events() { return monitor_.input(); }

 private:
  absl::Status Connect(void* context, const std::string& address, std::size_t max_bytes);
  void ReadEvents();

  ZmqSocket socket_;           // DEALER.
  ConnectionMonitor monitor_;  // After socket_, so that it is gone first.
  ZmqInput input_;
  std::string failure_;
  bool failure_is_news_ = false;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_ZMQ_RING_DIAL_H_
