#include "runtime/net/zmq_listen_side.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "runtime/base/error.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"
#include "runtime/net/zmq_wire.h"

namespace runtime {
namespace {

using std::chrono::seconds;

constexpr std::size_t kMaxSubscribers = 4096;

absl::Status BindError(const Address& address, int error) {
  if (error == EADDRINUSE) {
    return MakeError("ADDRESS_IN_USE", Exit::kUsage,
                     absl::StrCat(address.ToString(), " is already in use"),
                     "another head may be running there; choose another port");
  }
  if (error == EADDRNOTAVAIL || error == ENODEV) {
    return MakeError(
        "ADDRESS_NOT_LOCAL", Exit::kUsage,
        absl::StrCat("cannot listen at ", address.ToString(), ": that is no address of this host"),
        "listen at an address of this host, or at 0.0.0.0");
  }
  return MakeError(
      "CANNOT_LISTEN", Exit::kUsage,
      absl::StrCat("cannot listen at ", address.ToString(), ": ", zmq_strerror(error)));
}

// libzmq's spelling of `address`: "*" is its ephemeral port.
std::string BindEndpoint(const Address& address) {
  if (address.scheme == Address::Scheme::kIpc || address.port != 0) return address.ToString();
  const std::string text = address.ToString();
  return text.substr(0, text.size() - 1) + "*";
}

// 0 or errno. `address` gets the port that the system chose.
int Bind(void* socket, Address& address) {
  if (zmq_bind(socket, BindEndpoint(address).c_str()) != 0) return zmq_errno();
  if (address.scheme == Address::Scheme::kTcp && address.port == 0) {
    const std::string endpoint = LastEndpoint(socket);
    address.port = static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
  }
  return 0;
}

Frame ToFrame(const ZmqMessage& body) {
  Frame frame(body.size() / sizeof(std::uint64_t));
  std::memcpy(frame.data(), body.data(), body.size());
  return frame;
}

}  // namespace

absl::Status ZmqListenSide::Open() {
  context_ = NewZmqContext();
  RETURN_IF_ERROR(OpenRouter());
  return OpenBroadcast();
}

absl::Status ZmqListenSide::OpenRouter() {
  ASSIGN_OR_RETURN(router_, NewZmqSocket(context_.get(), ZMQ_ROUTER));
  void* router = router_.get();
  SetOption(router, ZMQ_LINGER, 0);
  SetOption(router, ZMQ_ROUTER_MANDATORY, 1);
  SetOption(router, ZMQ_ROUTER_HANDOVER, 1);
  SetOption(router, ZMQ_HANDSHAKE_IVL, kHandshakeMilliseconds);
  SetOption(router, ZMQ_BACKLOG, 512);
  SetOption(router, ZMQ_IPV6, options_.address.IsIpv6() ? 1 : 0);
  const std::int64_t max_bytes = kMaxFrameBytes;
  REQUIRE(zmq_setsockopt(router, ZMQ_MAXMSGSIZE, &max_bytes, sizeof(max_bytes)) == 0);
  ASSIGN_OR_RETURN(router_events_, ConnectionMonitor::Watch(context_.get(), router));
  control_address_ = options_.address;
  const int error = Bind(router, control_address_);
  return error == 0 ? absl::OkStatus() : BindError(control_address_, error);
}

absl::Status ZmqListenSide::OpenBroadcast() {
  ASSIGN_OR_RETURN(broadcast_, NewZmqSocket(context_.get(), ZMQ_XPUB));
  void* broadcast = broadcast_.get();
  SetOption(broadcast, ZMQ_LINGER, 0);
  // Every subscription is told, so that subscribers can be counted.
  SetOption(broadcast, ZMQ_XPUB_VERBOSER, 1);
  SetOption(broadcast, ZMQ_HANDSHAKE_IVL, kHandshakeMilliseconds);
  SetOption(broadcast, ZMQ_BACKLOG, 512);
  SetOption(broadcast, ZMQ_IPV6, options_.address.IsIpv6() ? 1 : 0);
  const std::int64_t max_bytes = 64;  // Subscriptions.
  REQUIRE(zmq_setsockopt(broadcast, ZMQ_MAXMSGSIZE, &max_bytes, sizeof(max_bytes)) == 0);
  ASSIGN_OR_RETURN(broadcast_events_, ConnectionMonitor::Watch(context_.get(), broadcast));
  return BindBroadcast();
}

absl::Status ZmqListenSide::BindBroadcast() {
  broadcast_address_ = control_address_;
  if (control_address_.scheme == Address::Scheme::kIpc) {
    broadcast_address_.host = BroadcastName(control_address_.host);
  }
  const bool any = !options_.broadcast_ports.has_value();
  if (control_address_.scheme == Address::Scheme::kIpc || any) {
    broadcast_address_.port = 0;
    const int error = Bind(broadcast_.get(), broadcast_address_);
    return error == 0 ? absl::OkStatus() : BindError(broadcast_address_, error);
  }
  const PortRange range = *options_.broadcast_ports;
  for (int port = range.first; port <= range.last; ++port) {
    broadcast_address_.port = static_cast<std::uint16_t>(port);
    const int error = Bind(broadcast_.get(), broadcast_address_);
    if (error == 0) return absl::OkStatus();
    if (error != EADDRINUSE) return BindError(broadcast_address_, error);
  }
  return MakeError("PORT_RANGE_EXHAUSTED", Exit::kUsage,
                   absl::StrCat("no port from ", range.first, " to ", range.last, " is free"),
                   "give a wider --port-range");
}

void ZmqListenSide::AddPollItems(bool writable, std::vector<zmq_pollitem_t>& items) {
  items.push_back(Readable(router_.get()));
  items.push_back(Readable(broadcast_.get()));
  items.push_back(Readable(router_events_.socket()));
  items.push_back(Readable(broadcast_events_.socket()));
}

void ZmqListenSide::Read(Time now) {
  ReadConnectionEvents();
  ReadSubscriptions();
  bool dry = false;
  for (int i = 0; i < kReadsPerTurn && !dry; ++i) dry = !ReadOneMessage(now);
  // What a lost peer had said before comes first.
  if (dry) ReportLostPeers();
}

void ZmqListenSide::ReadConnectionEvents() {
  while (const std::optional<ConnectionEvent> event = router_events_.Next()) {
    OnConnectionEvent(*event);
  }
  while (const std::optional<ConnectionEvent> event = broadcast_events_.Next()) {
    if (event->kind == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL ||
        event->kind == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) {
      board_.Dropped(&Drops::handshake);
    }
  }
}

void ZmqListenSide::OnConnectionEvent(const ConnectionEvent& event) {
  switch (event.kind) {
    case ZMQ_EVENT_ACCEPTED:
      // A connection that a handover replaced is closed without a word.
      OnConnectionGone(event.value);
      connections_[event.value] = NodeId{};
      break;
    case ZMQ_EVENT_DISCONNECTED: OnConnectionGone(event.value); break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: board_.Dropped(&Drops::handshake); break;
    default: break;
  }
}

// libzmq tells that a connection ended before it closes the descriptor, and that one was accepted
// before anything is read from it: the events of one descriptor are in order.
void ZmqListenSide::OnConnectionGone(int fd) {
  const auto connection = connections_.find(fd);
  if (connection == connections_.end()) return;
  const NodeId owner = connection->second;
  connections_.erase(connection);
  const auto peer = peers_.find(owner);
  if (peer == peers_.end() || peer->second.fd != fd) return;
  peer->second.fd = -1;
  if (!std::exchange(peer->second.lost, true)) lost_.push_back(owner);
}

void ZmqListenSide::ReportLostPeers() {
  for (const NodeId node : std::exchange(lost_, {})) {
    const auto peer = peers_.find(node);
    if (peer == peers_.end()) continue;
    peer->second.lost = false;
    if (peer->second.fd >= 0) continue;  // It is back already.
    const bool cut = peer->second.cut;
    if (!peer->second.welcomed) Forget(node);
    if (!cut) listener_.OnDisconnected(node, absl::UnavailableError("its connection was closed"));
  }
}

void ZmqListenSide::ReadSubscriptions() {
  static const FrameTopic frames = TopicOfFrames();
  ZmqMessage message;
  for (int i = 0; i < kReadsPerTurn && message.Receive(broadcast_.get()); ++i) {
    const std::span<const std::byte> bytes = message.bytes();
    if (bytes.empty() || std::to_integer<int>(bytes[0]) > 1) {
      board_.Dropped(&Drops::frame);
      continue;
    }
    const bool begins = bytes[0] == std::byte{1};
    const std::span<const std::byte> topic = bytes.subspan(1);
    if (std::equal(topic.begin(), topic.end(), frames.begin(), frames.end())) {
      // Anybody may unsubscribe from what they never had.
      if (begins || subscriptions_ > 0) subscriptions_ += begins ? 1 : -1;
      continue;
    }
    std::optional<NodeId> node;
    if (!topic.empty() && topic[0] == kNameMark) node = FromRoutingId(topic.subspan(1));
    if (!node.has_value()) {
      board_.Dropped(&Drops::handshake);
    } else if (begins && subscribed_.size() < kMaxSubscribers) {
      ++subscribed_[*node];
    } else if (const auto entry = subscribed_.find(*node);
               !begins && entry != subscribed_.end() && --entry->second == 0) {
      subscribed_.erase(entry);
    }
  }
}

bool ZmqListenSide::ReadOneMessage(Time now) {
  ZmqMessage name;
  if (!name.Receive(router_.get())) return false;
  ZmqMessage body;
  int parts = 1;
  for (bool more = name.more(); more; more = body.more(), ++parts) {
    if (!body.Receive(router_.get())) break;
  }
  const std::optional<NodeId> sender = FromRoutingId(name.bytes());
  if (!sender.has_value() || *sender == options_.self) {
    board_.Dropped(&Drops::handshake);
  } else if (parts != 2) {
    board_.Dropped(&Drops::frame);
  } else {
    OnMessage(*sender, body, now);
  }
  return true;
}

void ZmqListenSide::OnMessage(NodeId sender, ZmqMessage& body, Time now) {
  const int fd = body.source_fd();
  if (const std::optional<Note> note = DecodeNote(body.bytes())) {
    OnHello(sender, *note, fd, now);
    return;
  }
  switch (CheckFrame(body.data(), body.size())) {
    case FrameFault::kNone: OnFrame(sender, body, now); return;
    case FrameFault::kChecksum: board_.Dropped(&Drops::checksum); return;
    default: board_.Dropped(&Drops::frame); return;
  }
}

void ZmqListenSide::OnHello(NodeId sender, const Note& note, int fd, Time now) {
  if (note.kind != NoteKind::kHello) {
    board_.Dropped(&Drops::frame);
    return;
  }
  Peer& peer = Admit(sender, fd, now);
  if (!peer.welcomed && !MaySpeak(peer, now)) {
    board_.Dropped(&Drops::handshake);
    return;
  }
  SendNote(sender, Traffic::kJoin, {.kind = NoteKind::kPresent});
}

void ZmqListenSide::OnFrame(NodeId sender, ZmqMessage& body, Time now) {
  Peer& peer = Admit(sender, body.source_fd(), now);
  if (!peer.welcomed && !MaySpeak(peer, now)) {
    board_.Dropped(&Drops::handshake);
    return;
  }
  Frame frame = ToFrame(body);
  const absl::StatusOr<std::unique_ptr<FrameReader>> reader = FrameReader::Open(frame);
  // A node speaks for itself only.
  if (!reader.ok() || (*reader)->envelope().from != sender) {
    board_.Dropped(&Drops::decode);
    return;
  }
  const Envelope& envelope = (*reader)->envelope();
  if (envelope.to == options_.self || envelope.to == kHeadNode || envelope.to.IsNull()) {
    listener_.OnFrame(sender, std::move(frame));
  } else {
    Relay(sender, envelope, body);
  }
}

void ZmqListenSide::Relay(NodeId sender, const Envelope& envelope, ZmqMessage& body) {
  const auto source = peers_.find(sender);
  const auto target = peers_.find(envelope.to);
  const bool allowed = envelope.to != sender && source != peers_.end() && source->second.welcomed &&
                       target != peers_.end() && target->second.welcomed;
  if (!allowed) {
    board_.Dropped(&Drops::route);
    return;
  }
  RouteOrDrop(envelope.to, Traffic::kControl, std::move(body));
}

bool ZmqListenSide::MaySpeak(Peer& peer, Time now) {
  if (peer.cut) return false;
  while (peer.allowance < options_.frames_before_welcome &&
         now - peer.allowance_since >= seconds(1)) {
    ++peer.allowance;
    peer.allowance_since += seconds(1);
  }
  if (peer.allowance == options_.frames_before_welcome) peer.allowance_since = now;
  if (peer.allowance == 0) return false;
  --peer.allowance;
  return true;
}

ZmqListenSide::Peer& ZmqListenSide::Admit(NodeId sender, int fd, Time now) {
  if (!peers_.contains(sender)) {
    MakeRoomForOneMore();
    peers_[sender] = {.allowance = options_.frames_before_welcome,
                      .allowance_since = now,
                      .arrival = ++arrivals_};
    ++unwelcomed_;
    board_.SetReachable(sender, true);
  }
  Peer& peer = peers_[sender];
  if (fd < 0 || peer.fd == fd) return peer;
  if (!connections_.contains(fd)) ReadConnectionEvents();  // It may have been accepted just now.
  const auto connection = connections_.find(fd);
  if (connection == connections_.end()) {
    // It said this with its last breath.
    if (peer.fd < 0 && !std::exchange(peer.lost, true)) lost_.push_back(sender);
    return peer;
  }
  if (peer.fd >= 0) connections_.erase(peer.fd);
  connection->second = sender;
  peer.fd = fd;
  return peer;
}

void ZmqListenSide::MakeRoomForOneMore() {
  if (unwelcomed_ < options_.max_unwelcomed) return;
  const auto oldest =
      std::min_element(peers_.begin(), peers_.end(), [](const auto& a, const auto& b) {
        if (a.second.welcomed != b.second.welcomed) return b.second.welcomed;
        return a.second.arrival < b.second.arrival;
      });
  Forget(oldest->first);
}

void ZmqListenSide::Forget(NodeId node) {
  const auto peer = peers_.find(node);
  if (peer == peers_.end()) return;
  if (!peer->second.welcomed) --unwelcomed_;
  peers_.erase(peer);
  board_.SetReachable(node, false);
}

int ZmqListenSide::Route(NodeId to, ZmqMessage& body) {
  const RoutingId id = ToRoutingId(to);
  ZmqMessage name{std::span<const std::byte>(id)};
  // ROUTER_MANDATORY: EHOSTUNREACH or EAGAIN come before the body is touched.
  const int error = name.Send(router_.get(), ZMQ_SNDMORE);
  return error != 0 ? error : body.Send(router_.get(), 0);
}

void ZmqListenSide::RouteOrDrop(NodeId to, Traffic kind, ZmqMessage body) {
  const std::size_t bytes = body.size();
  const int error = Route(to, body);
  if (error == 0) {
    board_.Sent(kind, BytesOnWire(bytes));
  } else {
    board_.Dropped(error == EAGAIN ? &Drops::full : &Drops::route);
  }
}

bool ZmqListenSide::Send(NodeId to, Traffic kind, Frame& frame) {
  RouteOrDrop(to, kind, ZmqMessage(std::move(frame)));
  return true;
}

void ZmqListenSide::SendNote(NodeId to, Traffic kind, const Note& note) {
  const std::array<std::uint64_t, 4> words = EncodeNote(note);
  RouteOrDrop(to, kind, ZmqMessage(std::as_bytes(std::span(words))));
}

void ZmqListenSide::Publish(Traffic kind, Frame frame) {
  ReadSubscriptions();
  ZmqMessage message(std::move(frame));
  // Whose subscription is still under way gets it by the other road.
  for (const auto& [node, peer] : peers_) {
    if (peer.welcomed && peer.fd >= 0 && !subscribed_.contains(node)) {
      RouteOrDrop(node, kind, message);
    }
  }
  const std::size_t bytes = message.size();
  if (message.Send(broadcast_.get(), 0) == 0)
    board_.Sent(kind, subscriptions_ * BytesOnWire(bytes));
}

void ZmqListenSide::Welcome(NodeId node) {
  const auto peer = peers_.find(node);
  if (peer == peers_.end() || peer->second.cut) return;
  if (!std::exchange(peer->second.welcomed, true)) --unwelcomed_;
  SendNote(node, Traffic::kJoin, {.kind = NoteKind::kWelcome, .value = broadcast_address_.port});
}

void ZmqListenSide::Disconnect(NodeId node) {
  const auto peer = peers_.find(node);
  if (peer == peers_.end()) return;
  SendNote(node, Traffic::kControl, {.kind = NoteKind::kCutOff});
  if (std::exchange(peer->second.welcomed, false)) ++unwelcomed_;
  peer->second.cut = true;
  board_.SetReachable(node, false);
  if (peer->second.fd < 0) Forget(node);
}

void ZmqListenSide::Close(Duration linger) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(linger).count();
  for (ZmqSocket* socket : {&router_, &broadcast_}) {
    if (*socket != nullptr) SetOption(socket->get(), ZMQ_LINGER, static_cast<int>(milliseconds));
  }
  router_events_ = {};
  broadcast_events_ = {};
  router_.reset();
  broadcast_.reset();
  context_.reset();
}

}  // namespace runtime
