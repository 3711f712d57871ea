#include "runtime/net/zmq_listen_side.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/net/zmq_bind.h"
#include "runtime/net/zmq_wire.h"

namespace runtime {
namespace {

using std::chrono::seconds;

// What waits for a slow peer, beside libzmq's own queue of 1000 frames.
constexpr std::size_t kMaxWaitingBytes = 16 << 20;
constexpr std::size_t kMaxWaitingFrames = 65536;
// libzmq does not say when one peer of a ROUTER has room again.
constexpr Duration kRetryInterval = std::chrono::milliseconds(2);

}  // namespace

absl::Status ZmqListenSide::Open() {
  context_ = NewZmqContext();
  ASSIGN_OR_RETURN(router_, NewZmqSocket(context_.get(), ZMQ_ROUTER));
  control_address_ = options_.address;
  SetCommonOptions(router_.get(), control_address_.IsIpv6(), kMaxFrameBytes);
  SetOption(router_.get(), ZMQ_ROUTER_MANDATORY, 1);
  SetOption(router_.get(), ZMQ_ROUTER_HANDOVER, 1);
  ASSIGN_OR_RETURN(router_events_, ConnectionMonitor::Watch(context_.get(), router_.get()));
  RETURN_IF_ERROR(BindSocket(router_.get(), control_address_));
  from_router_ = ZmqInput(router_.get());
  return broadcast_.Open(context_.get(), control_address_, options_.broadcast_ports);
}

void ZmqListenSide::AddInputs(std::vector<ZmqInput*>& inputs) {
  inputs.push_back(&from_router_);
  inputs.push_back(router_events_.input());
  broadcast_.AddInputs(inputs);
}

void ZmqListenSide::AddPollItems(bool writable, std::vector<zmq_pollitem_t>& items) {
  items.push_back(Readable(router_.get()));
  items.push_back(Readable(router_events_.socket()));
  broadcast_.AddPollItems(items);
}

std::optional<Time> ZmqListenSide::NextDeadline() const {
  if (slow_.empty()) return std::nullopt;
  return next_retry_;
}

void ZmqListenSide::Read(Time now) {
  // The event of a connection comes before what is said on it, and what was said before its end.
  if (!from_router_.IsDry()) router_events_.input()->Touch();
  if (ReadConnectionEvents()) from_router_.Touch();
  broadcast_.Read();
  bool dry = false;
  for (int i = 0; i < kReadsPerTurn && !dry; ++i) dry = !ReadOneMessage(now);
  // What a lost peer had said before comes first.
  if (dry) ReportLostPeers();
  if (!slow_.empty() && now >= next_retry_) {
    RouteWaiting();
    next_retry_ = now + kRetryInterval;
  }
}

bool ZmqListenSide::ReadConnectionEvents() {
  bool any = false;
  while (const std::optional<ConnectionEvent> event = router_events_.Next()) {
    any = true;
    OnConnectionEvent(*event);
  }
  return any;
}

void ZmqListenSide::OnConnectionEvent(const ConnectionEvent& event) {
  if (event.kind == ZMQ_EVENT_DISCONNECTED) OnConnectionGone(event.value);
  if (event.kind == ZMQ_EVENT_ACCEPTED) {
    // A connection that a handover replaced was closed without a word.
    OnConnectionGone(event.value);
    connections_[event.value] = NodeId{};
  }
}

// libzmq tells that a connection ended before it closes the descriptor, and that one was accepted
// before anything is read from it: the events of one descriptor are in order.
void ZmqListenSide::OnConnectionGone(int fd) {
  const auto connection = connections_.find(fd);
  if (connection == connections_.end()) return;
  const NodeId owner = connection->second;
  connections_.erase(connection);
  // It ended without a word that a node says.
  if (owner.IsNull()) board_.Dropped(&Drops::handshake);
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
    const bool tell = peer->second.heard && !peer->second.cut;
    if (!peer->second.welcomed) Forget(node);
    if (tell) listener_.OnDisconnected(node, absl::UnavailableError("its connection was closed"));
  }
}

