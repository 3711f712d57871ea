#include "runtime/collective/zmq_ring_link.h"

#include <absl/strings/str_cat.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "runtime/base/require.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"

namespace runtime {
namespace {

constexpr int kHandshakeMilliseconds = 3000;
constexpr int kBacklog = 512;
// Members whose hello is remembered; more than a ring has, so that strangers push nobody out.
constexpr std::size_t kMaxRoutes = 2 * kMaxWorldSize;
constexpr std::size_t kMaxParts = 3;
// ZMTP 3.0 with the NULL mechanism: greeting (64 bytes) and READY, with socket type and identity.
constexpr std::uint64_t kHandshakeBytes = 64 + 43;

std::uint64_t FramedBytes(std::size_t bytes) { return bytes + (bytes > 255 ? 9 : 2); }

// One ZeroMQ part.
class Part {
 public:
  Part() { zmq_msg_init(&message_); }
  ~Part() { zmq_msg_close(&message_); }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  bool Receive(void* socket) { return zmq_msg_recv(&message_, socket, ZMQ_DONTWAIT) >= 0; }
  bool more() const { return zmq_msg_more(&message_) != 0; }
  std::span<const std::byte> bytes() {
    return {static_cast<const std::byte*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
  }
  std::string_view text() {
    return {static_cast<const char*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
  }

 private:
  zmq_msg_t message_;
};

void SetOption(void* socket, int option, int value) {
  const int result = zmq_setsockopt(socket, option, &value, sizeof(value));
  REQUIRE(result == 0);
}

void SetMaxMessage(void* socket, std::size_t bytes) {
  const auto value = static_cast<std::int64_t>(bytes);
  const int result = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &value, sizeof(value));
  REQUIRE(result == 0);
}

std::string LastError() { return zmq_strerror(zmq_errno()); }

std::string LastEndpoint(void* socket) {
  char text[256];
  std::size_t size = sizeof(text);
  if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, text, &size) != 0) return "";
  return text;
}

// IPv6 addresses stand in brackets.
std::string HostInAddress(const std::string& host) {
  const bool bare = host.find(':') != std::string::npos && host.front() != '[';
  return bare ? "[" + host + "]" : host;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZmqRingLink>> ZmqRingLink::Open(const ZmqRingOptions& options,
                                                               RingCounters& counters) {
  std::unique_ptr<ZmqRingLink> link(new ZmqRingLink(options, counters));
  link->event_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  link->context_ = zmq_ctx_new();
  if (link->event_fd_ < 0 || link->context_ == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("ring sockets: ", std::strerror(errno)));
  }
  link->releases_ = std::make_unique<ReleaseQueue>(link->event_fd_);
  RETURN_IF_ERROR(link->Bind());
  return link;
}

ZmqRingLink::~ZmqRingLink() {
  Close();
  if (event_fd_ >= 0) ::close(event_fd_);
}

absl::Status ZmqRingLink::Bind() {
  listener_ = zmq_socket(context_, ZMQ_ROUTER);
  if (listener_ == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("ring socket: ", LastError()));
  }
  SetOption(listener_, ZMQ_LINGER, 0);
  SetOption(listener_, ZMQ_BACKLOG, kBacklog);
  SetOption(listener_, ZMQ_HANDSHAKE_IVL, kHandshakeMilliseconds);
  // A ZAP domain makes libzmq refuse ZMTP 1 and 2, whose peers can end the process in 4.3.4.
  // Without a handler it has no other effect.
  constexpr std::string_view kDomain = "rondo";
  REQUIRE(zmq_setsockopt(listener_, ZMQ_ZAP_DOMAIN, kDomain.data(), kDomain.size()) == 0);
  SetOption(listener_, ZMQ_RCVHWM, static_cast<int>(kMaxCredits) + 8);
  SetOption(listener_, ZMQ_IPV6, options_.listen_host.find(':') != std::string::npos ? 1 : 0);
  SetMaxMessage(listener_, kMaxChunkBytes);
  RETURN_IF_ERROR(BindTcp());
  // An abstract name: nothing on disk to leave behind.
  const std::string name = "ipc://@rondo-" + options_.node.ToString();
  if (zmq_bind(listener_, name.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen at ", name, ": ", LastError()));
  }
  endpoint_.ipc = name;
  from_listener_ = ZmqInput(listener_);
  // Without a key this member is on a host of its own: its neighbours use tcp.
  endpoint_.host_key = HostKey().value_or("");
  return absl::OkStatus();
}

absl::Status ZmqRingLink::BindTcp() {
  const std::string host = HostInAddress(options_.listen_host);
  const int first = options_.first_port, last = std::max<int>(first, options_.last_port);
  for (int port = first; port <= last && endpoint_.tcp.empty(); ++port) {
    const std::string address = absl::StrCat("tcp://", host, ":", port == 0 ? "*" : "",
                                             port == 0 ? "" : std::to_string(port));
    if (zmq_bind(listener_, address.c_str()) == 0) endpoint_.tcp = LastEndpoint(listener_);
  }
  if (endpoint_.tcp.empty()) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options_.listen_host, " port ",
                                               first, " to ", last, ": ", LastError()));
  }
  if (!options_.advertised_host.empty()) {
    const std::string port = endpoint_.tcp.substr(endpoint_.tcp.rfind(':'));
    endpoint_.tcp = "tcp://" + HostInAddress(options_.advertised_host) + port;
  }
  return absl::OkStatus();
}

