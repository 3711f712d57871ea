#include "runtime/collective/zmq_ring_dial.h"

#include <absl/strings/str_cat.h>

#include <cstring>
#include <utility>

#include "runtime/base/require.h"
#include "runtime/collective/ring.h"

namespace runtime {
namespace {

constexpr int kHandshakeMilliseconds = 3000;

std::string LastError() { return zmq_strerror(zmq_errno()); }

}  // namespace

void ZmqRingDial::Open(void* context, const std::string& address, std::size_t max_bytes) {
  socket_ = zmq_socket(context, ZMQ_DEALER);
  events_ = zmq_socket(context, ZMQ_PAIR);
  if (socket_ == nullptr || events_ == nullptr) {
    SetFailure(LastError());
    return;
  }
  SetOption(socket_, ZMQ_LINGER, 0);
  SetOption(socket_, ZMQ_SNDHWM, 0);  // Credits bound it; a bound of its own could stop the ring.
  SetOption(socket_, ZMQ_RCVHWM, static_cast<int>(kMaxCredits) + 8);
  SetOption(socket_, ZMQ_HANDSHAKE_IVL, kHandshakeMilliseconds);
  SetOption(socket_, ZMQ_IPV6, address.find('[') != std::string::npos ? 1 : 0);
  const auto bound = static_cast<std::int64_t>(max_bytes);
  REQUIRE(zmq_setsockopt(socket_, ZMQ_MAXMSGSIZE, &bound, sizeof(bound)) == 0);
  // Unique within the context, as long as the socket lives.
  const std::string events =
      absl::StrCat("inproc://ring-", reinterpret_cast<std::uintptr_t>(socket_));
  constexpr int kEvents = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
  SetOption(events_, ZMQ_LINGER, 0);
  if (zmq_socket_monitor(socket_, events.c_str(), kEvents) != 0 ||
      zmq_connect(events_, events.c_str()) != 0 || zmq_connect(socket_, address.c_str()) != 0) {
    SetFailure(absl::StrCat("cannot connect to \"", address, "\": ", LastError()));
    return;
  }
  input_ = ZmqInput(socket_);
  events_input_ = ZmqInput(events_);
}

void ZmqRingDial::Close() {
  if (socket_ != nullptr) {
    zmq_socket_monitor(socket_, nullptr, 0);
    zmq_close(socket_);
  }
  if (events_ != nullptr) zmq_close(events_);
  socket_ = events_ = nullptr;
  input_ = events_input_ = ZmqInput();
  failure_.clear();
  failure_is_news_ = false;
}

bool ZmqRingDial::Send(std::span<const std::byte> bytes, bool more) {
  if (!IsUsable()) return false;
  input_.Touch();
  const int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
  if (zmq_send(socket_, bytes.data(), bytes.size(), flags) >= 0) return true;
  SetFailure(LastError());
  return false;
}

bool ZmqRingDial::Send(zmq_msg_t& body) {
  if (!IsUsable()) return false;
  input_.Touch();
  if (zmq_msg_send(&body, socket_, ZMQ_DONTWAIT) >= 0) return true;
  SetFailure(LastError());
  return false;
}

void ZmqRingDial::ReadEvents() {
  for (;;) {
    ZmqMessage event, address;
    if (!events_input_.Receive(event)) return;
    if (event.more()) address.Receive(events_);
    std::uint16_t kind = 0;
    if (event.size() >= sizeof(kind)) std::memcpy(&kind, event.data(), sizeof(kind));
    SetFailure(kind == ZMQ_EVENT_DISCONNECTED ? "disconnected" : "handshake failed");
  }
}

void ZmqRingDial::SetFailure(std::string why) {
  if (!failure_.empty()) return;
  failure_ = std::move(why);
  failure_is_news_ = true;
}

std::optional<std::string> ZmqRingDial::TakeFailure() {
  ReadEvents();
  if (!std::exchange(failure_is_news_, false)) return std::nullopt;
  return failure_;
}

}  // namespace runtime
