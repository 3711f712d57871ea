#include "runtime/net/zmq_broadcast.h"

#include <algorithm>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/net/zmq_bind.h"
#include "runtime/net/zmq_wire.h"

namespace runtime {
namespace {

constexpr std::int64_t kMaxSubscriptionBytes = 64;
constexpr std::size_t kMaxNames = 4096;

}  // namespace

absl::Status ZmqBroadcast::Open(void* context, const Address& control,
                                std::optional<PortRange> ports) {
  ASSIGN_OR_RETURN(socket_, NewZmqSocket(context, ZMQ_XPUB));
  SetCommonOptions(socket_.get(), control.IsIpv6(), kMaxSubscriptionBytes);
  // Every subscription and its end are told, not only the first and the last of a topic.
  SetOption(socket_.get(), ZMQ_XPUB_VERBOSER, 1);
  ASSIGN_OR_RETURN(events_, ConnectionMonitor::Watch(context, socket_.get()));
  address_ = control;
  address_.port = 0;
  if (control.scheme == Address::Scheme::kIpc) address_.host = BroadcastName(control.host);
  input_ = ZmqInput(socket_.get());
  if (control.scheme == Address::Scheme::kIpc || !ports.has_value()) {
    return BindSocket(socket_.get(), address_);
  }
  return BindSocketWithin(socket_.get(), *ports, address_);
}

void ZmqBroadcast::AddInputs(std::vector<ZmqInput*>& inputs) {
  inputs.push_back(&input_);
  inputs.push_back(events_.input());
}

void ZmqBroadcast::AddPollItems(std::vector<zmq_pollitem_t>& items) const {
  items.push_back(Readable(socket_.get()));
  items.push_back(Readable(events_.socket()));
}

void ZmqBroadcast::Read() {
  // A connection is accepted before it subscribes: its event comes first.
  if (!input_.IsDry()) events_.input()->Touch();
  while (const std::optional<ConnectionEvent> event = events_.Next()) {
    if (event->kind == ZMQ_EVENT_ACCEPTED) silent_.insert(event->value);
    // It ended without having subscribed to anything of ours.
    if (event->kind == ZMQ_EVENT_DISCONNECTED && silent_.erase(event->value) > 0) {
      board_.Dropped(&Drops::handshake);
    }
  }
  ZmqMessage message;
  for (int i = 0; i < kReadsPerTurn && input_.Receive(message); ++i) {
    const std::span<const std::byte> bytes = message.bytes();
    // A subscription is a byte 1, its end a byte 0, and then the topic.
    if (bytes.empty() || std::to_integer<int>(bytes[0]) > 1) {
      board_.Dropped(&Drops::frame);
    } else if (OnSubscription(bytes[0] == std::byte{1}, bytes.subspan(1))) {
      silent_.erase(message.source_fd());
    } else {
      board_.Dropped(&Drops::handshake);
    }
  }
}

void ZmqBroadcast::ReadNow() {
  input_.Touch();
  Read();
}

bool ZmqBroadcast::OnSubscription(bool begins, std::span<const std::byte> topic) {
  const FrameTopic& frames = TopicOfFrames();
  if (std::equal(topic.begin(), topic.end(), frames.begin(), frames.end())) {
    // Anybody may end what they never began.
    if (begins || subscriptions_ > 0) subscriptions_ += begins ? 1 : -1;
    return true;
  }
  const std::optional<NodeId> node = NodeOfNameTopic(topic);
  if (!node.has_value()) return false;
  const auto entry = subscribed_.find(*node);
  if (begins) {
    if (entry != subscribed_.end()) {
      ++entry->second;
    } else if (subscribed_.size() < kMaxNames) {
      subscribed_[*node] = 1;
    }
  } else if (entry != subscribed_.end() && --entry->second == 0) {
    subscribed_.erase(entry);
  }
  return true;
}

void ZmqBroadcast::Send(Traffic kind, ZmqMessage message) {
  const std::size_t bytes = message.size();
  input_.Touch();
  if (message.Send(socket_.get(), 0) == 0) {
    board_.Sent(kind, subscriptions_ * BytesOnWire(bytes));
  }
}

void ZmqBroadcast::Close(int linger_milliseconds) {
  if (socket_ != nullptr) SetOption(socket_.get(), ZMQ_LINGER, linger_milliseconds);
  events_ = {};
  input_ = {};
  socket_.reset();
}

}  // namespace runtime
