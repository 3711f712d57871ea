#include "runtime/net/zmq_connect_side.h"

#include <absl/strings/str_cat.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/base/error.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"
#include "runtime/net/frame.h"
#include "runtime/net/zmq_wire.h"

namespace runtime {
namespace {

constexpr Duration kRebuildInterval = std::chrono::seconds(1);
constexpr int kConnectMilliseconds = 2000;
constexpr int kReconnectMilliseconds = 100;
constexpr int kReconnectMaxMilliseconds = 5000;

void SetConnectOptions(void* socket, const Address& address) {
  SetCommonOptions(socket, address.IsIpv6(), kMaxFrameBytes);
  SetOption(socket, ZMQ_CONNECT_TIMEOUT, kConnectMilliseconds);
  SetOption(socket, ZMQ_RECONNECT_IVL, kReconnectMilliseconds);
  SetOption(socket, ZMQ_RECONNECT_IVL_MAX, kReconnectMaxMilliseconds);
}

absl::Status Connect(void* socket, const Address& address) {
  if (zmq_connect(socket, address.ToString().c_str()) == 0) return absl::OkStatus();
  return ZmqError(absl::StrCat("cannot connect to ", address.ToString()));
}

}  // namespace

absl::Status ZmqConnectSide::Open() {
  context_ = NewZmqContext();
  board_.SetReachable(kHeadNode, true);
  return OpenDealer();
}

absl::Status ZmqConnectSide::OpenDealer() {
  ASSIGN_OR_RETURN(ZmqSocket fresh, NewZmqSocket(context_.get(), ZMQ_DEALER));
  void* dealer = fresh.get();
  SetConnectOptions(dealer, options_.address);
  // Only a finished connection takes frames: what cannot leave stays in our outbox, where it is
  // bounded and in order.
  SetOption(dealer, ZMQ_IMMEDIATE, 1);
  const RoutingId id = ToRoutingId(options_.self);
  REQUIRE(zmq_setsockopt(dealer, ZMQ_ROUTING_ID, id.data(), id.size()) == 0);
  ASSIGN_OR_RETURN(ConnectionMonitor events, ConnectionMonitor::Watch(context_.get(), dealer));
  events_ = {};  // Before the socket that it watches.
  dealer_ = std::move(fresh);
  events_ = std::move(events);
  from_dealer_ = ZmqInput(dealer);
  return Connect(dealer, options_.address);
}

absl::Status ZmqConnectSide::Subscribe(const Address& broadcasts) {
  ASSIGN_OR_RETURN(broadcasts_, NewZmqSocket(context_.get(), ZMQ_SUB));
  void* socket = broadcasts_.get();
  SetConnectOptions(socket, broadcasts);
  const FrameTopic frames = TopicOfFrames();
  const NameTopic name = TopicOfName(options_.self);
  REQUIRE(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, frames.data(), frames.size()) == 0);
  REQUIRE(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, name.data(), name.size()) == 0);
  from_broadcasts_ = ZmqInput(socket);
  return Connect(socket, broadcasts);
}

void ZmqConnectSide::AddInputs(std::vector<ZmqInput*>& inputs) {
  inputs.push_back(&from_dealer_);
  inputs.push_back(events_.input());
  inputs.push_back(&from_broadcasts_);
}

void ZmqConnectSide::AddPollItems(bool writable, std::vector<zmq_pollitem_t>& items) {
  if (dealer_ == nullptr) return;
  items.push_back(Readable(dealer_.get()));
  if ((writable && diagnosis_.IsConnected()) || hello_is_due_) items.back().events |= ZMQ_POLLOUT;
  items.push_back(Readable(events_.socket()));
  if (broadcasts_ != nullptr) items.push_back(Readable(broadcasts_.get()));
}

void ZmqConnectSide::Read(Time now) {
  now_ = now;
  // First, because a thread that was late finds the sign of the new connection only here.
  if (dealer_ != nullptr) ReadConnectionEvents();
  if (rebuild_at_.has_value() && now >= *rebuild_at_) {
    // A failure here means that no descriptor is left; it is tried again.
    rebuild_at_.reset();
    if (!OpenDealer().ok()) rebuild_at_ = now + kRebuildInterval;
  }
  if (dealer_ == nullptr) return;
  if (hello_is_due_) {
    const std::array<std::uint64_t, 4> words = EncodeNote({.kind = NoteKind::kHello});
    ZmqMessage hello(std::as_bytes(std::span(words)));
    from_dealer_.Touch();
    if (hello.Send(dealer_.get(), 0) == 0) {
      hello_is_due_ = false;
      board_.Sent(Traffic::kJoin, BytesOnWire(kNoteBytes));
    }
  }
  ReadControl();
  if (broadcasts_ != nullptr) ReadBroadcasts();
  if (std::exchange(lost_, false)) {
    listener_.OnDisconnected(
        kHeadNode, absl::UnavailableError(absl::StrCat(
                       "the connection to ", options_.address.ToString(), " was closed")));
  }
}

