#include "runtime/collective/zmq_transfer_link.h"

#include <absl/strings/str_cat.h>
#include <zmq.h>

#include <algorithm>
#include <optional>

#include "runtime/base/status.h"
#include "runtime/net/address.h"

namespace runtime {
namespace {

// More than a window; a donor that sends what nobody asked for is not read any faster.
constexpr int kMaxWaitingAnswers = 32;

// Why the connection cannot be used any more; null: `kind` says nothing of that.
const char* FailureOf(std::uint16_t kind) {
  switch (kind) {
    case ZMQ_EVENT_DISCONNECTED: return "its connection was closed";
    case ZMQ_EVENT_CONNECT_RETRIED: return "nobody listens there";
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: return "what listens there is no node of ours";
    default: return nullptr;
  }
}

}  // namespace

absl::Status ZmqTransferLink::Connect(const TransferDonor& donor) {
  Disconnect();
  const RingEndpoint& endpoint = donor.endpoint;
  const bool same_host = !host_key_.empty() && host_key_ == endpoint.host_key;
  ASSIGN_OR_RETURN(
      const Address address,
      ParseConnectAddress(same_host && !endpoint.ipc.empty() ? endpoint.ipc : endpoint.tcp));
  ASSIGN_OR_RETURN(ZmqSocket dealer, NewZmqSocket(context_, ZMQ_DEALER));
  SetCommonOptions(dealer.get(), address.IsIpv6(), kMaxTransferFloats * sizeof(float));
  SetOption(dealer.get(), ZMQ_RCVHWM, kMaxWaitingAnswers);
  ASSIGN_OR_RETURN(ConnectionMonitor events, ConnectionMonitor::Watch(context_, dealer.get()));
  if (zmq_connect(dealer.get(), address.ToString().c_str()) != 0) {
    return ZmqError(absl::StrCat("cannot connect to ", address.ToString()));
  }
  dealer_ = std::move(dealer);
  events_ = std::move(events);
  from_dealer_ = ZmqInput(dealer_.get());
  ++opened_;
  counters_.Sent(Traffic::kJoin, kHandshakeBytes);
  return absl::OkStatus();
}

void ZmqTransferLink::Disconnect() {
  events_ = {};
  from_dealer_ = {};
  dealer_.reset();
}

absl::Status ZmqTransferLink::SendRequest(const Hash128& root, const TransferRequest& request) {
  const std::span<const std::byte> bytes = encoder_.Encode({.root = root, .body = request});
  from_dealer_.Touch();
  if (ZmqMessage(bytes).Send(dealer_.get(), 0) != 0) return ZmqError("cannot send a request");
  counters_.Sent(request.traffic, BytesOnWire(bytes.size()));
  return absl::OkStatus();
}

bool ZmqTransferLink::TakeAnswer(TransferClient& client) {
  ZmqMessage header, body;
  if (!from_dealer_.Receive(header)) return false;
  int parts = 1;
  for (bool more = header.more(); more; more = body.more(), ++parts) {
    if (!body.Receive(dealer_.get())) break;
  }
  if (parts > 2) {
    counters_.dropped_frame.fetch_add(1);
    client.OnCorrupt("it sent a message of too many parts");
  } else {
    OnAnswer(client, header, parts == 2 ? &body : nullptr);
  }
  return true;
}

void ZmqTransferLink::OnAnswer(TransferClient& client, const ZmqMessage& header,
                               const ZmqMessage* body) {
  const absl::StatusOr<TransferMessage> message = DecodeTransferMessage(header.bytes());
  if (!message.ok()) {
    const bool ours = absl::IsOutOfRange(message.status());
    (ours ? counters_.dropped_decode : counters_.dropped_frame).fetch_add(1);
    client.OnCorrupt(std::string(message.status().message()));
    return;
  }
  const auto* const chunk = std::get_if<TransferChunk>(&message->body);
  const bool not_held = std::holds_alternative<TransferNotHeld>(message->body);
  TransferFate fate = TransferFate::kCorrupt;
  if (chunk != nullptr && body != nullptr) {
    fate = client.OnChunk(message->root, *chunk, body->bytes());
  } else if (not_held && body == nullptr) {
    fate = client.OnNotHeld(message->root);
  } else {
    counters_.dropped_decode.fetch_add(1);
    client.OnCorrupt("it sent what is no answer");
    return;
  }
  switch (fate) {
    case TransferFate::kTaken: break;
    case TransferFate::kStale: counters_.dropped_fence.fetch_add(1); break;
    case TransferFate::kCorrupt: counters_.dropped_checksum.fetch_add(1); break;
  }
}

void ZmqTransferLink::TakeFailure(TransferClient& client) {
  const char* failure = nullptr;
  while (failure == nullptr) {
    const std::optional<ConnectionEvent> event = events_.Next();
    if (!event.has_value()) return;
    failure = FailureOf(event->kind);
  }
  // What it had said before comes first; it may end the fetch, or lead to another donor.
  from_dealer_.Touch();
  const std::uint64_t connection = opened_;
  while (connection == opened_ && TakeAnswer(client)) {
  }
  if (connection == opened_ && dealer_ != nullptr) client.OnUnavailable(failure);
}

}  // namespace runtime