std::uint64_t ZmqRingLink::Booked(std::uint64_t bytes) {
  (evaluation_ ? counters_.evaluation_bytes : counters_.ring_bytes).fetch_add(bytes);
  return bytes;
}

// Empty: there is no such way to `peer`.
std::string ZmqRingLink::AddressOf(const RingEndpoint& peer, RingTransport transport) const {
  const bool same_host = !endpoint_.host_key.empty() && endpoint_.host_key == peer.host_key;
  switch (transport) {
    case RingTransport::kAuto: return same_host && !peer.ipc.empty() ? peer.ipc : peer.tcp;
    case RingTransport::kTcp: return peer.tcp;
    case RingTransport::kIpc: return same_host ? peer.ipc : "";
  }
  REQUIRE(false);
}

std::uint64_t ZmqRingLink::Connect(const RingJob& job, const RingMember& next) {
  const Fence& fence = job.fence;
  const bool same_view = next_fence_.run == fence.run &&
                         next_fence_.head_epoch == fence.head_epoch &&
                         next_fence_.view == fence.view;
  const bool keep = next_ != nullptr && failure_.empty() && same_view &&
                    next_member_.node == next.node && next_member_.endpoint == next.endpoint &&
                    next_transport_ == job.transport;
  if (!keep) Disconnect();
  next_member_ = next;
  next_transport_ = job.transport;
  next_fence_ = fence;
  evaluation_ = job.traffic == Traffic::kEvaluation;
  books_.push_back(std::make_unique<LeaseBook>(*releases_, job.shadow_owner));
  if (keep) return 0;
  OpenNext(AddressOf(next.endpoint, job.transport));
  return next_ == nullptr ? 0 : Booked(kHandshakeBytes) + SendHello();
}