void ZmqConnectSide::ReadConnectionEvents() {
  bool any = false;
  while (const std::optional<ConnectionEvent> event = events_.Next()) {
    any = true;
    OnConnectionEvent(*event);
  }
  if (!any) return;
  board_.SetDiagnosis(diagnosis_);
  // What the head said before the connection ended comes first.
  from_dealer_.Touch();
  from_broadcasts_.Touch();
}

void ZmqConnectSide::OnConnectionEvent(const ConnectionEvent& event) {
  switch (event.kind) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: hello_is_due_ = true; break;
    case ZMQ_EVENT_CONNECTED:
    case ZMQ_EVENT_CONNECT_DELAYED:
    case ZMQ_EVENT_CONNECT_RETRIED: rebuild_at_.reset(); break;
    case ZMQ_EVENT_DISCONNECTED:
      lost_ = lost_ || diagnosis_.IsConnected();
      hello_is_due_ = false;
      rebuild_at_ = now_ + kRebuildInterval;
      break;
    default: break;
  }
  diagnosis_.OnEvent(event);
}

void ZmqConnectSide::ReadControl() {
  for (int i = 0; i < kReadsPerTurn && dealer_ != nullptr; ++i) {
    ZmqMessage body;
    if (!from_dealer_.Receive(body)) return;
    if (body.more()) {
      while (body.more() && body.Receive(dealer_.get())) {
      }
      board_.Dropped(&Drops::frame);
    } else if (const std::optional<Note> note = DecodeNote(body.bytes())) {
      OnNote(*note);
    } else {
      OnBytes(body);
    }
  }
}

void ZmqConnectSide::ReadBroadcasts() {
  for (int i = 0; i < kReadsPerTurn; ++i) {
    ZmqMessage body;
    if (!from_broadcasts_.Receive(body)) return;
    OnBytes(body);
  }
}

void ZmqConnectSide::OnBytes(const ZmqMessage& body) {
  switch (CheckFrame(body.data(), body.size())) {
    case FrameFault::kNone: break;
    case FrameFault::kChecksum: board_.Dropped(&Drops::checksum); return;
    default:
      board_.Dropped(&Drops::frame);
      diagnosis_.OnForeignBytes();
      board_.SetDiagnosis(diagnosis_);
      return;
  }
  listener_.OnFrame(kHeadNode, ToFrame(body));
}

void ZmqConnectSide::OnNote(const Note& note) {
  switch (note.kind) {
    case NoteKind::kPresent:
      diagnosis_.OnNote(note);
      board_.SetDiagnosis(diagnosis_);
      return;
    case NoteKind::kWelcome: OnWelcome(note.value); return;
    case NoteKind::kCutOff: OnCutOff(); return;
    case NoteKind::kHello: break;
  }
  board_.Dropped(&Drops::frame);
}

void ZmqConnectSide::OnWelcome(std::uint64_t port) {
  Address address = options_.address;
  if (address.scheme == Address::Scheme::kIpc) {
    address.host = BroadcastName(address.host);
  } else if (port == 0 || port > 65535) {
    board_.Dropped(&Drops::decode);
    return;
  } else {
    address.port = static_cast<std::uint16_t>(port);
  }
  if (broadcasts_address_ == address) return;
  // Without the subscription we get each broadcast by the control connection.
  if (Subscribe(address).ok()) {
    broadcasts_address_ = address;
  } else {
    from_broadcasts_ = {};
    broadcasts_.reset();
  }
}

void ZmqConnectSide::OnCutOff() {
  board_.SetReachable(kHeadNode, false);
  events_ = {};
  from_dealer_ = from_broadcasts_ = {};
  dealer_.reset();
  broadcasts_.reset();
  rebuild_at_.reset();
  lost_ = hello_is_due_ = false;
  listener_.OnDisconnected(kHeadNode, absl::UnavailableError("the head cut this node off"));
}

bool ZmqConnectSide::Send(NodeId, Traffic kind, Frame& frame) {
  if (dealer_ == nullptr) {
    if (!rebuild_at_.has_value()) board_.Dropped(&Drops::route);
    return !rebuild_at_.has_value();
  }
  // libzmq tells that a connection ended before it stops taking what would be lost with it.
  if (!diagnosis_.IsConnected()) {
    events_.input()->Touch();
    ReadConnectionEvents();
    if (!diagnosis_.IsConnected()) return false;
  }
  ZmqMessage message(std::move(frame));
  const std::size_t bytes = message.size();
  from_dealer_.Touch();
  switch (message.Send(dealer_.get(), 0)) {
    case 0: board_.Sent(kind, BytesOnWire(bytes)); return true;
    case EAGAIN: frame = ToFrame(message); return false;
    default: board_.Dropped(&Drops::full); return true;
  }
}

void ZmqConnectSide::Publish(Traffic, Frame) { board_.Dropped(&Drops::route); }
void ZmqConnectSide::Welcome(NodeId) {}
void ZmqConnectSide::Disconnect(NodeId) {}

void ZmqConnectSide::Close(Duration linger) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(linger).count();
  if (dealer_ != nullptr) {
    SetOption(dealer_.get(), ZMQ_LINGER, static_cast<int>(milliseconds));
  }
  events_ = {};
  from_dealer_ = from_broadcasts_ = {};
  dealer_.reset();
  broadcasts_.reset();
  context_.reset();
}

}  // namespace runtime
