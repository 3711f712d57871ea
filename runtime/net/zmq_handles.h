// Owners of libzmq's objects. The C interface, because it reports errors by value.
//
// A socket belongs to the thread that uses it; a context to whoever outlives its sockets.
#ifndef RONDO_RUNTIME_NET_ZMQ_HANDLES_H_
#define RONDO_RUNTIME_NET_ZMQ_HANDLES_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <zmq.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "runtime/net/transport.h"
#include "runtime/net/zmq_input.h"

namespace runtime {

struct ZmqContextDeleter {
  // Waits until what the sockets still had to send is sent, at most their ZMQ_LINGER.
  void operator()(void* context) const { zmq_ctx_term(context); }
};
using ZmqContext = std::unique_ptr<void, ZmqContextDeleter>;
inline ZmqContext NewZmqContext() { return ZmqContext(zmq_ctx_new()); }

struct ZmqSocketDeleter {
  void operator()(void* socket) const { zmq_close(socket); }
};
using ZmqSocket = std::unique_ptr<void, ZmqSocketDeleter>;

// kUnavailable: `what` failed, in libzmq's words.
absl::Status ZmqError(const std::string& what);
// Fails when the process has no descriptors left.
absl::StatusOr<ZmqSocket> NewZmqSocket(void* context, int type);

class ZmqMessage {
 public:
  ZmqMessage() { zmq_msg_init(&message_); }
  // Copies.
  explicit ZmqMessage(std::span<const std::byte> bytes);
  // Takes the frame over; large ones leave without a copy.
  explicit ZmqMessage(Frame frame);
  // Another reference to the same bytes.
  ZmqMessage(const ZmqMessage& other) : ZmqMessage() { zmq_msg_copy(&message_, &other.message_); }
  ZmqMessage(ZmqMessage&& other) noexcept : ZmqMessage() {
    zmq_msg_move(&message_, &other.message_);
  }
  ZmqMessage& operator=(const ZmqMessage&) = delete;
  ZmqMessage& operator=(ZmqMessage&& other) noexcept {
    zmq_msg_move(&message_, &other.message_);
    return *this;
  }
  ~ZmqMessage() { zmq_msg_close(&message_); }

  const void* data() const { return zmq_msg_data(&message_); }
  std::size_t size() const { return zmq_msg_size(&message_); }
  std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(data()), size()};
  }
  // A part of the same message follows.
  bool more() const { return zmq_msg_more(&message_) != 0; }
  // The descriptor of the connection that it came by, or -1.
  int source_fd() const { return zmq_msg_get(&message_, ZMQ_SRCFD); }

  // 0 or errno; never blocks. On success the message is empty.
  int Send(void* socket, int flags);
  // False if nothing is there.
  bool Receive(void* socket) { return zmq_msg_recv(&message_, socket, ZMQ_DONTWAIT) >= 0; }

 private:
  mutable zmq_msg_t message_;
};

// A copy. Frames are whole words.
Frame ToFrame(const ZmqMessage& message);

// Bytes that ZMTP 3 puts before a part of `bytes`.
constexpr std::size_t ZmtpHeaderBytes(std::size_t bytes) { return bytes <= 255 ? 2 : 9; }
constexpr std::size_t BytesOnWire(std::size_t bytes) { return bytes + ZmtpHeaderBytes(bytes); }

// Options that cannot fail but by our own bug.
void SetOption(void* socket, int option, int value);
// What every control socket has. No message over `max_bytes` is taken in, and nobody who speaks an
// old ZMTP: to those any bytes are a handshake, and in libzmq 4.3.4 such a peer of a closing XPUB
// ends the process (errno_assert in process_routing_id_msg).
void SetCommonOptions(void* socket, bool ipv6, std::int64_t max_bytes);
// The endpoint that the socket was bound to last, wildcards resolved.
std::string LastEndpoint(void* socket);

// What libzmq tells about the connections of one socket.
struct ConnectionEvent {
  std::uint16_t kind = 0;  // ZMQ_EVENT_...
  // A descriptor, an errno or a ZMTP error, as the kind says.
  std::int32_t value = 0;
};

class ConnectionMonitor {
 public:
  ConnectionMonitor() = default;
  // Before the socket binds or connects.
  static absl::StatusOr<ConnectionMonitor> Watch(void* context, void* socket);

  void* socket() const { return events_.get(); }
  ZmqInput* input() { return &input_; }
  std::optional<ConnectionEvent> Next();

 private:
  ZmqSocket events_;
  ZmqInput input_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_ZMQ_HANDLES_H_