void ZmqRingLink::OpenNext(const std::string& address) {
  if (address.empty()) {
    SetFailure("it is on another host, and the transport is ipc");
    return;
  }
  next_ = zmq_socket(context_, ZMQ_DEALER);
  monitor_ = zmq_socket(context_, ZMQ_PAIR);
  if (next_ == nullptr || monitor_ == nullptr) {
    SetFailure(LastError());
    return;
  }
  SetOption(next_, ZMQ_LINGER, 0);
  SetOption(next_, ZMQ_SNDHWM, 0);  // Credits bound it; a bound of its own could stop the ring.
  SetOption(next_, ZMQ_HANDSHAKE_IVL, kHandshakeMilliseconds);
  SetOption(next_, ZMQ_IPV6, address.find('[') != std::string::npos ? 1 : 0);
  SetMaxMessage(next_, kMaxRingMessageBytes);
  const std::string events = absl::StrCat("inproc://ring-", ++opened_);
  constexpr int kEvents = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
  SetOption(monitor_, ZMQ_LINGER, 0);
  if (zmq_socket_monitor(next_, events.c_str(), kEvents) != 0 ||
      zmq_connect(monitor_, events.c_str()) != 0 || zmq_connect(next_, address.c_str()) != 0) {
    SetFailure(absl::StrCat("cannot connect to \"", address, "\": ", LastError()));
    return;
  }
  from_next_ = ZmqInput(next_);
  from_monitor_ = ZmqInput(monitor_);
}

void ZmqRingLink::Disconnect() {
  if (next_ != nullptr) {
    zmq_socket_monitor(next_, nullptr, 0);
    zmq_close(next_);
  }
  if (monitor_ != nullptr) zmq_close(monitor_);
  next_ = monitor_ = nullptr;
  from_next_ = from_monitor_ = ZmqInput();
  failure_.clear();
  failure_is_news_ = false;
}

void ZmqRingLink::Close() {
  Disconnect();
  if (listener_ != nullptr) zmq_close(listener_);
  listener_ = nullptr;
  from_listener_ = ZmqInput();
  // Returns when libzmq has let go of every message, because nothing lingers.
  if (context_ != nullptr) {
    while (zmq_ctx_term(context_) != 0 && zmq_errno() == EINTR) {
    }
  }
  context_ = nullptr;
}

bool ZmqRingLink::SendSmall(void* socket, std::span<const std::byte> bytes, bool more) {
  const int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
  return zmq_send(socket, bytes.data(), bytes.size(), flags) >= 0;
}

std::uint64_t ZmqRingLink::SendHello() {
  const auto bytes = encoder_.Encode(
      {.fence = next_fence_, .body = RingHello{.from = options_.node, .to = next_member_.node}});
  from_next_.Touch();
  if (!SendSmall(next_, bytes, false)) {
    SetFailure(LastError());
    return 0;
  }
  return Booked(FramedBytes(bytes.size()));
}

std::uint64_t ZmqRingLink::RepeatHello() {
  return next_ != nullptr && failure_.empty() ? SendHello() : 0;
}

std::uint64_t ZmqRingLink::SendCredit(NodeId previous, const Fence& fence, RingCredit credit) {
  const auto route = std::find_if(routes_.begin(), routes_.end(),
                                  [&](const Route& known) { return known.node == previous; });
  if (route == routes_.end() || listener_ == nullptr) return 0;
  const auto bytes = encoder_.Encode({.fence = fence, .body = credit});
  from_listener_.Touch();
  // A ROUTER drops what is for a connection that is gone.
  if (!SendSmall(listener_, std::as_bytes(std::span(route->id)), true) ||
      !SendSmall(listener_, bytes, false)) {
    return 0;
  }
  return Booked(FramedBytes(bytes.size()));
}

std::uint64_t ZmqRingLink::SendChunk(const Fence& fence, const ChunkHeader& header,
                                     std::span<const float> floats, RingLease lease) {
  LeaseSlot* const slot = books_.back()->Lend(lease);
  const auto bytes = encoder_.Encode({.fence = fence, .body = header});
  zmq_msg_t body;
  // libzmq only reads it, although its interface says otherwise.
  const int made = zmq_msg_init_data(&body, const_cast<float*>(floats.data()), floats.size_bytes(),
                                     &LeaseSlot::OnFree, slot);
  REQUIRE(made == 0);
  from_next_.Touch();
  if (next_ == nullptr || !failure_.empty() || !SendSmall(next_, bytes, true) ||
      zmq_msg_send(&body, next_, ZMQ_DONTWAIT) < 0) {
    SetFailure(LastError());
    zmq_msg_close(&body);
    return 0;
  }
  counters_.progress.fetch_add(floats.size_bytes(), std::memory_order_relaxed);
  return Booked(FramedBytes(bytes.size()) + FramedBytes(floats.size_bytes()));
}