bool ZmqListenSide::ReadOneMessage(Time now) {
  ZmqMessage name;
  if (!from_router_.Receive(name)) return false;
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
  // On a new connection it may not have heard yet where broadcasts are.
  if (peer.welcomed) {
    SendNote(sender, Traffic::kJoin,
             {.kind = NoteKind::kWelcome, .value = broadcast_.address().port});
  }
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
    peer.heard = true;
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
  Route(envelope.to, Traffic::kControl, std::move(body));
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
  if (!connections_.contains(fd)) {
    // It may have been accepted just now.
    router_events_.input()->Touch();
    if (ReadConnectionEvents()) from_router_.Touch();
  }
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
  board_.Dropped(&Drops::route, peer->second.waiting.size());
  peers_.erase(peer);
  board_.SetReachable(node, false);
}

bool ZmqListenSide::TryRoute(NodeId to, Traffic kind, ZmqMessage& body) {
  const RoutingId id = ToRoutingId(to);
  const std::size_t bytes = body.size();
  ZmqMessage name{std::span<const std::byte>(id)};
  from_router_.Touch();
  // ROUTER_MANDATORY: an error comes before the body is touched.
  int error = name.Send(router_.get(), ZMQ_SNDMORE);
  if (error == EAGAIN) return false;
  if (error == 0) error = body.Send(router_.get(), 0);
  if (error == 0) {
    board_.Sent(kind, BytesOnWire(bytes));
  } else {
    board_.Dropped(&Drops::route);
  }
  return true;
}

void ZmqListenSide::Route(NodeId to, Traffic kind, ZmqMessage body) {
  const auto found = peers_.find(to);
  if (found == peers_.end()) {
    board_.Dropped(&Drops::route);
    return;
  }
  Peer& peer = found->second;
  if (peer.waiting.empty() && TryRoute(to, kind, body)) return;
  if (peer.waiting.size() >= kMaxWaitingFrames ||
      peer.waiting_bytes + body.size() > kMaxWaitingBytes) {
    board_.Dropped(&Drops::full);
    return;
  }
  if (peer.waiting.empty()) slow_.push_back(to);
  peer.waiting_bytes += body.size();
  peer.waiting.emplace_back(kind, std::move(body));
}

void ZmqListenSide::RouteWaiting() {
  for (const NodeId node : std::exchange(slow_, {})) {
    const auto found = peers_.find(node);
    if (found == peers_.end()) continue;
    Peer& peer = found->second;
    while (!peer.waiting.empty()) {
      auto& [kind, body] = peer.waiting.front();
      const std::size_t bytes = body.size();
      if (!TryRoute(node, kind, body)) break;
      peer.waiting_bytes -= bytes;
      peer.waiting.pop_front();
    }
    if (!peer.waiting.empty()) slow_.push_back(node);
  }
}

bool ZmqListenSide::IsDrained() {
  RouteWaiting();
  return slow_.empty();
}

bool ZmqListenSide::Send(NodeId to, Traffic kind, Frame& frame) {
  Route(to, kind, ZmqMessage(std::move(frame)));
  return true;
}

void ZmqListenSide::SendNote(NodeId to, Traffic kind, const Note& note) {
  const std::array<std::uint64_t, 4> words = EncodeNote(note);
  Route(to, kind, ZmqMessage(std::as_bytes(std::span(words))));
}

void ZmqListenSide::Publish(Traffic kind, Frame frame) {
  broadcast_.ReadNow();
  ZmqMessage message(std::move(frame));
  // Whose subscription is still under way gets it by the other road.
  for (const auto& [node, peer] : peers_) {
    if (peer.welcomed && peer.fd >= 0 && !broadcast_.Reaches(node)) {
      Route(node, kind, message);
    }
  }
  broadcast_.Send(kind, std::move(message));
}

void ZmqListenSide::Welcome(NodeId node) {
  const auto [peer, is_new] = peers_.try_emplace(node);
  if (peer->second.cut) return;
  if (is_new) {
    // Its connection broke while it was being judged; it is welcome when it comes back.
    peer->second.arrival = ++arrivals_;
    peer->second.welcomed = true;
    board_.SetReachable(node, true);
    return;
  }
  if (!std::exchange(peer->second.welcomed, true)) --unwelcomed_;
  SendNote(node, Traffic::kJoin, {.kind = NoteKind::kWelcome, .value = broadcast_.address().port});
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
  const auto milliseconds =
      static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(linger).count());
  broadcast_.Close(milliseconds);
  if (router_ != nullptr) SetOption(router_.get(), ZMQ_LINGER, milliseconds);
  router_events_ = {};
  from_router_ = {};
  router_.reset();
  context_.reset();
}

}  // namespace runtime
