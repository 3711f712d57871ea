#include "runtime/collective/zmq_ring_dial.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <zmq.h>

#include <utility>

#include "runtime/base/status.h"
#include "runtime/collective/ring.h"

namespace runtime {
absl::Status ZmqRingDial::Connect(void* context, const std::string& address,
                                  std::size_t max_bytes) {
  ASSIGN_OR_RETURN(socket_, NewZmqSocket(context, ZMQ_DEALER));
  SetCommonOptions(socket_.get(), absl::StrContains(address, '['),
                   static_cast<std::int64_t>(max_bytes));
  // Credits bound it; a bound of its own could stop the ring.
  SetOption(socket_.get(), ZMQ_SNDHWM, 0);
  SetOption(socket_.get(), ZMQ_RCVHWM, static_cast<int>(kMaxCredits) + 8);
  ASSIGN_OR_RETURN(monitor_, ConnectionMonitor::Watch(context, socket_.get()));
  if (zmq_connect(socket_.get(), address.c_str()) != 0) {
    return ZmqError(absl::StrCat("cannot connect to \"", address, "\""));
  }
  input_ = ZmqInput(socket_.get());
  return absl::OkStatus();
}

void ZmqRingDial::Open(void* context, const std::string& address, std::size_t max_bytes) {
  const absl::Status connected = Connect(context, address, max_bytes);
  if (!connected.ok()) SetFailure(MessageOf(connected));
}

void ZmqRingDial::Close() {
  monitor_ = {};
  input_ = {};
  socket_.reset();
  failure_.clear();
  failure_is_news_ = false;
}

bool ZmqRingDial::Send(std::span<const std::byte> bytes, bool more) {
  if (!IsUsable()) return false;
  input_.Touch();
  const int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
  if (zmq_send(socket_.get(), bytes.data(), bytes.size(), flags) >= 0) return true;
  SetFailure(zmq_strerror(zmq_errno()));
  return false;
}

bool ZmqRingDial::Send(zmq_msg_t& body) {
  if (!IsUsable()) return false;
  input_.Touch();
  if (zmq_msg_send(&body, socket_.get(), ZMQ_DONTWAIT) >= 0) return true;
  SetFailure(zmq_strerror(zmq_errno()));
  return false;
}

void ZmqRingDial::ReadEvents() {
  while (const std::optional<ConnectionEvent> event = monitor_.Next()) {
    switch (event->kind) {
      case ZMQ_EVENT_DISCONNECTED: SetFailure("disconnected"); break;
      case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: SetFailure("handshake failed"); break;
      default: break;  // libzmq tries again by itself.
    }
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