const ZmqRingLink::Route* ZmqRingLink::RouteById(std::string_view id) const {
  for (const Route& route : routes_) {
    if (route.id == id) return &route;
  }
  return nullptr;
}

// The newest connection of each member wins; a hello may come late on one that was given up.
bool ZmqRingLink::SetRoute(const Route& route) {
  for (Route& known : routes_) {
    if (known.node != route.node) continue;
    if (known.fence.run == route.fence.run && route.fence < known.fence) return false;
    known = route;
    return true;
  }
  if (routes_.size() == kMaxRoutes) routes_.erase(routes_.begin());
  routes_.push_back(route);
  return true;
}

bool ZmqRingLink::TakeFromPrevious(RingAllreduce& machine) {
  Part parts[kMaxParts];  // Name of the connection, header, floats.
  if (!from_listener_.Receive(parts[0])) return false;
  std::size_t count = 1;
  for (; count < kMaxParts && parts[count - 1].more(); ++count) {
    if (!parts[count].Receive(listener_)) break;
  }
  if (parts[count - 1].more()) {
    // Whole messages arrive at once, so the rest is here.
    for (bool more = true; more;) {
      Part rest;
      more = rest.Receive(listener_) && rest.more();
    }
    count = 0;
  }
  if (count < 2) {
    counters_.dropped_frame.fetch_add(1);
    return true;
  }
  const std::span<const std::byte> body = parts[2].bytes();
  OnMessage(machine, parts[0].text(), parts[1].bytes(), count == 3 ? &body : nullptr);
  return true;
}

void ZmqRingLink::OnMessage(RingAllreduce& machine, std::string_view id,
                            std::span<const std::byte> header,
                            const std::span<const std::byte>* body) {
  const absl::StatusOr<RingMessage> message = DecodeRingMessage(header);
  const Route* const route = RouteById(id);
  const auto* const hello = message.ok() ? std::get_if<RingHello>(&message->body) : nullptr;
  const auto* const chunk = message.ok() ? std::get_if<ChunkHeader>(&message->body) : nullptr;
  if (hello != nullptr && body == nullptr) {
    OnHello(machine, id, message->fence, *hello);
  } else if (route == nullptr) {
    (message.ok() ? counters_.dropped_handshake : counters_.dropped_frame).fetch_add(1);
  } else if (chunk != nullptr && body != nullptr) {
    OnChunk(machine, route->node, message->fence, *chunk, *body);
  } else {
    counters_.dropped_checksum.fetch_add(1);
    machine.OnCorrupt(route->node, message.ok()
                                       ? "unexpected kind or number of parts"
                                       : std::string_view(message.status().message().data(),
                                                          message.status().message().size()));
  }
}

void ZmqRingLink::OnHello(RingAllreduce& machine, std::string_view id, const Fence& fence,
                          const RingHello& hello) {
  if (hello.to != options_.node) {
    counters_.dropped_handshake.fetch_add(1);
    return;
  }
  const bool fresh = RouteById(id) == nullptr;
  if (!machine.Accepts(hello.from, hello, fence) ||
      !SetRoute({.node = hello.from, .fence = fence, .id = std::string(id)})) {
    counters_.dropped_fence.fetch_add(1);
    return;
  }
  if (fresh) Booked(kHandshakeBytes);
  machine.OnHello(hello.from, fence);
}

