#include "runtime/net/zmq_handles.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace runtime {
namespace {

// Below this a copy costs less than the allocation that shares ownership.
constexpr std::size_t kCopyBytes = 2048;
constexpr int kHandshakeMilliseconds = 3000;

void DeleteFrame(void*, void* hint) { delete static_cast<Frame*>(hint); }

}  // namespace

absl::Status ZmqError(const std::string& what) {
  return absl::UnavailableError(what + ": " + zmq_strerror(zmq_errno()));
}

absl::StatusOr<ZmqSocket> NewZmqSocket(void* context, int type) {
  ZmqSocket socket(zmq_socket(context, type));
  if (socket == nullptr) return ZmqError("cannot open a socket");
  return socket;
}

ZmqMessage::ZmqMessage(std::span<const std::byte> bytes) {
  REQUIRE(zmq_msg_init_size(&message_, bytes.size()) == 0);
  if (!bytes.empty()) std::memcpy(zmq_msg_data(&message_), bytes.data(), bytes.size());
}

ZmqMessage::ZmqMessage(Frame frame) {
  const std::size_t bytes = frame.size() * sizeof(std::uint64_t);
  if (bytes < kCopyBytes) {
    REQUIRE(zmq_msg_init_size(&message_, bytes) == 0);
    if (bytes > 0) std::memcpy(zmq_msg_data(&message_), frame.data(), bytes);
    return;
  }
  auto* owned = new Frame(std::move(frame));
  REQUIRE(zmq_msg_init_data(&message_, owned->data(), bytes, DeleteFrame, owned) == 0);
}

Frame ToFrame(const ZmqMessage& message) {
  Frame frame(message.size() / sizeof(std::uint64_t));
  std::memcpy(frame.data(), message.data(), frame.size() * sizeof(std::uint64_t));
  return frame;
}

int ZmqMessage::Send(void* socket, int flags) {
  return zmq_msg_send(&message_, socket, flags | ZMQ_DONTWAIT) >= 0 ? 0 : zmq_errno();
}

void SetOption(void* socket, int option, int value) {
  REQUIRE(zmq_setsockopt(socket, option, &value, sizeof(value)) == 0);
}

void SetCommonOptions(void* socket, bool ipv6, std::int64_t max_bytes) {
  SetOption(socket, ZMQ_LINGER, 0);
  SetOption(socket, ZMQ_HANDSHAKE_IVL, kHandshakeMilliseconds);
  SetOption(socket, ZMQ_IPV6, ipv6 ? 1 : 0);
  REQUIRE(zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_bytes, sizeof(max_bytes)) == 0);
  // A ZAP domain makes libzmq refuse ZMTP 1 and 2. Without a handler it has no other effect.
  constexpr std::string_view kDomain = "rondo";
  REQUIRE(zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, kDomain.data(), kDomain.size()) == 0);
}

std::string LastEndpoint(void* socket) {
  std::array<char, 512> text{};
  std::size_t size = text.size();
  REQUIRE(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, text.data(), &size) == 0);
  return text.data();
}

absl::StatusOr<ConnectionMonitor> ConnectionMonitor::Watch(void* context, void* socket) {
  static std::atomic<std::uint64_t> count{0};
  const std::string endpoint = "inproc://monitor-" + std::to_string(++count);
  if (zmq_socket_monitor(socket, endpoint.c_str(), ZMQ_EVENT_ALL) != 0) {
    return ZmqError("cannot watch a socket");
  }
  ConnectionMonitor monitor;
  ASSIGN_OR_RETURN(monitor.events_, NewZmqSocket(context, ZMQ_PAIR));
  SetOption(monitor.events_.get(), ZMQ_LINGER, 0);
  // libzmq's I/O thread would wait for room.
  SetOption(monitor.events_.get(), ZMQ_RCVHWM, 0);
  if (zmq_connect(monitor.events_.get(), endpoint.c_str()) != 0) {
    return ZmqError("cannot watch a socket");
  }
  monitor.input_ = ZmqInput(monitor.events_.get());
  return monitor;
}

std::optional<ConnectionEvent> ConnectionMonitor::Next() {
  ZmqMessage event;
  if (!input_.Receive(event)) return std::nullopt;
  // Six bytes: kind and value in host order; a second part names the endpoint.
  ConnectionEvent result;
  REQUIRE(event.size() == sizeof(result.kind) + sizeof(result.value));
  const auto* bytes = static_cast<const unsigned char*>(event.data());
  std::memcpy(&result.kind, bytes, sizeof(result.kind));
  std::memcpy(&result.value, bytes + sizeof(result.kind), sizeof(result.value));
  while (event.more() && event.Receive(events_.get())) {
  }
  return result;
}

}  // namespace runtime