void ZmqRingLink::OnChunk(RingAllreduce& machine, NodeId from, const Fence& fence,
                          const ChunkHeader& header, std::span<const std::byte> body) {
  if (body.size() % sizeof(float) != 0) {
    counters_.dropped_checksum.fetch_add(1);
    machine.OnCorrupt(from, "a part that is not whole floats");
    return;
  }
  std::span<const float> floats(reinterpret_cast<const float*>(body.data()),
                                body.size() / sizeof(float));
  if (reinterpret_cast<std::uintptr_t>(body.data()) % alignof(float) != 0) {
    aligned_.resize(floats.size());
    std::memcpy(aligned_.data(), body.data(), body.size());
    floats = aligned_;
  }
  counters_.progress.fetch_add(body.size(), std::memory_order_relaxed);
  switch (machine.OnChunk(from, fence, header, floats)) {
    case ChunkFate::kTaken: break;
    case ChunkFate::kStale: counters_.dropped_fence.fetch_add(1); break;
    case ChunkFate::kCorrupt: counters_.dropped_checksum.fetch_add(1); break;
  }
}

bool ZmqRingLink::TakeFromNext(RingAllreduce& machine) {
  Part part;
  if (!from_next_.Receive(part)) return false;
  const bool single = !part.more();
  for (bool more = !single; more;) {
    Part rest;
    more = rest.Receive(next_) && rest.more();
  }
  const absl::StatusOr<RingMessage> message = DecodeRingMessage(part.bytes());
  const auto* const credit = message.ok() ? std::get_if<RingCredit>(&message->body) : nullptr;
  if (credit == nullptr || !single) {
    counters_.dropped_checksum.fetch_add(1);
    SetFailure("a credit that does not decode");
  } else if (!machine.OnCredit(next_member_.node, message->fence, *credit)) {
    counters_.dropped_fence.fetch_add(1);
  }
  return true;
}

bool ZmqRingLink::TakeReleases(RingAllreduce& machine) {
  LeaseSlot* slot = releases_->TakeAll();
  if (slot == nullptr) return false;
  while (slot != nullptr) {
    LeaseSlot* const next = slot->next;
    const RingLease lease = slot->lease;
    slot->book->Return();
    machine.OnReleased(lease);  // May lend the slot anew.
    slot = next;
  }
  if (books_.size() > 1) {
    const auto last = std::prev(books_.end());
    books_.erase(std::remove_if(books_.begin(), last,
                                [](const auto& book) { return book->outstanding() == 0; }),
                 last);
  }
  return true;
}

void ZmqRingLink::ReadMonitor() {
  for (;;) {
    Part event, address;
    if (!from_monitor_.Receive(event)) return;
    if (event.more()) address.Receive(monitor_);
    std::uint16_t kind = 0;
    if (event.bytes().size() >= sizeof(kind)) {
      std::memcpy(&kind, event.bytes().data(), sizeof(kind));
    }
    SetFailure(kind == ZMQ_EVENT_DISCONNECTED ? "disconnected" : "handshake failed");
  }
}

void ZmqRingLink::SetFailure(std::string why) {
  if (!failure_.empty()) return;
  failure_ = std::move(why);
  failure_is_news_ = true;
}

bool ZmqRingLink::TakeFailure(RingAllreduce& machine) {
  ReadMonitor();
  if (!failure_is_news_) return false;
  failure_is_news_ = false;
  machine.OnNextUnavailable(std::string(failure_));
  return true;
}

void ZmqRingLink::Wait(Duration timeout, bool wake_on_release) {
  if (wake_on_release && !releases_->WakeOnNext()) return;
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  ZmqInput* const inputs[] = {&from_listener_, &from_next_, &from_monitor_};
  if (WaitForInput(event_fd_, inputs, static_cast<int>(std::max<std::int64_t>(0, milliseconds)))) {
    eventfd_t count;
    eventfd_read(event_fd_, &count);
  }
}

void ZmqRingLink::Wake() { eventfd_write(event_fd_, 1); }

}  // namespace runtime
